//! One term of L^CLIP by the probability ratio (Schulman et al. 2017, figure 1).

use anyhow::Result;
use ndarray::array;
use wgpo::low_level::reference::surrogate;

/// ε.
pub const CLIP_COEF: f64 = 0.2;
/// The picture's ratios: from 0 on, in steps that fall on 1 − ε, 1 and 1 + ε.
const STEPS: u32 = 40;
const STEP: f64 = 0.05;

/// One sign of the advantage.
pub struct Term {
    /// +1 or −1.
    pub advantage: f64,
    /// Ratio and L^CLIP.
    pub clipped: Vec<(f64, f64)>,
    /// Ratio and r A, which the clip leaves out of account.
    pub unclipped: Vec<(f64, f64)>,
}

impl Term {
    /// Both curves, by the reference's losses of one row.
    pub fn new(advantage: f64) -> Result<Self> {
        let ratios = (1..=STEPS).map(|step| f64::from(step) * STEP);
        let mut term = Self { advantage, clipped: Vec::new(), unclipped: Vec::new() };
        for ratio in ratios {
            let (logp, logp_old, advantages) = (array![ratio.ln()], array![0.0], array![advantage]);
            let (logp, logp_old, advantages) = (logp.view(), logp_old.view(), advantages.view());
            let (loss, _) = surrogate::clip(logp, logp_old, advantages, CLIP_COEF, CLIP_COEF, None)?;
            term.clipped.push((ratio, -loss));
            term.unclipped.push((ratio, -surrogate::unclipped(logp, logp_old, advantages)?.0));
        }
        Ok(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lecture's table of six cases. Between ln and exp lies a rounding of an ulp or two.
    #[test]
    fn a_good_action_is_clipped_above_and_a_bad_one_below() {
        for (advantage, least, greatest) in [(1.0, 0.0, 1.0 + CLIP_COEF), (-1.0, 1.0 - CLIP_COEF, f64::INFINITY)] {
            let term = Term::new(advantage).unwrap();
            assert_eq!(term.clipped.len(), 40);
            for ((ratio, value), (_, plain)) in term.clipped.iter().zip(&term.unclipped) {
                let expected = ratio.clamp(least, greatest) * advantage;
                assert!((value - expected).abs() < 1e-14, "A = {advantage}, r = {ratio}: {value}, not {expected}");
                assert!((plain - ratio * advantage).abs() < 1e-14);
            }
        }
    }
}
