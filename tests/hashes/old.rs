//! Files of version 0.1.0 are read on, by what they say and not by whether they can be read: spec, settings and state.
//!
//! `tests/hashes/old` was written by that version and stays as it is, whatever becomes of names and types here. `WGPO_WRITE_TABLES=1` only adds
//! files that are not there.

use super::{Case, Hashes, SEED, WITH_CRITIC, head_cases, learn, other_cases, parameters, rest, train};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use wgpo::checkpoint::{load_learner, load_trainer};
use wgpo::cpu::{CpuLearner, CpuTrainer};
use wgpo::policy::PolicySpec;
use wgpo::state::LearnerState;
use wgpo::{Agent, Config, SaveAgent, SaveTrainer, Trainer};

/// Cases whose state is kept as a file, by what it has: running statistics and environments; a trunk, an adapted β and deviations as
/// they are; deviations from the state and RMSProp; a rate that follows the KL; a solution of conjugate gradients.
const FILES: [&str; 5] = [
    "trainer acrobot | ppo",
    "gaussian scalar | ppo-penalty",
    "gaussian from_state soft_floor | a2c",
    "preset rsl_rl | ppo",
    "warm start | trpo",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hashes/old").join(name)
}

fn file(case: &Case) -> PathBuf {
    path(&format!("{}.safetensors", case.name.replace(" | ", ".").replace(' ', "_")))
}

/// What is there: a case of each head, and what goes through presets and environments.
fn cases() -> Vec<Case> {
    let algorithms = WITH_CRITIC.len();
    let of_heads = head_cases().into_iter().enumerate();
    let mut cases: Vec<_> = of_heads
        .filter(|(index, case)| {
            let (head, algorithm) = (index / algorithms, index % algorithms);
            algorithm == head % algorithms || FILES.contains(&case.name.as_str())
        })
        .map(|(_, case)| case)
        .chain(other_cases())
        .collect();
    let mut warm = cases.iter().find(|case| case.name == "preset sb3-contrib | trpo").unwrap().clone();
    warm.name = "warm start | trpo".into();
    warm.config.trust_region_mut().unwrap().cg_warm_start = true;
    cases.push(warm);
    cases
}

fn hashes(state: &LearnerState, more: &[u32]) -> [u32; 2] {
    let mut bytes = rest(state);
    bytes.extend(more.iter().flat_map(|word| word.to_le_bytes()));
    [parameters(state), crc32fast::hash(&bytes)]
}

fn learner(case: &Case) -> CpuLearner<f32> {
    CpuLearner::new(case.spec.clone(), case.config.clone(), SEED).unwrap()
}

fn trainer(case: &Case) -> CpuTrainer {
    CpuTrainer::new(case.env.unwrap(), case.spec.clone(), case.config.clone(), SEED).unwrap()
}

/// Writes `path` if it is not there and tables are to be written.
fn add(path: &std::path::Path, write: impl FnOnce()) {
    if std::env::var_os("WGPO_WRITE_TABLES").is_some() && !path.exists() {
        write();
    }
}

#[test]
fn old_settings_are_read_as_what_they_were() {
    let (cases, table) = (cases(), path("settings.txt"));
    add(&table, || {
        let mut text = String::new();
        for Case { name, spec, config, .. } in &cases {
            let [spec, config] = [serde_json::to_string(spec), serde_json::to_string(config)].map(Result::unwrap);
            writeln!(text, "{name}\n{spec}\n{config}").unwrap();
        }
        std::fs::write(&table, text).unwrap();
    });
    let text = std::fs::read_to_string(&table).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let old: BTreeMap<_, _> = lines.chunks(3).map(|lines| (lines[0], (lines[1], lines[2]))).collect();
    for Case { name, spec, config, .. } in &cases {
        let (old_spec, old_config) = old.get(name.as_str()).unwrap_or_else(|| panic!("no old settings of {name}"));
        assert_eq!(serde_json::from_str::<PolicySpec>(old_spec).unwrap(), *spec, "{name}");
        assert_eq!(serde_json::from_str::<Config>(old_config).unwrap(), *config, "{name}");
    }
    assert_eq!(old.len(), cases.len());
}

#[test]
fn old_states_are_read_as_what_they_were_and_go_on() {
    let cases: Vec<_> = cases().into_iter().filter(|case| FILES.contains(&case.name.as_str())).collect();
    assert_eq!(cases.len(), FILES.len());
    let mut text = String::new();
    for case in &cases {
        let path = file(case);
        let [parameters, rest] = if case.env.is_some() {
            add(&path, || {
                let mut trainer = trainer(case);
                train(&mut trainer);
                trainer.save(&path).unwrap();
            });
            let saved = load_trainer(&path).unwrap();
            assert_eq!((&saved.spec, &saved.config), (&case.spec, &case.config), "{}", case.name);
            assert_eq!(saved.state.env, case.env, "{}", case.name);
            let mut trainer = trainer(case);
            trainer.load(&path).unwrap();
            assert_eq!(trainer.state().unwrap(), saved.state, "{}", case.name);
            train(&mut trainer);
            hashes(&saved.state.learner, &[&saved.state.env_words[..], &[saved.state.env_step as u32]].concat())
        } else {
            add(&path, || {
                let mut learner = learner(case);
                learn(&mut learner, case);
                learner.save(&path).unwrap();
            });
            let saved = load_learner(&path).unwrap();
            assert_eq!((&saved.spec, &saved.config), (&case.spec, &case.config), "{}", case.name);
            let mut learner = learner(case);
            learner.load(&path).unwrap();
            assert_eq!(learner.state().unwrap(), saved.state, "{}", case.name);
            let _: Hashes = learn(&mut learner, case);
            hashes(&saved.state, &[])
        };
        writeln!(text, "{}: {parameters:08x} {rest:08x}", case.name).unwrap();
    }
    let table = path("states.txt");
    add(&table, || std::fs::write(&table, &text).unwrap());
    assert_eq!(text, std::fs::read_to_string(&table).unwrap().replace("\r\n", "\n"));
}
