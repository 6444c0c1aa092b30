// Masked rows of `samples`: their logp_old is 3e38, far beyond any log-probability. Its bits are compared, since a
// NaN or an infinity of a row that counts is an error to be found, not a mark.

const SAMPLE_INVALID: u32 = 0x7f61b1e6u;

fn sample_is_valid(logp_old: f32) -> bool {
    return bitcast<u32>(logp_old) != SAMPLE_INVALID;
}
