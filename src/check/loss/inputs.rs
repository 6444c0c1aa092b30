//! A minibatch's loss: its settings and inputs.

use crate::check::head::{actions_of, masked, rows_of};
use crate::check::support::Random;
use crate::config::{A2c, Algorithm, Config, KlDirection, KlPenalty, Ppo, Surrogate, ValueLoss};
use crate::data::Actions;
use crate::error::Result;
use crate::policy::Head;
use crate::reference::head::log_prob;

pub(in crate::check) const CLIP: f32 = 0.2;
pub(in crate::check) const CLIP_VF: f32 = 0.25;
pub(in crate::check) const ENT_COEF: f32 = 0.03;
pub(in crate::check) const VF_COEF: f32 = 0.7;
pub(in crate::check) const KL_COEF: f32 = 0.8;
/// Rows of one workgroup, hence of one partial sum.
pub(in crate::check) const GROUP: usize = 64;

#[derive(Clone)]
pub(in crate::check) struct Loss {
    pub head: Head,
    pub rows: usize,
    pub row_offset: usize,
    pub value_loss: ValueLoss,
    pub dual_clip: Option<f32>,
    pub surrogate: Surrogate,
    /// Direction of a penalty of weight [`KL_COEF`].
    pub kl: Option<KlDirection>,
    /// Log-ratios up to ±25, beyond the clamp.
    pub wild: bool,
    /// NaN and infinities among the inputs.
    pub broken: bool,
    /// Every third row does not count.
    pub padded: bool,
}

/// Inputs of one minibatch, stepped away from the places where the derivative jumps.
pub(in crate::check) struct Inputs {
    pub dist: Vec<f32>,
    pub values: Vec<f32>,
    /// Of all rows, too.
    pub old: Vec<f32>,
    /// Of all rows, the offset before the minibatch included.
    pub words: Vec<u32>,
    pub samples: Vec<[f32; 4]>,
}

impl Loss {
    /// Of `range`, the rows that count.
    pub(in crate::check) fn counted(&self, range: std::ops::Range<usize>) -> Vec<usize> {
        range.filter(|row| !self.padded || row % 3 != 1).collect()
    }

    /// What a row that counts weighs: sums over them, divided by all rows, are means over them.
    pub(in crate::check) fn weight(&self) -> f32 {
        if self.padded { self.rows as f32 / self.counted(0..self.rows).len() as f32 } else { 1.0 }
    }

    pub(in crate::check) fn inputs(&self) -> Result<Inputs> {
        let mut random = Random::new((self.rows * 10 + self.head.width()) as u64);
        let dist = rows_of(&self.head, &mut random, self.rows, 1.5);
        let values = (0..self.rows).map(|_| random.range(-2.0, 2.0)).collect();
        self.inputs_at(random, dist, values)
    }

    /// With these distribution rows and values.
    pub(in crate::check) fn inputs_at(
        &self,
        mut random: Random,
        mut dist: Vec<f32>,
        mut values: Vec<f32>,
    ) -> Result<Inputs> {
        let (rows, offset, dims) = (self.rows, self.row_offset, self.head.action_words());
        let words = actions_of(&self.head, &mut random, &dist);
        let actions = Actions::from_words(&self.head, rows, &words)?;
        let logp = log_prob(&self.head, masked(&self.head, &dist, &actions)?.view(), &actions)?;
        let mut samples = vec![[f32::NAN; 4]; offset];
        for (row, (logp, value)) in logp.iter().zip(&values).enumerate() {
            let log_ratio = if self.wild && row % 4 == 0 {
                [-25.0, -19.0, 15.0, 25.0][row / 4 % 4]
            } else {
                // Not near 1 ± 0.2, nor near a dual clip of 3.
                let bands = [(0.4, 0.79), (0.81, 1.19), (1.21, 2.9), (3.1, 4.0)];
                let (low, high) = bands[random.below(4) as usize];
                random.range(low, high).ln()
            };
            let moved = if random.below(2) == 0 { random.range(0.0, 0.24) } else { random.range(0.26, 1.5) };
            let old = if random.below(2) == 0 { value + moved } else { value - moved };
            let logp_old = (logp - f64::from(log_ratio)) as f32;
            samples.push([logp_old, random.range(-2.0, 2.0), random.range(-3.0, 3.0), old]);
        }
        let old: Vec<f32> = dist.iter().map(|x| x + random.range(-0.3, 0.3)).collect();
        let old = [vec![f32::NAN; offset * self.head.width()], old].concat();
        if self.broken {
            for row in (0..rows).step_by(5) {
                match row % 4 {
                    0 => dist[row * self.head.width()] = f32::NAN,
                    1 => values[row] = f32::INFINITY,
                    2 => samples[offset + row][1] = f32::NAN,
                    _ => samples[offset + row][2] = f32::NEG_INFINITY,
                }
            }
        }
        let words = [vec![0; offset * dims], words].concat();
        Ok(Inputs { dist, values, old, words, samples })
    }

    pub(in crate::check) fn config(&self) -> Config {
        let penalty = |kl_coef: f32, kl| KlPenalty {
            clip: self.surrogate != Surrogate::Ratio,
            ..KlPenalty::fixed(kl_coef.into(), kl)
        };
        let algorithm = match self.surrogate {
            Surrogate::LogProb => A2c { clip_coef: CLIP.into(), ..A2c::sb3() }.into(),
            surrogate => Algorithm::Ppo(Ppo {
                clip_coef: CLIP.into(),
                dual_clip: self.dual_clip.map(f64::from),
                kl_penalty: match (self.kl, surrogate) {
                    (None, Surrogate::Ratio) => Some(penalty(0.0, KlDirection::OldNew)),
                    (kl, _) => kl.map(|kl| penalty(KL_COEF, kl)),
                },
                ..Ppo::cleanrl()
            }),
        };
        Config {
            algorithm,
            clip_coef_vf: Some(CLIP_VF.into()),
            value_loss: self.value_loss,
            vf_loss_scale: 0.5,
            ent_coef: ENT_COEF.into(),
            vf_coef: VF_COEF.into(),
            ..Config::cleanrl()
        }
    }
}

/// Without a penalty, all rows count, nothing is beyond a clamp or not finite.
pub(in crate::check) fn usual(head: Head, rows: usize) -> Loss {
    Loss {
        head,
        rows,
        row_offset: 0,
        value_loss: ValueLoss::Plain,
        dual_clip: None,
        surrogate: Surrogate::Clip,
        kl: None,
        wild: false,
        broken: false,
        padded: false,
    }
}
