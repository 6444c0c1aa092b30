//! What one invocation and one workgroup can do: sizes, and how often they loop.

use crate::error::{Error, Result};
use crate::gpu::{MOST_ITERATIONS, iterations};
use crate::policy::Head;

/// Invocations of a workgroup in most kernels; the others say so.
pub const WORKGROUP: u32 = 64;

/// Loop iterations of a tiled product's invocation over a sum of `n` terms: the terms, and per step of 16 the step itself and
/// its loads.
pub(crate) fn tile_iterations(n: u32) -> u64 {
    u64::from(n) + 5 * u64::from(n).div_ceil(16)
}

/// Loop iterations of an invocation that looks at a distribution row a few times.
pub(crate) fn head_iterations(head: &Head) -> u64 {
    let (width, dims) = (head.width() as u64, head.action_dims() as u64);
    let own = match head {
        // Up to 37 points of its entropy's integral, for the value and for the gradient.
        Head::TanhGaussian { .. } => 2 * 37 * dims,
        // Two gamma draws of ten rounds per try. One try in twenty fails: on average over dimensions, three are never needed.
        Head::Beta { .. } => 2 * 3 * 11 * dims,
        _ => 0,
    };
    8 * width + own
}

/// Whether a row of this head is too long for one invocation: then a workgroup walks it, and the kernels for that are those whose
/// names end with `_wide`. Only rows of choices grow so long.
pub fn is_wide(head: &Head) -> bool {
    matches!(head, Head::Categorical { .. } | Head::MultiDiscrete { .. } | Head::Discretised { .. })
        && head_iterations(head) > MOST_ITERATIONS
}

/// `Ok` if one invocation of the kernel can walk a row of this head.
pub(crate) fn check_row(kernel: &'static str, head: &Head) -> Result<()> {
    let other = if is_wide(head) { " (kernels for such rows end with _wide)" } else { "" };
    iterations(kernel, head_iterations(head), || {
        format!("a distribution row of {}, several times{other}", head.width())
    })
}

/// `Ok` if a workgroup of 256 can walk a row of this head, as all `_wide` kernels do: at most seven times over its choices, and
/// with trees, draws and running sums in each dimension.
pub(crate) fn check_wide_row(kernel: &'static str, head: &Head) -> Result<()> {
    let choices = head.choices();
    let walks = choices.iter().map(|count| 7 * count.div_ceil(256) as u64 + 160).sum();
    if choices.is_empty() || matches!(head, Head::Bernoulli { .. }) {
        let message = format!("is {}: {kernel} walks rows of choices", head.name());
        return Err(Error::config("head", message));
    }
    iterations(kernel, walks, || format!("a 256th of a distribution row of {}, seven times", head.width()))
}

/// Tiles of 32 that cover `n`.
pub(crate) fn tiles(n: u32) -> u64 {
    u64::from(n).div_ceil(32)
}

/// `rows` rows of `width` from `offset` on, `stride` apart: one past the last element.
pub(crate) fn span(offset: u32, rows: u32, stride: u32, width: u32) -> u64 {
    if rows == 0 || width == 0 {
        return 0;
    }
    u64::from(offset) + u64::from(rows - 1) * u64::from(stride) + u64::from(width)
}
