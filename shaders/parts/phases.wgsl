// The two phases of a sum over more than a workgroup can add: one dispatch each.

const PHASES_PARTIALS: u32 = 0u;  // a workgroup for each partial
const PHASES_TOTAL: u32 = 1u;     // what follows from all partials
