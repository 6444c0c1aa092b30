//! tmp
use wgpo::algo::GpuTrainer;
use wgpo::gpu::*;
use wgpo::*;
fn main() {
    let gpu = Gpu::new(&GpuOptions { allow_software: true, ..Default::default() }).unwrap();
    println!("{}", gpu.describe());
    let env = if std::env::args().nth(1).as_deref() == Some("pendulum") { Env::Pendulum } else { Env::CartPole };
    let mut config = PpoConfig::cleanrl();
    config.num_envs = 8;
    config.num_steps = 128;
    config.total_timesteps = 100_000;
    config.learning_rate = 2.5e-3;
    let spec = env.policy(&[64, 64]);
    let mut t =
        GpuTrainer::new(&gpu, env, &spec, &config, std::env::args().nth(2).map_or(1, |s| s.parse().unwrap())).unwrap();
    println!("{:?}", t.dispatches());
    let t0 = std::time::Instant::now();
    for i in 0..config.num_updates() {
        let c = gpu.counts();
        let s = t.iterate().unwrap();
        if i % 10 == 0 || i + 1 == config.num_updates() {
            println!(
                "{i} {} ret {:?} len {:?} kl {:.5} ev {:.3} vl {:.3} gn {:.3} ent {:.3} {:?} {:.1}s",
                s.env_steps,
                s.episodes.mean_return(),
                s.episodes.mean_length(),
                s.update.mean(|m| m.approx_kl),
                s.update.explained_variance,
                s.update.mean(|m| m.value_loss),
                s.update.mean(|m| m.grad_norm),
                s.update.mean(|m| m.entropy),
                gpu.counts() - c,
                t0.elapsed().as_secs_f64()
            );
        }
    }
}
