//! Places of words in buffers that kernels share with the host, by the names that WGSL gives them. What the library reads, it reads by these.

use super::parts;

/// The value of `const <name>: u32 = <value>u;` in `source`.
///
/// For constants alone, so that it is evaluated when this crate is compiled: a name that the shader lacks ends the compilation.
pub(super) const fn word(source: &str, name: &str) -> usize {
    let (source, name) = (source.as_bytes(), name.as_bytes());
    let mut at = 0;
    loop {
        assert!(at + name.len() < source.len(), "the shader has no constant of this name");
        let value = follows(source, at, b"const ");
        let value = follows(source, value, name);
        let mut digit = follows(source, value, b": u32 = ");
        if digit < source.len() {
            let mut number = 0;
            while source[digit].is_ascii_digit() {
                number = 10 * number + (source[digit] - b'0') as usize;
                digit += 1;
            }
            assert!(source[digit] == b'u', "the constant is a decimal number");
            return number;
        }
        at += 1;
    }
}

/// Where `text` ends if it stands at `at`, else the end of `source`.
const fn follows(source: &[u8], at: usize, text: &[u8]) -> usize {
    if at + text.len() > source.len() {
        return source.len();
    }
    let mut i = 0;
    while i < text.len() {
        if source[at + i] != text[i] {
            return source.len();
        }
        i += 1;
    }
    at + text.len()
}

/// Columns of the statistics of a minibatch, `shaders/parts/trace.wgsl`; all are f32.
pub mod minibatch_stats {
    use super::{parts, word};

    const fn column(name: &str) -> usize {
        word(parts::TRACE.source, name)
    }

    /// Mean policy loss.
    pub const POLICY_LOSS: usize = column("TRACE_POLICY_LOSS");
    /// Mean value loss.
    pub const VALUE_LOSS: usize = column("TRACE_VALUE_LOSS");
    /// Mean entropy.
    pub const ENTROPY: usize = column("TRACE_ENTROPY");
    /// The sum that is minimised.
    pub const LOSS: usize = column("TRACE_LOSS");
    /// Estimator k1 of the KL, −log ratio.
    pub const OLD_APPROX_KL: usize = column("TRACE_KL_1");
    /// Estimator k2, half its square.
    pub const APPROX_KL_K2: usize = column("TRACE_KL_2");
    /// Estimator k3, ratio − 1 − log ratio.
    pub const APPROX_KL: usize = column("TRACE_KL_3");
    /// Share of the rows whose ratio is outside of the clip range.
    pub const CLIPFRAC: usize = column("TRACE_CLIPFRAC");
    /// Least ratio; above 3e38 where no row counts.
    pub const RATIO_MIN: usize = column("TRACE_RATIO_MIN");
    /// Greatest ratio.
    pub const RATIO_MAX: usize = column("TRACE_RATIO_MAX");
    /// Rows with a term that is not finite.
    pub const NON_FINITE_ROWS: usize = column("TRACE_NON_FINITE");
    /// Norm of the gradient before clipping.
    pub const GRAD_NORM: usize = column("TRACE_GRAD_NORM");
    /// Whether the optimiser stepped, 0 or 1.
    pub const STEPPED: usize = column("TRACE_STEPPED");
    /// Analytic KL, where one is asked for.
    pub const KL: usize = column("TRACE_KL");
    /// What the loss has for that KL.
    pub const PENALTY: usize = column("TRACE_PENALTY");
    /// Rows at a limit of the head.
    pub const HEAD_HITS: usize = column("TRACE_HEAD_HITS");
    /// Rows that were not masked.
    pub const ROWS: usize = column("TRACE_ROWS");
    /// Columns.
    pub const WIDTH: usize = column("TRACE_WIDTH");
}

/// Words by which the kernels of one update tell each other what was decided, `shaders/parts/control.wgsl`.
pub mod decisions {
    use super::{parts, word};

    const fn of(name: &str) -> usize {
        word(parts::CONTROL.source, name)
    }

    /// 0, or 1 + the first minibatch that does not step.
    pub const STOP: usize = of("CONTROL_STOP");
    /// Whether the optimiser may take the current minibatch's step, 0 or 1.
    pub const STEP: usize = of("CONTROL_STEP");
    /// Bits of an f32: factor of the gradient, except in the range of [`SCALE_VALUE`].
    pub const SCALE: usize = of("CONTROL_SCALE");
    /// Minibatches whose statistics count.
    pub const VISITED: usize = of("CONTROL_VISITED");
    /// Steps that the optimiser took.
    pub const STEPS_TAKEN: usize = of("CONTROL_STEPS_TAKEN");
    /// Steps that were left out because the gradient was not finite.
    pub const STEPS_SKIPPED: usize = of("CONTROL_STEPS_SKIPPED");
    /// Bits of an f32: the learning rate; 0: the schedule's.
    pub const LEARNING_RATE: usize = of("CONTROL_LEARNING_RATE");
    /// Bits of an f32: factor of the gradient of the value network's own layers.
    pub const SCALE_VALUE: usize = of("CONTROL_SCALE_VALUE");
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_word_is_found_by_its_whole_name() {
        let source = "const KL_BEFORE: u32 = 7u;\nconst OLD_KL: u32 = 3u;\nconst KL: u32 = 12u;  // last\n";
        assert_eq!([word(source, "KL_BEFORE"), word(source, "OLD_KL"), word(source, "KL")], [7, 3, 12]);
    }

    #[test]
    #[should_panic = "no constant of this name"]
    fn a_name_that_is_not_there_ends_it() {
        word("const KL_BEFORE: u32 = 7u;\n", "KL");
    }
}
