//! Which advantages an update from a rollout takes.

use super::range::{Range, check};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The estimator, with λ = [`Config::gae_lambda`](crate::Config::gae_lambda). All but GAE correct rollouts that an older policy
/// recorded (an actor that runs beside the learner): log π(a) of every row is computed anew, under the parameters at the start of the
/// update, and compared with the recorded one.
///
/// In files: `advantage = { kind = "puff", rho_clip = 1.0, c_clip = 1.0 }`; limits that are not named are 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", try_from = "Fields")]
#[non_exhaustive]
pub enum AdvantageKind {
    /// Generalised advantage estimation. It assumes that the present policy recorded the rollout.
    #[default]
    Gae,
    /// V-trace (Espeholt et al. 2018): value targets `vs`, and advantages weighted by the clipped ratio. Those are meant for a loss
    /// without a ratio (`a2c`). PPO's surrogate has its own ratio, so it would be counted twice. On an on-policy rollout `vs` are GAE's
    /// returns, and with λ = 1 the advantages are GAE's.
    Vtrace {
        /// Largest ρ, above 0.
        rho_bar: f64,
        /// Largest c, above 0.
        c_bar: f64,
        /// Largest weight of an advantage, above 0.
        pg_rho_bar: f64,
    },
    /// GAE with clipped ratios (PufferLib's "puff" advantage). On an on-policy rollout it is GAE.
    Puff {
        /// Largest weight of a temporal difference, above 0.
        rho_clip: f64,
        /// Largest factor of what follows, above 0.
        c_clip: f64,
    },
}

/// [`AdvantageKind`] as files have it, so that a key is refused by its name, also one of another kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    kind: Name,
    rho_bar: Option<f64>,
    c_bar: Option<f64>,
    pg_rho_bar: Option<f64>,
    rho_clip: Option<f64>,
    c_clip: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Gae,
    Vtrace,
    Puff,
}

impl TryFrom<Fields> for AdvantageKind {
    type Error = String;

    fn try_from(fields: Fields) -> std::result::Result<Self, String> {
        let Fields { kind, rho_bar, c_bar, pg_rho_bar, rho_clip, c_clip } = fields;
        let of_vtrace = [("rho_bar", rho_bar), ("c_bar", c_bar), ("pg_rho_bar", pg_rho_bar)];
        let of_puff = [("rho_clip", rho_clip), ("c_clip", c_clip)];
        let none = |name: &str, limits: &[(&str, Option<f64>)]| match limits.iter().find(|(_, limit)| limit.is_some()) {
            Some((limit, _)) => Err(format!("{limit} is no limit of kind \"{name}\"")),
            None => Ok(()),
        };
        let one = |limit: Option<f64>| limit.unwrap_or(1.0);
        match kind {
            Name::Gae => {
                none("gae", &of_vtrace)?;
                none("gae", &of_puff)?;
                Ok(Self::Gae)
            }
            Name::Vtrace => {
                none("vtrace", &of_puff)?;
                Ok(Self::Vtrace { rho_bar: one(rho_bar), c_bar: one(c_bar), pg_rho_bar: one(pg_rho_bar) })
            }
            Name::Puff => {
                none("puff", &of_vtrace)?;
                Ok(Self::Puff { rho_clip: one(rho_clip), c_clip: one(c_clip) })
            }
        }
    }
}

impl AdvantageKind {
    /// V-trace with all limits at 1, the paper's.
    pub const VTRACE: Self = Self::Vtrace { rho_bar: 1.0, c_bar: 1.0, pg_rho_bar: 1.0 };
    /// Puff with both limits at 1.
    pub const PUFF: Self = Self::Puff { rho_clip: 1.0, c_clip: 1.0 };

    /// Whether it asks for the present policy's log-probabilities.
    pub const fn corrects(self) -> bool {
        !matches!(self, Self::Gae)
    }

    pub(super) fn is_gae(&self) -> bool {
        *self == Self::Gae
    }

    pub(super) fn validate(self) -> Result<()> {
        let limit = |field, value| Range::above(field, value, 0.0, f64::from(f32::MAX));
        match self {
            Self::Gae => Ok(()),
            Self::Vtrace { rho_bar, c_bar, pg_rho_bar } => check(&[
                limit("advantage.rho_bar", rho_bar),
                limit("advantage.c_bar", c_bar),
                limit("advantage.pg_rho_bar", pg_rho_bar),
            ]),
            Self::Puff { rho_clip, c_clip } => {
                check(&[limit("advantage.rho_clip", rho_clip), limit("advantage.c_clip", c_clip)])
            }
        }
    }
}
