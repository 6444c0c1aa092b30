//! What a head's distribution is asked, row by row, and what several of them share.

use ndarray::{ArrayView1, ArrayViewMut1};

/// One row's distribution.
pub(crate) trait Distribution: Sync {
    /// Keeps the log deviations (or deviations) that all rows have in common, for `both` and `fisher_row` of these rows.
    fn prepare(&mut self, _shared: ArrayView1<'_, f64>) {}
    /// Of log p(action); `action` is the row's words.
    fn log_prob(&self, row: ArrayView1<'_, f64>, action: Action<'_>) -> f64;
    fn log_prob_grad(&self, row: ArrayView1<'_, f64>, action: Action<'_>, out: ArrayViewMut1<'_, f64>);
    fn entropy(&self, row: ArrayView1<'_, f64>) -> f64;
    fn entropy_grad(&self, row: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>);
    /// Log-probability and entropy, with their gradients: the four above in one, for those that share most of the work.
    fn both(
        &self,
        row: ArrayView1<'_, f64>,
        action: Action<'_>,
        by_logp: ArrayViewMut1<'_, f64>,
        by_entropy: ArrayViewMut1<'_, f64>,
    ) -> (f64, f64) {
        self.log_prob_grad(row, action, by_logp);
        self.entropy_grad(row, by_entropy);
        (self.log_prob(row, action), self.entropy(row))
    }
    /// KL(p‖q).
    fn kl(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>) -> f64;
    /// Gradient of KL(p‖q) with respect to p.
    fn kl_grad_first(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>);
    /// Gradient of KL(p‖q) with respect to q.
    fn kl_grad_second(&self, p: ArrayView1<'_, f64>, q: ArrayView1<'_, f64>, out: ArrayViewMut1<'_, f64>);
    /// What `fisher_vector` reads of the row, whatever the tangent; the diagonal, if it is diagonal.
    fn fisher_row(&self, row: ArrayView1<'_, f64>, mut known: ArrayViewMut1<'_, f64>) {
        known.assign(&row);
    }
    /// Fisher information of the row times `tangent`, in its place.
    fn fisher_vector(&self, known: ArrayView1<'_, f64>, tangent: ArrayViewMut1<'_, f64>);
    /// Whether Fisher information is diagonal.
    fn fisher_is_diagonal(&self) -> bool {
        false
    }
    /// The words of the action that an evaluation takes.
    fn greedy(&self, row: ArrayView1<'_, f64>) -> Vec<u32>;
    /// The words of a drawn action; the row is draw index `r`.
    fn sample(&self, r: usize, row: ArrayView1<'_, f64>, seed: u64, step: u64) -> Vec<u32>;
    /// Least distance between the two sides of a comparison that `sample` made: near 0, rounding may make it another draw.
    fn draw_margin(&self, _r: usize, _row: ArrayView1<'_, f64>, _seed: u64, _step: u64) -> f64 {
        f64::INFINITY
    }
    /// Limits that the row meets, over its dimensions.
    fn hits(&self, _row: ArrayView1<'_, f64>) -> u32 {
        0
    }
}

/// One row's action.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Action<'a> {
    Indices(ArrayView1<'a, u32>),
    Floats(ArrayView1<'a, f32>),
}

/// e^x − 1 − x, at least 0; by its series where the difference would lose digits.
pub(super) fn excess(x: f64) -> f64 {
    if x.abs() < 1e-3 {
        x * x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x / 720.0))))
    } else {
        x.exp_m1() - x
    }
}

/// q − p − p log(q/p), at least 0, where `change` is log(q/p): a choice's term of KL(p‖q). Over all choices q − p sums to 0, and what
/// is left is p log(p/q).
pub(super) fn divergence(p: f64, q: f64, change: f64) -> f64 {
    if change.abs() < 0.5 { p * excess(change) } else { q - p - p * change }
}
