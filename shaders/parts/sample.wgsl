// Rows of `samples` that do not count: their logp_old is far beyond any log-probability.

const SAMPLE_INVALID: f32 = 1e38;

fn sample_is_valid(logp_old: f32) -> bool {
    return logp_old <= SAMPLE_INVALID;
}
