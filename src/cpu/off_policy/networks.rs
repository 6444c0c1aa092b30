//! The networks of an off-policy learner, each with numbers of its own, and where these lie in the policy's flat vector.

use crate::error::{Error, Result};
use crate::policy::{Branch, ParamLayout, PolicySpec};
use crate::reference::Real;
use crate::reference::flat_mlp::FlatMlp;
use crate::reference::q_network::QNetwork;
use std::ops::Range;

/// Shapes and places of all networks of a policy.
#[derive(Debug, Clone)]
pub(super) struct Networks {
    /// DQN's Q of each action, or the actor.
    pub policy: FlatMlp,
    /// What acts: `policy`, or with dueling that and the stream of values.
    pub q: QNetwork,
    /// One critic; all have this shape. Without one it is the policy's.
    pub critic: FlatMlp,
    policy_at: Vec<Range<usize>>,
    critics_at: Vec<Vec<Range<usize>>>,
}

impl Networks {
    /// The networks of `spec`, whose layout is `layout`.
    ///
    /// # Errors
    /// [`Error::Config`] if critics differ in shape, or a layer has no width.
    pub fn new(spec: &PolicySpec, layout: &ParamLayout) -> Result<Self> {
        let shape = |name: &str| {
            let layers = layout.layers(name);
            let sizes = layers.first().map(|layer| layer.inputs).into_iter();
            FlatMlp::new(sizes.chain(layers.iter().map(|layer| layer.outputs)).collect(), spec.activation)
        };
        // The order of a network by itself: weight and bias of each layer in turn.
        let places = |name: &str| -> Vec<Range<usize>> {
            let of_layer = |layer: &crate::policy::LayerRange| {
                let weights = layer.inputs * layer.outputs;
                [layer.weight..layer.weight + weights, layer.bias..layer.bias + layer.outputs]
            };
            layout.layers(name).iter().flat_map(of_layer).collect()
        };
        let policy = shape(Branch::POLICY)?;
        let (mut policy_at, mut q) = (places(Branch::POLICY), QNetwork::from(policy.clone()));
        if layout.branch(Branch::VALUE).is_some() {
            q = QNetwork::dueling(policy.clone(), shape(Branch::VALUE)?)?;
            policy_at.extend(places(Branch::VALUE));
        }
        let names: Vec<_> = Branch::CRITICS.into_iter().filter(|name| layout.branch(name).is_some()).collect();
        let critics = names.iter().map(|name| shape(name)).collect::<Result<Vec<_>>>()?;
        if critics.iter().any(|critic| *critic != critics[0]) {
            return Err(Error::config("branches", "have critics of two shapes, must be of one"));
        }
        Ok(Self {
            critic: critics.into_iter().next().unwrap_or_else(|| policy.clone()),
            policy_at,
            q,
            critics_at: names.into_iter().map(places).collect(),
            policy,
        })
    }

    /// The policy's numbers of a flat vector; of a dueling DQN those of both streams.
    pub fn policy_of<F: Real>(&self, flat: &[f32]) -> Vec<F> {
        taken(&self.policy_at, flat)
    }

    /// Those of each critic.
    pub fn critics_of<F: Real>(&self, flat: &[f32]) -> Vec<Vec<F>> {
        self.critics_at.iter().map(|at| taken(at, flat)).collect()
    }

    /// Puts the policy's numbers into a flat vector.
    pub fn put_policy<F: Real>(&self, flat: &mut [f32], own: &[F]) {
        put(&self.policy_at, flat, own);
    }

    /// Puts those of each critic.
    pub fn put_critics<'a, F: Real>(&self, flat: &mut [f32], own: impl IntoIterator<Item = &'a Vec<F>>) {
        self.critics_at.iter().zip(own).for_each(|(at, own)| put(at, flat, own));
    }
}

fn taken<F: Real>(places: &[Range<usize>], flat: &[f32]) -> Vec<F> {
    places.iter().flat_map(|at| &flat[at.clone()]).map(|value| F::of(f64::from(*value))).collect()
}

fn put<F: Real>(places: &[Range<usize>], flat: &mut [f32], own: &[F]) {
    let mut own = own.iter();
    for at in places {
        flat[at.clone()].iter_mut().zip(&mut own).for_each(|(place, value)| *place = value.as_f32());
    }
}
