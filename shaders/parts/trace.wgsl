// Columns of a row of statistics: one row per minibatch of an update, written by loss_statistics,
// optim_clip and loss_kl.

const TRACE_POLICY_LOSS: u32 = 0u;
const TRACE_VALUE_LOSS: u32 = 1u;
const TRACE_ENTROPY: u32 = 2u;
const TRACE_LOSS: u32 = 3u;
const TRACE_KL_1: u32 = 4u;
const TRACE_KL_2: u32 = 5u;
const TRACE_KL_3: u32 = 6u;
const TRACE_CLIPFRAC: u32 = 7u;
const TRACE_RATIO_MIN: u32 = 8u;
const TRACE_RATIO_MAX: u32 = 9u;
const TRACE_NON_FINITE: u32 = 10u;
const TRACE_GRAD_NORM: u32 = 11u;
const TRACE_STEPPED: u32 = 12u;
const TRACE_KL: u32 = 13u;       // analytic, where one is asked for
const TRACE_PENALTY: u32 = 14u;  // of that KL, part of the loss
const TRACE_HEAD_HITS: u32 = 15u;
const TRACE_ROWS: u32 = 16u;     // that count
const TRACE_WIDTH: u32 = 17u;
