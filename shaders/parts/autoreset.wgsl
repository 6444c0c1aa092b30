// Who resets an environment whose episode has ended.

const AUTORESET_SAME_STEP: u32 = 0u;  // the step that ends it
const AUTORESET_NEXT_STEP: u32 = 1u;  // the step after, whatever its action
const AUTORESET_DISABLED: u32 = 2u;   // none: it stays as it is
