//! Training on several ranks, which `mpirun` starts: rank 0 leads, has the files and says what happens; the others follow.

pub mod bench;
mod follower;
mod launch;
pub mod leader;
mod orders;
pub mod rescue;

use crate::args::bench::BenchArgs;
use crate::args::place::{PlaceArgs, PlaceName};
use crate::args::train::TrainArgs;
use crate::program::{FAILURE, Status};
use crate::train::run;
use anyhow::{Result, bail};
pub use launch::start;
use launch::{Ranks, threads};
use std::sync::Arc;
use std::time::Duration;
use wgpo::Error;
use wgpo::collective::{Collective, agree};

/// How long a rank that stopped for another's sake waits to be ended with all, so that the other's sentence comes first and alone.
const PATIENCE: Duration = Duration::from_secs(3);

/// `wgpo bench --only allreduce`, as one of several ranks or alone.
pub fn bench(args: &BenchArgs) -> Result<Status> {
    let ranks = start()?;
    let seconds = args.seconds.unwrap_or(if args.quick { 0.02 } else { 0.5 });
    bench::bench(ranks, seconds, args.quick)
}

/// `wgpo train` as one of several ranks.
pub fn train(args: &TrainArgs, ranks: Ranks) -> Result<Status> {
    let Ranks { collective, here } = ranks;
    let outcome = as_rank(args, &collective, here);
    let Err(error) = &outcome else { return outcome };
    let others = matches!(error.downcast_ref::<Error>(), Some(Error::Rank { rank, .. }) if *rank != collective.rank());
    if collective.rank() > 0 && others {
        std::thread::sleep(PATIENCE);
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Rank { message, .. }) if !others => collective.fail(message),
        _ if collective.rank() > 0 => collective.fail(&crate::program::one_line(error)),
        _ => {}
    }
    outcome
}

fn as_rank(args: &TrainArgs, collective: &Arc<dyn Collective>, here: usize) -> Result<Status> {
    let words: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    agree(
        collective.as_ref(),
        &[("version", env!("CARGO_PKG_VERSION").to_owned()), ("the command line", words.join(" "))],
    )?;
    // From here on all ranks were asked for the same, and refuse the same.
    let refused = refused(args);
    if collective.rank() > 0 {
        return if refused.is_some() { Ok(FAILURE) } else { follower::follow(collective, threads(here)?) };
    }
    if let Some(words) = refused {
        bail!("{words}");
    }
    let own = threads(here)?;
    let place = PlaceArgs { backend: PlaceName::Cpu, ..args.place.clone() };
    say!(
        "ranks: {}, of {here} on this machine with {own} thread{} each",
        collective.size(),
        if own == 1 { "" } else { "s" }
    );
    let lead = orders::Lead::of(collective.clone());
    let outcome = run::train(&TrainArgs { place, ..args.clone() }, Some(collective.clone()));
    lead.end(outcome)
}

/// What several ranks do not do.
fn refused(args: &TrainArgs) -> Option<&'static str> {
    if args.seeds.is_some() {
        return Some("--seeds trains several policies, ranks train one: leave --seeds or mpirun out");
    }
    if args.place.forced() == Some("gpu") {
        return Some("ranks compute on the CPU: leave --backend, --adapter or mpirun out");
    }
    None
}
