//! Fisher information of a policy, as a product with vectors.

use super::Real;
use super::actor_critic::ActorCritic;
use super::actor_critic_parts::PolicyTape;
use super::head;
use super::ranks::Ranks;
use crate::config::FisherForm;
use crate::data::{Actions, check_shape};
use crate::error::Result;
use crate::policy::{ParamLayout, PolicySpec};
use ndarray::{Array1, Array2, ArrayView2, Zip, s};

/// F v of one policy at one set of observations, the forward pass done once.
///
/// ```text
/// Gauss–Newton:  F v = (1/n) Σ_r J_rᵀ M_r J_r v + damping · v
/// empirical:     F v = (1/n) Σ_r s_r (s_rᵀ v)   + damping · v,     s_r = J_rᵀ ∇ log π(a_r | obs_r)
/// ```
///
/// J_r is the Jacobian of row r's distribution parameters, M_r their Fisher matrix ([`head::fisher_vector`]); the rows are
/// every `subsample`-th. The first is the Hessian of the mean KL at the policy itself (Schulman et al. 2015, appendix C;
/// Martens 2014 on why the Gauss–Newton form is positive semi-definite). Vectors have the layout of all parameters. With
/// a shared trunk, J is the actor's; at the critic's parameters F is damping alone.
#[derive(Debug, Clone)]
pub struct Fisher<'a, F> {
    networks: ActorCritic<'a, F>,
    spec: &'a PolicySpec,
    tape: PolicyTape<F>,
    form: FisherForm,
    /// Gauss–Newton: what is known of each row's Fisher matrix. Empirical: the gradient of its log π(action) by its distribution row.
    per_row: Array2<F>,
    damping: F,
    /// Rows of all ranks, and those.
    all: (usize, Ranks<'a>),
}

impl<'a, F: Real> Fisher<'a, F> {
    /// The matrix at `parameters` for every `subsample`-th row of `obs`; `actions` (all rows) are read by the empirical form, and for
    /// their masks.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] or [`crate::Error::Value`] if something does not fit. Without a row F is damping alone.
    pub fn new(
        spec: &'a PolicySpec,
        layout: &'a ParamLayout,
        parameters: &'a [F],
        obs: ArrayView2<'_, F>,
        actions: &Actions,
        form: FisherForm,
        subsample: usize,
        damping: F,
    ) -> Result<Self> {
        let every: Vec<usize> = (0..obs.nrows()).step_by(subsample.max(1)).collect();
        let networks = ActorCritic::new(spec, layout, parameters)?;
        let mut tape = networks.forward_policy(obs.slice(s![..;subsample.max(1), ..]))?;
        let masked = actions.allowed().is_some();
        if masked || form == FisherForm::Empirical {
            actions.validate(&spec.head, obs.nrows())?;
        }
        if masked {
            head::forbid(&mut tape.dist, &actions.select(&every))?;
        }
        let per_row = match form {
            FisherForm::GaussNewton => head::fisher_rows(&spec.head, tape.dist.view())?,
            FisherForm::Empirical => {
                let ones = Array1::ones(every.len());
                head::log_prob_grad(&spec.head, tape.dist.view(), &actions.select(&every), ones.view())?
            }
        };
        let all = (tape.dist.nrows(), Ranks::ALONE);
        Ok(Self { networks, spec, tape, form, per_row, damping, all })
    }

    /// The matrix of the rows of all ranks, of which these are this one's.
    ///
    /// # Errors
    /// Those of a [`Collective`](crate::collective::Collective).
    pub(super) fn among(self, ranks: Ranks<'a>) -> Result<Self> {
        Ok(Self { all: (ranks.count(self.all.0)?, ranks), ..self })
    }

    /// Rows that the product is over.
    pub fn rows(&self) -> usize {
        self.all.0
    }

    /// F v, damping included.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `v` has not the parameters' length.
    pub fn apply(&self, v: &[F]) -> Result<Vec<F>> {
        let share = F::one() / F::count(self.rows().max(1));
        let mut product = self.networks.there_and_back(&self.tape, v, |rows, mut tangent| {
            let own = self.per_row.slice(s![rows, ..]);
            let mut d_dist = match self.form {
                FisherForm::GaussNewton => head::fisher_vectors(&self.spec.head, own, tangent)?,
                FisherForm::Empirical => {
                    Zip::from(tangent.rows_mut()).and(own.rows()).for_each(|mut tangent, score| {
                        let along = score.dot(&tangent);
                        tangent.assign(&score);
                        tangent *= along;
                    });
                    tangent
                }
            };
            d_dist *= share;
            Ok(d_dist)
        })?;
        self.all.1.sum(&mut product)?;
        for (product, v) in product.iter_mut().zip(v) {
            *product += self.damping * *v;
        }
        Ok(product)
    }
}

/// [`Fisher::apply`] in one call: the Gauss–Newton form over all rows.
///
/// # Errors
/// [`crate::Error::Shape`] if something does not fit, [`crate::Error::Config`] if there is no row.
pub fn fisher_vector_product<F: Real>(
    spec: &PolicySpec,
    parameters: &[F],
    obs: ArrayView2<'_, F>,
    damping: F,
    v: &[F],
) -> Result<Vec<F>> {
    let layout = spec.layout();
    check_shape("v", &[v.len()], &[layout.len()])?;
    let none = Actions::Discrete(Array2::zeros((0, 0)));
    Fisher::new(spec, &layout, parameters, obs, &none, FisherForm::GaussNewton, 1, damping)?.apply(v)
}
