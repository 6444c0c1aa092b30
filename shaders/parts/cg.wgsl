// A conjugate-gradient solve: places of its scalars, why it ended, and its phases in the order in which they run.
const CG_RR: u32 = 0u;                  // r . r
const CG_PAP: u32 = 1u;                 // p . A p of the last iteration
const CG_ALPHA: u32 = 2u;               // step along p; 0 once done
const CG_BETA: u32 = 3u;
const CG_BB: u32 = 4u;                  // b . b, the squared norm of the gradient
const CG_DONE: u32 = 5u;                // 0, or why it ended: 1 residual, 2 curvature, 3 a number that is not finite
const CG_ITERATIONS: u32 = 6u;          // steps taken
const CG_NEGATIVE_CURVATURE: u32 = 7u;  // times that p . A p was not above 0
const CG_XHX: u32 = 8u;                 // x . A x
const CG_BX: u32 = 9u;                  // b . x
const CG_STEP_SCALE: u32 = 10u;         // factor of x that reaches max_kl; 0: no step
const CG_TRACE: u32 = 16u;              // r . r before the first iteration and after each; 0 where none was

const CG_RESIDUAL: f32 = 1.0;
const CG_CURVATURE: f32 = 2.0;
const CG_NOT_FINITE: f32 = 3.0;

// The start.
const CG_PHASE_RESIDUAL: u32 = 0u;   // r, p
const CG_PHASE_START: u32 = 1u;      // r . r, b . b
// An iteration, after F p.
const CG_PHASE_DAMP: u32 = 2u;       // A p
const CG_PHASE_ALPHA: u32 = 3u;
const CG_PHASE_ADVANCE: u32 = 4u;    // x, r
const CG_PHASE_BETA: u32 = 5u;
const CG_PHASE_DIRECTION: u32 = 6u;  // p
// The end, after F x.
const CG_PHASE_DAMP_X: u32 = 7u;     // A x
const CG_PHASE_LENGTH: u32 = 8u;     // of the step
const CG_PHASE_CLEAR: u32 = 9u;      // x that no later solve begins at
