// Which way the KL divergence is taken.

const DIVERGENCE_OLD_NEW: u32 = 0u;  // KL(old‖new)
const DIVERGENCE_NEW_OLD: u32 = 1u;  // KL(new‖old)
