//! The nets, the windows, and sizes of one's own.

use crate::error::Result;
use crate::memory::{product, require};
use crate::policy::{Activation, Branch, Head, Layer, PolicySpec};

/// A rollout's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// As in `gae/wide`.
    pub name: String,
    /// T.
    pub steps: usize,
    /// N.
    pub envs: usize,
}

/// Sizes that are no case of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// Numbers of an observation.
    pub obs: usize,
    /// Widths of the hidden layers, of actor and critic alike.
    pub hidden: Vec<usize>,
    /// The actor's head.
    pub head: Head,
    /// Rows of a minibatch.
    pub rows: usize,
    /// Steps of a window.
    pub steps: usize,
    /// Environments side by side.
    pub envs: usize,
}

impl Default for Sizes {
    /// The net `cartpole` in a window of 128 × 256.
    fn default() -> Self {
        Self { obs: 4, hidden: vec![64, 64], head: Head::categorical(2), rows: 4096, steps: 128, envs: 256 }
    }
}

/// What a table is made of.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name, policy and rows of a minibatch.
    pub nets: Vec<(String, PolicySpec, usize)>,
    /// Shapes of the windows whose advantages are estimated.
    pub windows: Vec<Window>,
    /// Name, hidden layers and rows of a batch of off-policy gradient steps.
    pub critics: Vec<(String, Vec<usize>, usize)>,
    /// Steps and environments of `rollout` and `train`; none: without them.
    pub rollout: Option<(usize, usize)>,
}

impl Default for Table {
    /// [`nets`] and [`windows`], off-policy steps with 256-256 and 64-64 on 256 rows, CartPole in a window of 128 × 256.
    fn default() -> Self {
        let nets = nets().into_iter().map(|(name, spec, rows)| (name.to_owned(), spec, rows)).collect();
        let critics = [256, 64].map(|width| (width.to_string(), vec![width; 2], 256)).to_vec();
        Self { nets, windows: windows(), critics, rollout: Some((128, 256)) }
    }
}

impl Table {
    /// One net and one window, both called `own`, and no off-policy step; rollouts are CartPole's, if the net fits it.
    pub fn own(sizes: &Sizes) -> Self {
        let spec = PolicySpec::separate(sizes.obs, &sizes.hidden, Activation::Tanh, sizes.head.clone());
        let fits = sizes.obs == 4 && sizes.head == Head::categorical(2);
        Self {
            nets: vec![("own".to_owned(), spec, sizes.rows)],
            windows: vec![Window { name: "own".to_owned(), steps: sizes.steps, envs: sizes.envs }],
            critics: Vec::new(),
            rollout: fits.then_some((sizes.steps, sizes.envs)),
        }
    }

    /// Refuses nets that are none, and what this machine's memory does not hold: the inputs alone, and a learner.
    ///
    /// # Errors
    /// What [`PolicySpec::validate`] says of a net; [`crate::error::Error::Memory`].
    pub fn validate(&self) -> Result<()> {
        for (name, spec, rows) in &self.nets {
            spec.validate()?;
            let of_rows = product(&[*rows, spec.obs_dim().saturating_add(spec.widest()), 2 * size_of::<f32>()]);
            // Parameters, moments, gradient; and the parameters in f64.
            let of_net = spec.parameter_count().saturating_mul(4 * 4 + 8);
            require(|| format!("the net {name} on {rows} rows"), of_rows.saturating_add(of_net))?;
        }
        for Window { name, steps, envs } in &self.windows {
            require(
                || format!("the window {name} of {steps} × {envs}"),
                product(&[*steps, *envs, 6 * size_of::<f32>()]),
            )?;
        }
        Ok(())
    }

    /// The same names at sizes that take no time: to see that everything runs, not how fast.
    pub fn quick() -> Self {
        let mut table = Self { rollout: Some((16, 64)), ..Self::default() };
        for (_, _, rows) in &mut table.nets {
            *rows = 128;
        }
        for (_, _, rows) in &mut table.critics {
            *rows = 32;
        }
        for window in &mut table.windows {
            (window.steps, window.envs) = (window.steps.min(300), window.envs.min(128));
        }
        table
    }

    /// The same with hidden layers of at most `most`. [`quick`](Self::quick) on a software adapter takes minutes without.
    #[must_use]
    pub fn narrowed(mut self, most: usize) -> Self {
        for (_, spec, _) in &mut self.nets {
            for branch in &mut spec.branches {
                let outputs = usize::from(Branch::OUTPUTS.contains(&branch.name.as_str()));
                let hidden = branch.layers.len().saturating_sub(outputs);
                for Layer::Dense { outputs } in branch.layers.iter_mut().take(hidden) {
                    *outputs = most.min(*outputs);
                }
            }
        }
        for (_, hidden, _) in &mut self.critics {
            hidden.iter_mut().for_each(|width| *width = most.min(*width));
        }
        self
    }
}

/// Widest hidden layer of [`Table::quick`] on a software adapter.
pub const NARROW: usize = 64;

/// Name, policy and rows of a minibatch: tanh, actor and critic apart.
pub fn nets() -> [(&'static str, PolicySpec, usize); 4] {
    let tanh = |obs, hidden: &[usize], head| PolicySpec::separate(obs, hidden, Activation::Tanh, head);
    [
        ("cartpole", tanh(4, &[64, 64], Head::categorical(2)), 4096),
        ("halfcheetah", tanh(17, &[64, 64], Head::gaussian(6)), 4096),
        ("ant", tanh(27, &[256, 256], Head::gaussian(8)), 16_384),
        ("humanoid", tanh(108, &[400, 200, 100], Head::gaussian(21)), 16_384),
    ]
}

/// Shapes of windows: many environments, a long one, and what a simulator on the device collects.
pub fn windows() -> Vec<Window> {
    [("wide", 128, 4096), ("long", 4096, 64), ("isaac", 24, 16_384)]
        .into_iter()
        .map(|(name, steps, envs)| Window { name: name.to_owned(), steps, envs })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrowed_table_has_the_same_names_and_no_wide_layer() {
        let (whole, narrow) = (Table::quick(), Table::quick().narrowed(64));
        assert!(narrow.validate().is_ok());
        for ((name, spec, rows), (before, wide, rows_before)) in narrow.nets.iter().zip(&whole.nets) {
            assert_eq!((name, rows, spec.obs_dim()), (before, rows_before, wide.obs_dim()));
            assert_eq!(spec.hidden(Branch::POLICY).len(), wide.hidden(Branch::POLICY).len());
            assert!(Branch::OUTPUTS.iter().flat_map(|name| spec.hidden(name)).all(|width| width <= 64), "{name}");
        }
        assert!(whole.nets.iter().any(|(_, spec, _)| spec.hidden(Branch::POLICY).contains(&400)));
    }
}
