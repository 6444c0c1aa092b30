//! Every rank but the first: does what rank 0 says, writes nothing and says nothing.

use super::leader::told;
use super::orders::Order;
use crate::program::{SUCCESS, Status};
use crate::train::interrupts::leave_interrupts;
use anyhow::Result;
use std::sync::Arc;
use wgpo::collective::Collective;
use wgpo::{CpuTrainer, Error, Trainer};

/// Follows until rank 0 says that it is over. Ctrl-C is rank 0's to hear.
pub fn follow(collective: &Arc<dyn Collective>, _threads: usize) -> Result<Status> {
    leave_interrupts()?;
    let mut trainer: Option<CpuTrainer> = None;
    loop {
        let order = Order::take(collective.as_ref())?;
        match (order, &mut trainer) {
            (Order::Start, trainer) => *trainer = Some(told(collective.clone())?),
            (Order::Iterate, Some(trainer)) => drop(trainer.iterate()?),
            (Order::State, Some(trainer)) => drop(trainer.state()?),
            (Order::End, _) => return Ok(SUCCESS),
            (Order::Iterate | Order::State, None) => Err(Error::Internal("rank 0 went on before the start"))?,
        }
    }
}
