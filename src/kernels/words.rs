//! Places of words in buffers that kernels share with the host, and numbers in their parameters that stand for a choice, by the names that WGSL
//! gives them. What the library reads, it reads by these; what it chooses, it chooses by enums whose numbers are the shaders' own.

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

/// An enum whose numbers are constants of a shader, read from there when this crate is compiled.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        $name:ident of $source:expr => { $($(#[$doc:meta])* $choice:ident = $word:literal),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $choice),*
        }

        impl $name {
            /// The number by which the shader knows it.
            pub const fn code(self) -> u32 {
                match self {
                    $(Self::$choice => const { $crate::kernels::words::word($source, $word) as u32 }),*
                }
            }
        }
    };
}
pub(super) use codes;

codes! {
    /// The two phases of a sum over more than a workgroup can add, `shaders/parts/phases.wgsl`.
    Phases of parts::PHASES.source => {
        /// A workgroup for each partial.
        Partials = "PHASES_PARTIALS",
        /// What follows from all partials.
        Total = "PHASES_TOTAL",
    }
}

codes! {
    /// In which order an epoch takes its rows, `shaders/parts/order.wgsl`.
    Order of parts::ORDER.source => {
        /// A shuffle keyed by seed, update and epoch.
        Shuffled = "ORDER_SHUFFLED",
        /// The caller's, in the buffer `order`.
        Given = "ORDER_GIVEN",
        /// Rows stay where they are.
        InPlace = "ORDER_IN_PLACE",
    }
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
    use super::{parts, word};
    use crate::config::{Acceptance, KlDirection, ReturnReset, Surrogate, ValueLoss};
    use crate::env::Autoreset;
    use crate::kernels::{advantage_discount, optim_line_search};

    #[test]
    fn a_word_is_found_by_its_whole_name() {
        let source = "const KL_BEFORE: u32 = 7u;\nconst OLD_KL: u32 = 3u;\nconst KL: u32 = 12u;  // last\n";
        assert_eq!([word(source, "KL_BEFORE"), word(source, "OLD_KL"), word(source, "KL")], [7, 3, 12]);
    }

    /// Settings that shaders know by number: each is the constant of its name.
    #[test]
    fn settings_have_the_numbers_of_the_shaders() {
        let (search, discount) = (optim_line_search::DEF.source, advantage_discount::DEF.source);
        for (source, name, code) in [
            (parts::DIVERGENCE.source, "DIVERGENCE_OLD_NEW", KlDirection::OldNew.code()),
            (parts::DIVERGENCE.source, "DIVERGENCE_NEW_OLD", KlDirection::NewOld.code()),
            (search, "ACCEPTANCE_IMPROVES", Acceptance::Improves.code()),
            (search, "ACCEPTANCE_NOT_WORSE", Acceptance::NotWorse.code()),
            (search, "ACCEPTANCE_RATIO", Acceptance::Ratio(0.1).code()),
            (discount, "RESET_AFTER_DONE", ReturnReset::AfterDone.code()),
            (discount, "RESET_AT_TERMINATION", ReturnReset::AtTermination.code()),
            (discount, "RESET_AT_DONE", ReturnReset::AtDone.code()),
            (discount, "RESET_AT_TERMINATION_AFTER_DONE", ReturnReset::AtTerminationAfterDone.code()),
            (parts::AUTORESET.source, "AUTORESET_SAME_STEP", Autoreset::SameStep.code()),
            (parts::AUTORESET.source, "AUTORESET_NEXT_STEP", Autoreset::NextStep.code()),
            (parts::AUTORESET.source, "AUTORESET_DISABLED", Autoreset::Disabled.code()),
            (parts::SURROGATE.source, "SURROGATE_CLIP", Surrogate::Clip.code()),
            (parts::SURROGATE.source, "SURROGATE_RATIO", Surrogate::Ratio.code()),
            (parts::SURROGATE.source, "SURROGATE_PLAIN", Surrogate::LogProb.code()),
            (parts::VALUE.source, "VALUE_PLAIN", ValueLoss::Plain.code()),
            (parts::VALUE.source, "VALUE_CLIP_MAX", ValueLoss::ClipMax.code()),
            (parts::VALUE.source, "VALUE_CLIP_ONLY", ValueLoss::ClipOnly.code()),
            (parts::VALUE.source, "VALUE_HUBER", ValueLoss::Huber { delta: 1.0 }.code()),
            (parts::VALUE.source, "VALUE_CLAMP_ERROR", ValueLoss::ClampError { max: 1.0 }.code()),
        ] {
            assert_eq!(word(source, name), code as usize, "{name}");
        }
    }

    #[test]
    #[should_panic = "no constant of this name"]
    fn a_name_that_is_not_there_ends_it() {
        word("const KL_BEFORE: u32 = 7u;\n", "KL");
    }
}
