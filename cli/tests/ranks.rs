//! Training on several ranks by MPI, as a user starts it. With the feature `mpi`; tests/mpi.sh says what has to be there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use crate::support::Place;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use wgpo::checkpoint::load_trainer;
use wgpo::state::TrainerState;

/// `mpirun -n RANKS wgpo LINE`. Variables of Open MPI let it run as root, and with more ranks than cores.
fn mpirun(place: &Place, ranks: usize, line: &str) -> Command {
    let mut command = Command::new("mpirun");
    command
        .args(["-n", &ranks.to_string()])
        .arg(assert_cmd::cargo::cargo_bin!("wgpo"))
        .args(line.split_whitespace())
        .current_dir(place.path(""))
        .envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")])
        .envs([("OMPI_MCA_rmaps_base_oversubscribe", "1"), ("OMPI_MCA_hwloc_base_binding_policy", "none")])
        .env("OMPI_MCA_mpi_yield_when_idle", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn trains(place: &Place, ranks: usize, line: &str) -> String {
    let output = mpirun(place, ranks, line).output().unwrap();
    assert!(output.status.success(), "{ranks} ranks, {line}: {}", text(&output));
    text(&output)
}

fn state(place: &Place, folder: &str) -> TrainerState {
    load_trainer(&place.path(folder).join("policy.safetensors")).unwrap().state
}

/// Words that an ended run has within 20 seconds.
fn ends(mut child: Child) -> String {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "some ranks go on");
        std::thread::sleep(Duration::from_millis(50));
    }
    text(&child.wait_with_output().unwrap())
}

/// A run that goes on until somebody ends it, once it has saved its beginning and done some updates of `sizes`.
fn endless(place: &Place, ranks: usize, folder: &str, sizes: &str, wait: &str) -> Child {
    let line =
        format!("train pendulum --backend cpu {sizes} --steps 100000000 --no-stop --eval-episodes 0 --out {folder}");
    let mut command = mpirun(place, ranks, &line);
    command.env("OMPI_MCA_odls_base_sigkill_timeout", wait);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while std::fs::read_to_string(place.path(folder).join("metrics.csv")).map_or(0, |text| text.lines().count()) < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no update in a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

/// The processes of a run's ranks, in rank order.
fn ranks_of(child: &Child) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let status = String::from_utf8_lossy(&read("stat")).into_owned();
        let parent = status.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok());
        let environment = read("environ");
        let mut variables = environment.split(|byte| *byte == 0);
        let rank = variables.find_map(|word| {
            let word = std::str::from_utf8(word).ok()?;
            ["OMPI_COMM_WORLD_RANK=", "PMI_RANK="].iter().find_map(|name| word.strip_prefix(name)?.parse::<u32>().ok())
        });
        if let (Some(rank), Some(parent)) = (rank, parent)
            && (parent == child.id() || of_mpirun(parent, child.id()))
        {
            found.push((rank, process));
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, process)| process).collect()
}

/// MPICH's mpirun has a helper between itself and the ranks.
fn of_mpirun(process: u32, mpirun: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse::<u32>().ok()) == Some(mpirun)
}

/// All of them end within seconds.
fn gone(processes: &[u32]) {
    let begun = Instant::now();
    // Who has ended and was not waited for has no memory.
    let lives = |process: &u32| std::fs::read(format!("/proc/{process}/maps")).is_ok_and(|maps| !maps.is_empty());
    while let Some(process) = processes.iter().find(|process| lives(process)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{process} goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}

const SMALL: &str = "--envs 4 --rollout 32";

const LINE: &str =
    "train pendulum --backend cpu --envs 6 --rollout 32 --steps 960 --no-stop --eval-episodes 20 --seed 3";

/// In f32: five updates of some 160 steps of Adam, whose every sum is rounded at 6e-8 of itself. 1e-3 is a third of what one step moves.
#[test]
fn ranks_train_the_policy_that_one_process_trains() {
    let place = Place::new();
    place.run(&format!("{LINE} --out alone"));
    let want = state(&place, "alone");
    for ranks in 1..=4 {
        let said = trains(&place, ranks, &format!("{LINE} --out ranks{ranks}"));
        // Rank 0 alone speaks.
        assert_eq!(said.matches("all steps done").count(), 1, "{said}");
        assert_eq!(said.contains(&format!("ranks: {ranks},")), ranks > 1, "{said}");
        let got = state(&place, &format!("ranks{ranks}"));
        assert_eq!(place.list(&format!("ranks{ranks}")), place.list("alone"));
        assert_eq!((got.env_step, got.learner.update), (want.env_step, want.learner.update));
        assert_eq!(got.env_words.len(), want.env_words.len());
        let pairs = got.learner.parameters.iter().zip(&want.learner.parameters);
        let far = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-3, "{ranks} ranks: {far}");
        if ranks == 1 {
            assert_eq!(got, want, "one rank is one process");
        } else {
            trains(&place, ranks, &format!("{LINE} --out again{ranks}"));
            assert_eq!(state(&place, &format!("again{ranks}")), got, "{ranks} ranks: the bits of another run");
        }
    }
}

