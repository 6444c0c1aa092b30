//! Of the benchmark's table.

mod rounds;
mod tunings;

use super::case::*;
use super::*;
use crate::error::Error;
use crate::gpu::{Call, Gpu};
use crate::gpu::{GpuOptions, ProductPath};
use crate::kernels::ALL;
use crate::policy::{Activation, Head, PolicySpec};
use std::collections::BTreeSet;
use std::time::Duration;

fn gpu() -> Option<Gpu> {
    match Gpu::new(&GpuOptions { allow_software: true, timestamps: true, ..GpuOptions::default() }) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(std::env::var("REQUIRE_GPU").as_deref() != Ok("1"), "REQUIRE_GPU=1, but {error}");
            println!("SKIPPED, no GPU: {error}");
            None
        }
    }
}

fn tables() -> [Table; 4] {
    let own = Sizes { obs: 9, hidden: vec![32], head: Head::gaussian(3), rows: 70, steps: 7, envs: 5 };
    [Table::default(), Table::quick(), Table::own(&Sizes::default()), Table::own(&own)]
}

#[test]
fn no_kernel_is_forgotten() {
    for table in tables() {
        let cases = cases(&table);
        let named: BTreeSet<_> = cases.iter().filter_map(Case::kernel).collect();
        let mut missing: Vec<_> = ALL.iter().map(|def| def.name).filter(|name| !named.contains(name)).collect();
        // A kernel without a row of its own has to be a part of some piece of the nets.
        if let Some(gpu) = gpu().filter(|_| !missing.is_empty()) {
            let (place, pieces) = (Place::Gpu(gpu), super::cases(&Table::quick()));
            for case in pieces.iter().filter(|case| case.kernel().is_none()) {
                let prepared = case.prepare(&place).unwrap();
                missing.retain(|name| prepared.calls().iter().all(|call| call.kernel() != *name));
            }
        }
        assert!(
            missing.is_empty(),
            "no row for {missing:?}: its `at_size` in src/check gives no case for any size of the table"
        );
    }
}

#[test]
fn rows_have_one_name_each_and_work_that_is_a_number() {
    for table in tables() {
        let mut names = BTreeSet::new();
        for case in cases(&table) {
            assert!(names.insert(case.name.clone()), "two rows are {}", case.name);
            let Work { flops, bytes, units, .. } = case.work;
            assert!(bytes.is_finite() && bytes > 0.0 && units.is_finite() && units > 0.0, "{case:?}: {:?}", case.work);
            // What moves words and counts them computes nothing.
            let store = crate::kernels::replay_store::DEF.name;
            let moves = case.kernel().is_some_and(|kernel| kernel.starts_with("batch_") || kernel == store);
            assert!(flops.is_finite() && (flops > 0.0) != moves, "{case:?}: {:?}", case.work);
        }
    }
}

#[test]
fn every_piece_of_the_table_is_there() {
    let names: BTreeSet<_> = cases(&Table::default()).into_iter().map(|case| case.name).collect();
    for kind in ["forward", "ppo_step", "fvp", "ppo_update", "trpo_update"] {
        for (net, ..) in nets() {
            assert!(names.contains(&format!("{kind}/{net}")), "{kind}/{net}");
        }
    }
    for name in ["gae/wide", "gae/long", "gae/isaac", "rollout/cartpole", "train/cartpole"] {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn products_are_counted_as_by_hand() {
    // Actor 3-5-2, critic 3-5-1: 25 and 20 multiply-adds, 15 of each at the observations.
    let spec = PolicySpec::separate(3, &[5], Activation::Tanh, Head::categorical(2));
    let macs = work::Macs::new(&spec);
    assert_eq!(macs.forward(10).flops, 2.0 * 10.0 * 45.0);
    assert_eq!(macs.ppo_step(10).flops, 10.0 * (6.0 * 45.0 - 2.0 * 30.0));
    assert_eq!(macs.fvp(10).flops, 10.0 * (8.0 * 25.0 - 4.0 * 15.0));
    let parameters = (3 * 5 + 5 + 5 * 2 + 2 + 3 * 5 + 5 + 5 + 1) as f64;
    assert_eq!(macs.ppo_step(10).bytes, 4.0 * (10.0 * (3.0 + 1.0 + 4.0) + 6.0 * parameters));
    // Behind a shared trunk only the trunk's first layer has no gradient at its input.
    let shared = work::Macs::new(&PolicySpec::shared(3, &[5], Activation::Tanh, Head::categorical(2)));
    assert_eq!(shared.gradient_flops(), 6.0 * (15.0 + 10.0 + 5.0) - 2.0 * 15.0);
}

#[test]
fn quartiles_lie_between_times() {
    let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0, 5.0]);
    assert_eq!((spread.low, spread.median, spread.high, spread.repeats), (2.0, 3.0, 4.0, 5));
    assert_eq!(Spread::of(vec![1.0, 2.0]).median, 1.5);
    assert_eq!(Spread::of(Vec::new()), Spread::default());
}

