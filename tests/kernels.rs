//! One test per kernel: all its cases against the f64 reference, with wgpu's bounds checks and without them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

use wgpo::check::{CheckRow, cases};

fn run(kernel: &str) {
    for bounds_checks in [true, false] {
        let Some(gpu) = support::gpu::gpu(bounds_checks) else { return };
        let mut failed = Vec::new();
        let mut worst: Option<CheckRow> = None;
        let mut count = 0;
        for case in cases().iter().filter(|case| case.kernel == kernel) {
            let row = (case.run)(&gpu).unwrap_or_else(|error| panic!("{kernel}, {}: {error}", case.shape));
            count += 1;
            if !row.passed {
                failed.push(format!("{}: {}", row.shape, row.fault.as_deref().unwrap_or_default()));
            }
            // The one that comes nearest to its tolerance.
            let share = |row: &CheckRow| row.worst_error / row.tolerance;
            worst = worst.filter(|worst| share(worst) >= share(&row)).or(Some(row));
        }
        gpu.healthy().unwrap();
        let worst = worst.unwrap_or_else(|| panic!("no case for {kernel}"));
        assert!(failed.is_empty(), "{kernel}, {} of {count} cases:\n{}", failed.len(), failed.join("\n"));
        println!(
            "{kernel}: {count} cases, worst {:.1e} of {:.1e} at {}",
            worst.worst_error, worst.tolerance, worst.shape
        );
    }
}

macro_rules! tests {
    ($($kernel:ident),* $(,)?) => {
        $(#[test]
        fn $kernel() {
            run(stringify!($kernel));
        })*

        #[test]
        fn every_kernel_has_its_test() {
            let names: Vec<_> = wgpo::kernels::ALL.iter().map(|def| def.name).collect();
            assert_eq!(names, [$(stringify!($kernel)),*]);
        }
    };
}

tests! {
    advantage_gae,
    advantage_gae_chunked,
    advantage_k_step,
    advantage_normalize,
    batch_gather,
    batch_pack,
    cg_step,
    env_cartpole,
    env_pendulum,
    head_evaluate,
    head_fisher,
    loss_kl,
    loss_ppo,
    loss_statistics,
    loss_trust_region,
    mlp_backward_input,
    mlp_backward_weight,
    mlp_forward,
    mlp_jvp,
    optim_adam,
    optim_clip,
    optim_line_search,
    optim_rmsprop,
    policy_sample,
    reduce_episodes,
    reduce_moments,
    reduce_partials,
}
