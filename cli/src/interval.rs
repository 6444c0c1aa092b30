//! The interval that the mean over some seeds is known to.

use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Student's factor t of a 95 % interval of the mean of `count` numbers: the 97.5 % quantile with `count` − 1 degrees of freedom.
/// Of fewer than two there is no interval.
pub fn student(count: usize) -> f64 {
    let freedom = count.saturating_sub(1) as f64;
    StudentsT::new(0.0, 1.0, freedom).map_or(0.0, |student| student.inverse_cdf(0.975))
}

/// Mean over seeds, and half the width of its 95 % interval: t s / √n, with [`student`]'s t.
pub fn band(row: &[f64], t: f64) -> (f64, f64) {
    let n = row.len().max(1) as f64;
    let mean = row.iter().sum::<f64>() / n;
    let squares: f64 = row.iter().map(|value| (value - mean) * (value - mean)).sum();
    let deviation = if row.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
    (mean, t * deviation / n.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_the_interval_of_the_mean() {
        let (mean, half) = band(&[0.0, 1.0, 0.0, 1.0], student(4));
        // s² = 4 · ¼ / 3, and t as tables have it.
        assert!((mean - 0.5).abs() < 1e-12 && (half - 3.182 * (1.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-3);
        assert!((student(2) - 12.706).abs() < 1e-3 && (student(11) - 2.228).abs() < 1e-3);
        assert!((student(1000) - 1.962).abs() < 1e-3);
        assert_eq!((student(0), student(1), band(&[0.7], student(1)).1), (0.0, 0.0, 0.0));
    }
}