/// A roof of bandwidth, peak and the cost of a dispatch.
fn roof_of(bandwidth: f64, peak: f64, dispatch: Option<f64>) -> Roof {
    Roof { bandwidth, peak, dispatch, submission: None, readback: Some(3.0), method: String::new() }
}

fn quick() -> Options {
    Options { seconds: 0.01, rounds: 2, quick: true, ..Options::default() }
}

#[test]
fn limits_are_positive_on_both_sides() {
    let places = gpu().map(Place::Gpu).into_iter().chain([Place::Cpu]);
    for (place, coarse_clocks) in places.flat_map(|place| [(place.clone(), false), (place, true)]) {
        let roof = roof(&place, &Options { coarse_clocks, ..quick() }).unwrap();
        assert!(roof.bandwidth > 1e6 && roof.peak > 1e6, "{roof:?}");
        let on_device = matches!(place, Place::Gpu(_));
        for cost in [roof.submission, roof.readback] {
            assert_eq!(cost.is_some_and(|seconds| seconds > 0.0), on_device, "{roof:?}");
        }
    }
}

/// Sizes that take no time.
fn small() -> Vec<Case> {
    let sizes = Sizes { obs: 4, hidden: vec![16], head: Head::categorical(2), rows: 100, steps: 5, envs: 16 };
    cases(&Table::own(&sizes))
}

#[test]
fn every_row_matches_and_has_times_and_counts() {
    let places = gpu().map(Place::Gpu).into_iter().chain([Place::Cpu]);
    for place in places {
        for case in small().iter().filter(|case| case.runs_at(&place)) {
            let row = run(case, &place, &Options { seconds: 0.002, ..quick() });
            let found = row.found.as_ref().unwrap_or_else(|| panic!("{}: {:?}", row.name, row.check));
            assert!(found.seconds.median > 0.0 && found.seconds.low <= found.seconds.high, "{row:?}");
            let Place::Gpu(_) = place else {
                assert_eq!((found.dispatches, found.parts.len()), (0, 0), "{row:?}");
                continue;
            };
            // Counted, not written down: what was submitted, group by group.
            let parts: usize = found.parts.iter().map(|part| part.dispatches).sum();
            assert_eq!(parts as u64, found.dispatches, "{row:?}");
            let training = row.name.starts_with("train/");
            assert_eq!((found.submissions, found.readbacks), (1, u64::from(training)), "{row:?}");
            let shares: f64 = found.parts.iter().map(|part| part.share).sum();
            assert!((shares - 1.0).abs() < 1e-6, "{row:?}");
            if let Some(kernel) = case.kernel() {
                assert!(found.parts.iter().all(|part| part.kernel == kernel), "{row:?}");
            }
        }
    }
}

#[test]
fn what_does_not_match_is_not_timed() {
    let place = Place::Cpu;
    let case = small().into_iter().find(|case| case.name == "forward/own").unwrap();
    assert!(run(&case, &place, &quick()).found.is_some());
    let strict = run(&case, &place, &Options { tolerance: Some(0.0), ..quick() });
    assert!(strict.found.is_none() && !strict.check.passed, "{strict:?}");
    // The same for an error beyond the case's own tolerance.
    let wrong = || {
        let report = crate::check::Report::new("wrong", "", 1e-6, "");
        report.floats("x", &[1.0], &[2.0], |_| 1.0);
        Ok(Prepared::host(report.row(), || panic!("it was timed")))
    };
    let case = Case::new("wrong".to_owned(), String::new(), Work::rows(1, 1.0, 1.0)).on_cpu(wrong);
    let row = run(&case, &place, &quick());
    assert!(row.found.is_none() && row.check.fault.is_some_and(|fault| fault.contains("expected 2e0")));
    // And for a case that cannot run at all.
    let case = Case::new("nowhere".to_owned(), String::new(), Work::rows(1, 1.0, 1.0));
    assert!(run(&case, &place, &quick()).found.is_none());
}

#[test]
fn a_kernel_that_writes_wrong_numbers_is_refused() {
    // A comparison of ours, held to a tolerance that no device meets.
    let Some(gpu) = gpu() else { return };
    let place = Place::Gpu(gpu);
    let case = small().into_iter().find(|case| case.name == "kernel/mlp_forward/own").unwrap();
    assert!(run(&case, &place, &quick()).found.is_some());
    assert!(run(&case, &place, &Options { tolerance: Some(0.0), ..quick() }).found.is_none());
}

