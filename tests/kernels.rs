//! One test per kernel: all its cases against the f64 reference, with wgpu's bounds checks and without them.

mod support;

use wgpo::check::cases;

fn run(kernel: &str) {
    for bounds_checks in [true, false] {
        let Some(gpu) = support::gpu::gpu(bounds_checks) else { return };
        let mut failed = Vec::new();
        let mut worst = (0.0, String::new());
        let mut count = 0;
        for case in cases().iter().filter(|case| case.kernel == kernel) {
            let row = (case.run)(&gpu).unwrap_or_else(|error| panic!("{kernel}, {}: {error}", case.shape));
            count += 1;
            if row.worst_error / row.tolerance >= worst.0 {
                worst = (
                    row.worst_error / row.tolerance,
                    format!("{:.1e} of {:.1e} at {}", row.worst_error, row.tolerance, row.shape),
                );
            }
            if !row.passed {
                failed.push(format!("{}: {}", row.shape, row.fault.unwrap_or_default()));
            }
        }
        gpu.healthy().unwrap();
        assert!(count > 0, "no case for {kernel}");
        assert!(failed.is_empty(), "{kernel}, {} of {count} cases:\n{}", failed.len(), failed.join("\n"));
        println!("{kernel}: {count} cases, worst {}", worst.1);
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
    env_cartpole,
    env_pendulum,
    head_evaluate,
    loss_ppo,
    loss_statistics,
    mlp_backward_input,
    mlp_backward_weight,
    mlp_forward,
    optim_adam,
    optim_clip,
    policy_sample,
    reduce_episodes,
    reduce_moments,
    reduce_partials,
}
