//! A gradient step of DQN.

use super::chain::Chain;
use super::step::{Parts, Steps};
use super::step_learn::Learned;
use crate::error::Result;
use crate::kernels::loss_dqn;
use crate::kernels::mlp_forward_networks::NOT_KEPT;

impl Parts<'_> {
    /// Mnih et al. 2015, algorithm 1: one network of values and its target, or, dueling, a stream of advantages and one of values, each with its
    /// target. Behind the three tables of the first come V of the observations and V of the next ones.
    pub fn dqn(&self, double: bool, huber: bool) -> Result<Steps> {
        let (gpu, model, sampled) = (self.gpu, self.model, self.sampled);
        let network = model.arrangement.policy()?;
        let rows = sampled.rows;
        let choices = model.spec.head.raw_outputs() as u32;
        let chain_of = |network| Chain { gpu, activation: model.spec.activation, network, rows };
        let chain = chain_of(network);
        let between = chain.between("q", 1)?;
        let (online, target) = (network.first, model.targets() + network.first);
        let table = rows * choices;
        let mut passes = vec![
            [online, sampled.copy(0), 0, 0],
            [target, sampled.copy(1), table, NOT_KEPT],
            [online, sampled.copy(1), 2 * table, NOT_KEPT],
        ];
        passes.truncate(if double { 3 } else { 2 });
        let mut calls = chain.forward(&model.parameters, self.inputs(), self.q, &between.kept, &passes)?;
        let value = model.arrangement.value().map(chain_of);
        let (of_value, of_next) = (3 * table, 3 * table + rows);
        let of_stream = value.as_ref().map(|value| value.between("values", 1)).transpose()?;
        if let (Some(value), Some(between)) = (&value, &of_stream) {
            let passes = [
                [value.network.first, sampled.copy(0), of_value, 0],
                [model.targets() + value.network.first, sampled.copy(1), of_next, NOT_KEPT],
            ];
            calls.extend(value.forward(&model.parameters, self.inputs(), self.q, &between.kept, &passes)?);
        }
        let params = loss_dqn::Params {
            rows,
            choices,
            next_offset: table,
            chooser_offset: if double { 2 * table } else { table },
            huber: huber.into(),
            dueling: value.is_some().into(),
            value_offset: of_value,
            next_value_offset: of_next,
            d_value_offset: table,
            ..Default::default()
        };
        let io = loss_dqn::Io {
            q: self.q,
            actions: &sampled.actions,
            samples: &sampled.samples,
            d_q: self.d_q,
            loss_partials: self.critic_partials,
        };
        calls.extend(loss_dqn::bind(gpu, &[params], &io)?);
        let mut all = vec![Learned { chain: &chain, networks: 1, between: &between, d_output_at: 0 }];
        if let (Some(chain), Some(between)) = (&value, &of_stream) {
            all.push(Learned { chain, networks: 1, between, d_output_at: table });
        }
        calls.extend(self.learn_all(&all, sampled.copy(0), self.d_q, false)?);
        Ok([calls.clone(), calls])
    }
}
