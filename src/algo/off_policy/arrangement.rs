//! How the networks of an off-policy policy lie on the device: each in one piece.
//!
//! A layout keeps the bias of the actor's last layer for the end ([`ParamLayout`]); here it follows its weights, so that the numbers of
//! a network are a range, and those of the critics together one, too. Behind the networks are the head's free parameters, which nobody trains.

use crate::data::check_shape;
use crate::error::{Error, Result};
use crate::policy::{Branch, ParamLayout};
use std::ops::Range;

/// Inputs, outputs, first element of the weight and of the bias, counted from the network's first.
pub(super) type LayerTable = Vec<[u32; 4]>;

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Network {
    /// The branch's name.
    pub name: String,
    /// Its first number.
    pub first: u32,
    /// How many it has.
    pub count: u32,
    /// Its layers, input side first.
    pub layers: LayerTable,
}

impl Network {
    pub fn range(&self) -> Range<u32> {
        self.first..self.first + self.count
    }
}

/// The networks of a policy, in the order of its branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrangement {
    networks: Vec<Network>,
    /// Ranges of the layout, in the order in which they lie here.
    pieces: Vec<Range<usize>>,
    /// Numbers of all networks and what is behind them.
    pub len: u32,
}

impl Arrangement {
    /// # Errors
    /// [`Error::OwnLimit`] for more numbers than twice as many u32 indices reach.
    pub fn new(layout: &ParamLayout) -> Result<Self> {
        let most = u64::from(u32::MAX / 2);
        if layout.len() as u64 > most {
            let (what, limit, needs) = ("parameters and targets".to_owned(), "u32 element index", layout.len() as u64);
            return Err(Error::OwnLimit { what, limit, needs, has: most });
        }
        let (mut networks, mut pieces, mut next) = (Vec::new(), Vec::new(), 0_usize);
        for branch in layout.branches() {
            let first = next;
            let mut layers = Vec::with_capacity(branch.layers.len());
            for layer in &branch.layers {
                let mut take = |begin: usize, count: usize| {
                    let place = next - first;
                    pieces.push(begin..begin + count);
                    next += count;
                    place as u32
                };
                let weight = take(layer.weight, layer.inputs * layer.outputs);
                let bias = take(layer.bias, layer.outputs);
                layers.push([layer.inputs as u32, layer.outputs as u32, weight, bias]);
            }
            let count = (next - first) as u32;
            networks.push(Network { name: branch.name.clone(), first: first as u32, count, layers });
        }
        if let Some(free) = layout.log_std() {
            pieces.push(free..layout.len());
        }
        Ok(Self { networks, pieces, len: layout.len() as u32 })
    }

    /// The actor, or DQN's network.
    ///
    /// # Errors
    /// [`Error::Config`] if there is none.
    pub fn policy(&self) -> Result<&Network> {
        let found = self.networks.iter().find(|network| network.name == Branch::POLICY);
        found.ok_or_else(|| Error::config("branches", "have no \"policy\""))
    }

    /// A dueling DQN's stream of values.
    pub fn value(&self) -> Option<&Network> {
        self.networks.iter().find(|network| network.name == Branch::VALUE)
    }

    /// All networks.
    pub fn range(&self) -> Range<u32> {
        0..self.networks.last().map_or(0, |last| last.range().end)
    }

    /// The critics: `q1` and `q2`.
    pub fn critics(&self) -> Vec<&Network> {
        let is_critic = |network: &&Network| Branch::CRITICS.contains(&network.name.as_str());
        self.networks.iter().filter(is_critic).collect()
    }

    /// `flat`, which lies as the layout says, as it lies here.
    ///
    /// # Errors
    /// [`Error::Shape`] for another length.
    pub fn to_device(&self, name: &str, flat: &[f32]) -> Result<Vec<f32>> {
        check_shape(name, &[flat.len()], &[self.len as usize])?;
        Ok(self.pieces.iter().flat_map(|piece| &flat[piece.clone()]).copied().collect())
    }

    /// What lies as here, as the layout has it.
    ///
    /// # Errors
    /// [`Error::Shape`] for another length.
    pub fn to_layout(&self, name: &str, own: &[f32]) -> Result<Vec<f32>> {
        check_shape(name, &[own.len()], &[self.len as usize])?;
        let (mut flat, mut rest) = (vec![0.0; own.len()], own);
        for piece in &self.pieces {
            let (part, after) = rest.split_at(piece.len());
            flat[piece.clone()].copy_from_slice(part);
            rest = after;
        }
        Ok(flat)
    }
}
