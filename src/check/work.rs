//! What a piece or a kernel has to do, by formula.

use super::size::Size;

/// Operations and bytes that the mathematics asks for, whatever an implementation does.
///
/// **Operations** are floating-point multiplications, additions and elementary functions, each counted as one. Of whole
/// pieces only matrix products are counted, 2 per multiply-add (what is left is below a few per cent of them); of the kernels
/// of heads, losses and optimisers a stated number per element. Shuffles, copies and counters have none.
///
/// **Bytes** are compulsory traffic: what goes in and what comes out, once each, four bytes a number. Of a whole piece
/// these are observations, actions, samples, results and parameters with their moments; activations are not among them,
/// because a good implementation may keep them. So the roof of a whole piece is what no implementation can pass, and that
/// of a single kernel is what its own buffers ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Operations of one run.
    pub flops: f64,
    /// Bytes of one run.
    pub bytes: f64,
    /// How many rows, steps or parameters one run does.
    pub units: f64,
    /// What they are: `rows`, `steps` or `parameters`.
    pub unit: &'static str,
}

impl Work {
    /// Of `rows` rows.
    pub(crate) fn rows(rows: usize, flops: f64, bytes: f64) -> Self {
        Self { flops, bytes, units: rows as f64, unit: "rows" }
    }

    /// Of `steps` environment steps.
    pub(crate) fn steps(steps: usize, flops: f64, bytes: f64) -> Self {
        Self { flops, bytes, units: steps as f64, unit: "steps" }
    }

    /// So much for each step of a window.
    pub(super) fn window(size: &Size, flops: f64, bytes: f64) -> Self {
        let window = size.steps as f64 * size.envs as f64;
        Self::steps(size.steps * size.envs, flops * window, bytes * window)
    }

    /// So much for each parameter.
    pub(super) fn parameters(size: &Size, flops: f64, bytes: f64) -> Self {
        let units = size.parameters as f64;
        Self { flops: flops * units, bytes: bytes * units, units, unit: "parameters" }
    }

    /// Advantages of a window: a temporal difference (4), the recurrence (3) and the return (1); reward, value and two flags in,
    /// advantage and return out.
    pub(crate) fn gae(steps: usize, envs: usize) -> Self {
        let n = (steps * envs) as f64;
        Self::steps(steps * envs, 8.0 * n, 24.0 * n + 4.0 * envs as f64)
    }

    /// Operations per byte.
    pub fn intensity(&self) -> f64 {
        self.flops / self.bytes
    }
}
