//! What the three have in common: a batch, and sums over workgroups.

use crate::check::accuracy::{Known, sum};
use crate::check::support::{EPS, Random, Report};
use crate::kernels::loss_q::Temperature;

/// Rows of a workgroup.
const GROUP: usize = 64;

/// log α, where it is tuned, and its place.
pub(super) const LOG_ALPHA: f32 = -1.3;
pub(super) const ALPHA_AT: u32 = 2;

/// What a loss says beside its tolerance, which is one rounding: each number has a bound of its own.
pub(super) const REASON: (f64, &str) = (
    EPS,
    "scale: the bound of each number's error, of its own roundings and WGSL's exp, carried to the result to first order",
);

/// `[rows]` of (reward, discount, 1 if terminated, steps).
pub(super) fn samples(random: &mut Random, rows: usize) -> Vec<[f32; 4]> {
    let terminated = random.flags(rows, 5);
    let row = |flag: u32| [random.range(-1.0, 1.0), random.range(0.8, 1.0), f32::from(flag != 0), 1.0];
    terminated.into_iter().map(row).collect()
}

pub(super) fn name(temperature: Temperature) -> String {
    match temperature {
        Temperature::None => "no entropy".to_owned(),
        Temperature::Fixed(alpha) => format!("α {alpha}"),
        Temperature::Tuned(_) => "α tuned".to_owned(),
    }
}

/// α, with what exp and a rounding do to it.
pub(super) fn alpha(temperature: Temperature) -> Known {
    use crate::check::accuracy::exact;
    match temperature {
        Temperature::None => Known::zero(),
        Temperature::Fixed(alpha) => exact(alpha.into()),
        Temperature::Tuned(_) => exact(LOG_ALPHA.into()).exp(),
    }
}

/// Partial sums: of each column the terms of all rows; of the last how many rows there are in which it is not 0.
pub(super) fn compare_sums(report: &Report, got: &[[f32; 4]], names: [&str; 3], columns: [&[Known]; 3]) {
    for (group, partials) in got.iter().enumerate() {
        for (i, column) in columns.iter().enumerate() {
            let first = (group * GROUP).min(column.len());
            let own = sum(&column[first..column.len().min(first + GROUP)]);
            report.floats(&format!("{} {group}", names[i]), &[partials[i]], &[own.value], |_| own.error / EPS);
        }
        report.exact("loss_partials (not finite)", &[partials[3]], &[0.0]);
    }
}

/// Numbers with bounds.
pub(super) fn compare(report: &Report, name: &str, got: &[f32], want: &[f64], bounds: &[f64]) {
    report.floats(name, got, want, |i| bounds[i] / EPS);
}

/// An action for each row, and as the kernel gets them: the last row's names a choice that there is not, which is read as the last one.
pub(super) fn actions(random: &mut Random, rows: usize, choices: usize) -> (Vec<u32>, Vec<u32>) {
    let mut actions: Vec<u32> = (0..rows).map(|_| random.below(choices as u32)).collect();
    let mut given = actions.clone();
    if let (true, Some(own), Some(given)) = (rows > 2, actions.last_mut(), given.last_mut()) {
        (*own, *given) = (choices as u32 - 1, choices as u32);
    }
    (actions, given)
}