#[test]
fn a_run_is_gone_on_with_by_another_number_of_ranks() {
    let place = Place::new();
    trains(&place, 3, &format!("{LINE} --out run --pause-after 2"));
    let paused = state(&place, "run");
    assert_eq!((paused.learner.update, paused.env_words.len() % 6), (2, 0));
    let resumed = "train pendulum --resume --no-stop --out run --backend cpu";
    trains(&place, 2, &format!("{resumed} --pause-after 1"));
    place.run(resumed);
    assert_eq!(state(&place, "run").learner.update, 5);
    assert_eq!(place.text("run/metrics.csv").lines().count(), 6);
}

#[test]
fn ctrl_c_saves_and_ends_all_ranks() {
    let place = Place::new();
    // mpirun's second may be too short on a busy machine.
    let child = endless(&place, 3, "run", SMALL, "5");
    let processes = ranks_of(&child);
    assert_eq!(processes.len(), 3);
    signal(child.id(), "INT");
    let said = ends(child);
    assert!(said.contains("stopping after this update"), "{said}");
    gone(&processes);
    // mpirun does not pass on what comes later. The state is that after the last row, and the curve is drawn at the end alone.
    let rows = place.text("run/metrics.csv").lines().count() as u64 - 1;
    assert_eq!(state(&place, "run").learner.update, rows);
    assert!(place.path("run/learning_curve.svg").exists());
}

/// Updates of some seconds, of which mpirun gives one after Ctrl-C: what the last one left is saved, with or without the row of the next.
#[test]
fn ctrl_c_saves_though_an_update_takes_longer_than_mpirun_waits() {
    let place = Place::new();
    let child = endless(&place, 2, "run", "--envs 16 --rollout 512", "1");
    let processes = ranks_of(&child);
    signal(child.id(), "INT");
    ends(child);
    gone(&processes);
    let (rows, update) =
        (place.text("run/metrics.csv").lines().count() as u64 - 1, state(&place, "run").learner.update);
    assert!(update > 0 && (update == rows || update + 1 == rows), "saved after update {update}, {rows} rows");
    trains(&place, 1, "train pendulum --resume --no-stop --out run --backend cpu --pause-after 1");
}

#[test]
fn a_rank_that_dies_ends_all_and_is_named() {
    let place = Place::new();
    let child = endless(&place, 3, "run", SMALL, "1");
    let processes = ranks_of(&child);
    signal(processes[1], "KILL");
    let said = ends(child);
    assert!(said.contains("rank 1"), "{said}");
    gone(&processes);
    let before = state(&place, "run").learner.update;
    trains(&place, 2, "train pendulum --resume --no-stop --out run --backend cpu --pause-after 1");
    assert_eq!(state(&place, "run").learner.update, before + 1);
}

#[test]
fn the_benchmark_of_messages_is_rank_0s_to_print() {
    let place = Place::new();
    for ranks in [1, 3] {
        let said = trains(&place, ranks, "bench --only allreduce --quick");
        for (row, of_one) in
            [("gather/statistics", 0), ("allreduce/1048576", 0), ("allreduce/humanoid", 0), ("update/ant", 1)]
        {
            let want = if ranks == 1 { of_one } else { 1 };
            assert_eq!(said.lines().filter(|line| line.starts_with(row)).count(), want, "{row}: {said}");
        }
        assert!(said.contains(&format!("ranks: {ranks}, of {ranks} on this machine")), "{said}");
    }
}

#[test]
fn what_ranks_refuse_is_said_once_or_names_the_rank() {
    let place = Place::new();
    let refused = |ranks: usize, line: &str| {
        let child = mpirun(&place, ranks, line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        ends(child)
    };
    let said = refused(3, "train pendulum --backend cpu --envs 2 --rollout 64 --steps 128");
    assert!(said.contains("num_envs: is 2, fewer than the 3 ranks"), "{said}");
    let said = refused(2, "train pendulum --seeds 2");
    assert_eq!(said.matches("--seeds trains several policies").count(), 1, "{said}");
    let said = refused(2, "train pendulum --algo sac");
    assert!(said.contains("algorithm"), "{said}");
    let said = refused(2, "train pendulum --backend gpu");
    assert!(said.contains("ranks compute on the CPU"), "{said}");
    // Two programs in one job, which were asked for other things.
    let wgpo = assert_cmd::cargo::cargo_bin!("wgpo");
    let mut command = mpirun(&place, 1, "train pendulum --seed 3");
    command.args([":", "-n", "1"]).arg(wgpo).args(["train", "pendulum", "--seed", "4"]);
    let said = ends(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!(said.contains("rank 1: has the command line train pendulum --seed 4"), "{said}");
    assert!(!place.path("runs").exists());
}
