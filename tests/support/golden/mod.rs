//! Golden cases (`tests/golden/README.md`): reading them, running them on a backend, comparing.

pub mod case;
pub mod compare;
pub mod gpu;
mod gpu_env;
mod gpu_loss;
mod gpu_normalize;
mod gpu_off_policy;
mod gpu_off_policy_updates;
mod gpu_trust;
mod library;
mod off_policy;
pub mod ppo;
pub mod reference;
pub mod trust_region;

pub use case::{Case, Kind};
pub use compare::{Rule, check};

use ndarray::Array2;
use std::collections::BTreeMap;
use wgpo::config::ReturnReset;

/// Outputs of one run, by the file's names (`out.advantages`), row-major.
pub type Outputs = BTreeMap<String, Vec<f64>>;

/// Something that computes what the files hold.
pub trait Backend {
    /// For messages.
    fn name(&self) -> String;

    /// How close it must come.
    fn rule(&self) -> Rule;

    /// Computes the case's outputs. More than the file lists is fine, less is a failure.
    fn run(&mut self, kind: Kind, case: &Case) -> Result<Outputs, String>;

    /// Kinds that this backend does not compute yet; they count as pending.
    fn lacks(&self, _kind: Kind) -> bool {
        false
    }

    /// Cases of other kinds that it does not compute; a reason each time it is not empty.
    fn lacks_case(&self, _kind: Kind, _case: &Case) -> bool {
        false
    }

    /// Outputs of a case that this backend does not compute; a reason each time it is not empty.
    fn leaves_out(&self, _kind: Kind, _case: &Case, _output: &str) -> bool {
        false
    }
}

/// Kinds that are not built yet.
const PENDING_KINDS: [&str; 0] = [];

/// Heads that are not built yet, whatever the kind.
const PENDING_HEADS: [&str; 0] = [];

/// The kind of a case, `None` if it is pending, an error if nobody knows it.
pub fn kind_of(case: &Case) -> Result<Option<Kind>, String> {
    let name = case.text("kind")?;
    // The name first: a kind that nobody knows is a mistake, whatever else of it is pending.
    if PENDING_KINDS.contains(&name) {
        return Ok(None);
    }
    let kind =
        Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| format!("unknown kind \"{name}\""))?;
    let pending = |key: &str, list: &[&str]| case.metadata.get(key).is_some_and(|value| list.contains(&value.as_str()));
    Ok((!pending("head", &PENDING_HEADS)).then_some(kind))
}

/// Every `.safetensors` file of the folder that `WGPO_GOLDEN_DIR` names, or of `tests/golden`.
pub fn cases() -> Vec<Case> {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let folder = std::env::var("WGPO_GOLDEN_DIR").unwrap_or_else(|_| committed.to_owned());
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{folder} has no .safetensors file");
    paths.iter().map(|path| Case::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

/// How a case of reward scaling begins its sums anew, and its flags `[T, N]`: terminated, truncated, rows that count.
pub fn returns(case: &Case) -> Result<(ReturnReset, [Array2<u32>; 3]), String> {
    let name = case.metadata.get("reset").map_or("after_done", String::as_str);
    let reset = serde_json::from_value(name.into()).map_err(|error| error.to_string())?;
    let shape = &case.tensor("in.rewards")?.shape;
    let all = |flag| Array2::from_elem((shape[0], shape[1]), flag);
    let flags = |name: &str, without| if case.has(name) { case.flags(name) } else { Ok(all(without)) };
    let fell = flags(if case.has("in.dones") { "in.dones" } else { "in.terminated" }, 0)?;
    Ok((reset, [fell, flags("in.truncated", 0)?, flags("in.valid", 1)?]))
}

/// Runs every case on `backend` and panics with all failures.
pub fn run_all(backend: &mut dyn Backend) {
    let (mut failures, mut ran, mut pending) = (Vec::new(), BTreeMap::<&str, usize>::new(), 0);
    for case in cases() {
        match run_one(backend, &case) {
            Ok(Some(kind)) => *ran.entry(kind.name()).or_default() += 1,
            Ok(None) => pending += 1,
            Err(messages) => failures.extend(messages.iter().map(|message| format!("{}: {message}", case.file()))),
        }
    }
    println!("{}: passed {ran:?}, pending {pending}", backend.name());
    assert!(failures.is_empty(), "{}: {} failures\n{}", backend.name(), failures.len(), failures.join("\n"));
}

fn run_one(backend: &mut dyn Backend, case: &Case) -> Result<Option<Kind>, Vec<String>> {
    let Some(kind) = kind_of(case).map_err(|message| vec![message])? else { return Ok(None) };
    if backend.lacks(kind) || backend.lacks_case(kind, case) {
        return Ok(None);
    }
    let outputs = backend.run(kind, case).map_err(|message| vec![message])?;
    let failures = check(case, &outputs, backend.rule(), |output| backend.leaves_out(kind, case, output));
    if failures.is_empty() { Ok(Some(kind)) } else { Err(failures) }
}
