//! Gradients and their clipping.

use crate::check::case::Case;
use crate::check::support::{EPS, Guarded, Random, wide};
use crate::config::{ClipFormula, GradClip};
use crate::gpu::Slot;
use crate::kernels::loss_statistics::TRACE_WIDTH;
use crate::kernels::optim_clip;
use crate::reference::reduce_moments::reduce_norm;
use ndarray::Array1;

/// Roundings of a norm: four squares a lane, a tree of 6 levels, the partial sums; half of them survive the root.
pub(super) fn norm_tolerance(count: usize) -> f64 {
    EPS * (0.5 * (4.0 + 6.0 + (count as f64 / 256.0 / 64.0).ceil() + 6.0) + 8.0)
}

/// Words of the control buffer.
const STEP: usize = 1;
const SCALE: usize = 2;
const SCALE_VALUE: usize = 7;
const TAKEN: usize = 4;
const SKIPPED: usize = 5;
/// Columns of the trace.
const NORM: usize = 11;
const STEPPED: usize = 12;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bad {
    No,
    Nan,
    Infinity,
    /// Squares overflow, the norm does not: nothing is wrong.
    Large,
    /// The norm overflows, too.
    Huge,
    /// The update stopped before.
    Stopped,
}

pub(super) fn gradient(random: &mut Random, count: usize, bad: Bad) -> Vec<f32> {
    let mut gradient = random.normals(count, 0.3);
    let last = count - 1;
    match bad {
        Bad::Nan => gradient[last] = f32::NAN,
        Bad::Infinity => gradient[count / 2] = f32::NEG_INFINITY,
        Bad::Large => (gradient[last], gradient[count / 2]) = (6e19, -5e30),
        Bad::Huge => (gradient[last], gradient[count / 2]) = (3e38, 3e38),
        Bad::No | Bad::Stopped => {}
    }
    gradient
}

/// Where the critic's own elements are taken to lie: across the borders of partial sums where there are some.
pub(super) const fn value_range(count: usize) -> std::ops::Range<usize> {
    count / 3..count - count / 5
}

pub(super) fn clip_case(count: usize, max_grad_norm: f32, bad: Bad, why: &str) -> Case {
    clip_case_of(count, max_grad_norm, bad, why, GradClip::Joint, ClipFormula::Torch)
}

pub(super) fn clip_case_of(
    count: usize,
    max_grad_norm: f32,
    bad: Bad,
    why: &str,
    grad_clip: GradClip,
    formula: ClipFormula,
) -> Case {
    let mut shape = format!("{count} numbers, limit {max_grad_norm}{why}");
    if (grad_clip, formula) != (GradClip::Joint, ClipFormula::Torch) {
        shape += &format!(", {grad_clip:?}, {formula:?}");
    }
    let reason =
        "four squares a lane and 6 levels of the tree, the partial sums likewise, halved by the root; scale: the norm";
    Case::new(optim_clip::DEF.name, shape, (norm_tolerance(count), reason), async move |gpu, report| {
        let data = gradient(&mut Random::new(count as u64), count, bad);
        let index = 1_usize;
        let initial = [u32::from(bad == Bad::Stopped) * 2, 7, 7, 3, 4, 5, 0, 0];
        let width = TRACE_WIDTH as usize;
        let groups = optim_clip::groups(count as u32) as usize;
        let buffers = (
            Guarded::holding(gpu, "gradient", &data)?,
            Guarded::<[f32; 4]>::output(gpu, "norm_partials", groups)?,
            Guarded::updated(gpu, "control", &initial)?,
            Guarded::updated(gpu, "optimizer_step", &[41_u32])?,
            Guarded::<f32>::output(gpu, "trace", (index + 2) * width)?,
        );
        let mut p = optim_clip::Params::default();
        (p.count, p.index, p.max_grad_norm) = (count as u32, index as u32, max_grad_norm);
        p.formula = optim_clip::formula(formula);
        let apart = if grad_clip == GradClip::Separate { value_range(count) } else { 0..0 };
        (p.value_begin, p.value_end) = (apart.start as u32, apart.end as u32);
        let io = optim_clip::Io {
            gradient: buffers.0.io(),
            norm_partials: buffers.1.io(),
            control: buffers.2.io(),
            optimizer_step: buffers.3.io(),
            trace: buffers.4.io(),
        };
        report.run(gpu, &optim_clip::bind(gpu, &[p], &io)?, Slot::default())?;
        buffers.1.read(gpu, report).await?;
        let control = buffers.2.read(gpu, report).await?;
        let trace = buffers.4.read(gpu, report).await?;
        let step = buffers.3.read(gpu, report).await?;
        let mut want = initial;
        let row = index * width;
        if [Bad::No, Bad::Large].contains(&bad) {
            let limit = f64::from(max_grad_norm);
            let norm_of = |inside: bool| {
                let part = wide(&data).into_iter().enumerate().filter(|(i, _)| apart.contains(i) == inside);
                reduce_norm(part.map(|(_, g)| g).collect::<Array1<f64>>().view())
            };
            let scale = |norm: f64| match formula {
                _ if limit <= 0.0 => 1.0,
                ClipFormula::Torch => (limit / (norm + 1e-6)).min(1.0),
                ClipFormula::Tensorflow => limit / norm.max(limit),
            };
            let norm = reduce_norm(Array1::from(wide(&data)).view());
            let got = [trace[row + NORM], f32::from_bits(control[SCALE]), f32::from_bits(control[SCALE_VALUE])];
            let wanted = [norm, scale(norm_of(false)), scale(norm_of(true))];
            report.floats("norm, both factors", &got, &wanted, |_| 1e-30);
            report.exact("stepped", &trace[row + STEPPED..=row + STEPPED], &[1.0]);
            (want[STEP], want[TAKEN]) = (1, initial[TAKEN] + 1);
            let mine = [row + NORM, row + STEPPED];
            report.untouched("trace", trace.iter().enumerate().filter(|(i, _)| !mine.contains(i)));
        } else {
            want[STEP] = 0;
            want[SKIPPED] += u32::from(bad != Bad::Stopped);
            report.untouched("trace", trace.iter().enumerate());
        }
        // The factors were compared above, or count for nothing.
        (want[SCALE], want[SCALE_VALUE]) = (control[SCALE], control[SCALE_VALUE]);
        report.exact("control", &control, &want);
        report.exact("optimizer_step", &step, &[41 + u32::from([Bad::No, Bad::Large].contains(&bad))]);
        Ok(())
    })
}