#[test]
fn shares_are_those_of_the_net_s_update() {
    let row = |name: &str, parts: &[(&'static str, f64)]| {
        let part =
            |(kernel, share): &(&'static str, f64)| Part { kernel, dispatches: 1, seconds: *share, share: *share };
        let spread = Spread { median: 1.0, low: 1.0, high: 1.0, repeats: 5 };
        let (clock, parts) = (Clock::Wall, parts.iter().map(part).collect());
        let (rounds, load) = (Vec::new(), None);
        let found = Timing {
            seconds: spread,
            rounds,
            clock,
            wall: spread,
            load,
            dispatches: 1,
            submissions: 1,
            readbacks: 0,
            parts,
        };
        let check = crate::check::Report::new(name, "", 1.0, "").row();
        let net = Some("ant".to_owned());
        Row {
            name: name.to_owned(),
            shape: String::new(),
            net,
            work: Work::rows(1, 1.0, 1.0),
            check,
            found: Some(found),
        }
    };
    let rows = [
        row("ppo_update/ant", &[("mlp_forward", 0.7), ("optim_adam", 0.3)]),
        row("trpo_update/ant", &[("mlp_forward", 0.1), ("cg_step", 0.9)]),
        row("kernel/mlp_forward/ant", &[]),
        row("kernel/cg_step/ant", &[]),
        row("kernel/env_step/ant", &[]),
    ];
    assert_eq!(shares(&rows), [None, None, Some(0.7), Some(0.9), None]);
}

#[test]
fn the_roof_is_what_binds() {
    let roof = Roof {
        bandwidth: 100.0,
        peak: 1000.0,
        dispatch: None,
        submission: None,
        readback: None,
        method: String::new(),
    };
    let row = |flops: f64, bytes: f64| {
        let seconds = Spread { median: 2.0, low: 2.0, high: 2.0, repeats: 5 };
        let found = Timing {
            seconds,
            rounds: Vec::new(),
            clock: Clock::Wall,
            wall: seconds,
            load: None,
            dispatches: 0,
            submissions: 0,
            readbacks: 0,
            parts: Vec::new(),
        };
        let check = crate::check::Report::new("", "", 1.0, "").row();
        let (name, shape, work) = (String::new(), String::new(), Work::rows(1, flops, bytes));
        Row { name, shape, net: None, work, check, found: Some(found) }.share_of(&roof)
    };
    // 1 s of arithmetic or 1 s of memory, in 2 s.
    assert_eq!(row(1000.0, 10.0), Some(0.5));
    assert_eq!(row(10.0, 100.0), Some(0.5));
    assert_eq!(row(0.0, 100.0), Some(0.5));
}

#[test]
fn kernels_of_the_benchmark_are_not_among_those_of_the_oracle() {
    assert!(KERNELS.iter().all(|def| ALL.iter().all(|other| other.name != def.name)));
    let rows = crate::check::registry();
    assert!(KERNELS.iter().all(|def| rows.iter().all(|row| row.def.name != def.name)));
}

#[test]
fn a_plan_names_the_calls_of_each_minibatch() {
    let Some(gpu) = gpu() else { return };
    let spec = PolicySpec::separate(3, &[5], Activation::Tanh, Head::categorical(2));
    let config = crate::config::Config { update_epochs: 2, num_minibatches: 3, ..crate::config::Config::cleanrl() };
    // Seven rows in three minibatches are two a time and one more of one; and some rows that do not count come before
    // everything.
    let setup = data::Setup::new(&spec, config, 7);
    let batch = setup.batch().unwrap();
    let mut buffers = pieces::upload(&gpu, &batch).unwrap();
    for masked in [false, true] {
        buffers.valid = masked.then(|| gpu.upload("valid", &[1_u32, 1, 0, 1, 1, 1, 1]).unwrap());
        let (model, _) = pieces::model(&gpu, &setup).unwrap();
        let plan = crate::algo::PpoUpdate::new(&gpu, &model, &setup.config, &buffers, None).unwrap();
        let count = (0..).take_while(|index| !plan.step(*index).is_empty()).count();
        let minibatches = 2 * setup.config.minibatches(7).count();
        assert_eq!(count, minibatches);
        let names = |index: usize| plan.step(index).iter().map(Call::kernel).collect::<Vec<_>>();
        assert!((1..count).all(|index| names(index) == names(0)));
        // What belongs to no step prepares an epoch or the update, or ends it.
        let others = plan.calls().len() - count * names(0).len();
        assert!(others > 0 && names(0).iter().all(|name| !name.starts_with("batch_")), "{:?}", names(0));
    }
}
