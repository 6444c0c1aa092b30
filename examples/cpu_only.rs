//! No GPU: train CartPole on the CPU alone, save in the middle, go on from the file, and get the same bits as without the stop.
//!
//! You learn what a [`CpuTrainer`] is (a policy, its optimiser and its environments in one), what a checkpoint holds (everything that decides
//! the future), and how good a policy is (greedy episodes from start states that no training sees). `wgpo::GpuTrainer` has the same trait
//! [`Trainer`], so the rest of the program stays as it is on a GPU.
//!
//! Run with `cargo run --release --example cpu_only`.

use wgpo::cpu::{CpuTrainer, evaluate};
use wgpo::{ActMode, Env, SaveTrainer, Trainer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let env = Env::CartPole;
    let (config, hidden) = env.tuned();
    let mut trainer = CpuTrainer::new(env, env.policy(&hidden), config.clone(), 1)?;
    let greedy = |trainer: &mut CpuTrainer| -> wgpo::Result<f64> {
        let episodes = evaluate(trainer.learner_mut(), env, 20, 7, ActMode::Greedy)?;
        Ok(episodes.mean_return().unwrap_or(0.0))
    };
    let before = greedy(&mut trainer)?;

    // A third of the way, then into a file: parameters, moments, counters of the random draws, states of the environments.
    trainer.iterate_to(8_192)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("cartpole.safetensors");
    trainer.save(&file)?;

    // Another trainer, with another seed. All that the seed decided comes from the file.
    let mut resumed = CpuTrainer::new(env, env.policy(&hidden), config, 2)?;
    resumed.load(&file)?;
    let [uninterrupted, after_resuming] = [trainer.iterate_to(24_576)?, resumed.iterate_to(24_576)?];
    println!("{} steps, {:?} episodes in the last window", after_resuming.env_steps, after_resuming.episodes);
    let bits = |trainer: &CpuTrainer| -> wgpo::Result<Vec<u32>> {
        Ok(trainer.learner().parameters()?.iter().map(|parameter| parameter.to_bits()).collect())
    };
    assert!(bits(&trainer)? == bits(&resumed)?, "the stop has changed the training");
    assert_eq!(uninterrupted.episodes, after_resuming.episodes);

    let after = greedy(&mut resumed)?;
    println!("mean return of 20 greedy episodes: {before:.0} before, {after:.0} after (at most 500)");
    assert!(before < 100.0 && after > 200.0, "it has not learnt");
    Ok(())
}
