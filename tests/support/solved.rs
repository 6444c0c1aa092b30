//! Training until a run is solved, by the rule of `wgpo train`.

use wgpo::Trainer;
use wgpo::solved::{Solved, SolvedRule};

/// Trains until the run is solved ([`wgpo::solved`]); panics with what was reached if it is not within its steps.
pub fn solve(what: &str, trainer: &mut dyn Trainer, seed: u64) {
    let (start, updates) = (std::time::Instant::now(), trainer.learner().config().num_updates());
    let mut solved = Solved::new(SolvedRule::new(trainer.env().unwrap(), seed));
    for update in 1..=updates {
        let stats = trainer.iterate().unwrap();
        let greedy = solved.after(trainer.learner_mut(), &stats, update == updates).unwrap();
        if greedy.is_some() {
            let (steps, seconds) = (stats.env_steps, start.elapsed().as_secs_f64());
            println!("{what}: seed {seed}: {steps} steps, {seconds:.1} s: sampled {:?}, {greedy:?}", solved.sampled());
        }
        if solved.is_solved() {
            return;
        }
    }
    panic!("{what}: seed {seed}: not solved after {updates} updates: {:?}, {:?}", solved.sampled(), solved.current());
}
