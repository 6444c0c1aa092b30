//! Every golden file on every backend. `WGPO_GOLDEN_DIR` names another folder than `tests/golden`.

mod support;

use support::golden::gpu::Device;
use support::golden::reference::Reference;
use support::golden::{Backend, cases, check, kind_of, run_all};

#[test]
fn reference_in_f64() {
    run_all(&mut Reference::oracle());
}

#[test]
fn reference_in_f32() {
    run_all(&mut Reference::single());
}

#[test]
fn on_the_gpu() {
    let Some(gpu) = support::gpu::gpu(false) else { return };
    run_all(&mut Device::new(gpu.clone()));
}

/// The comparison itself: of a run that passes, every kind of damage to every output must be found.
#[test]
fn damage_is_found() {
    let mut backend = Reference::oracle();
    let mut kinds = std::collections::BTreeSet::new();
    for case in cases() {
        let Ok(Some(kind)) = kind_of(&case) else { continue };
        if !kinds.insert(kind.name()) {
            continue;
        }
        let whole = backend.run(kind, &case).unwrap();
        let fails = |outputs| !check(&case, &outputs, backend.rule(), |_| false).is_empty();
        assert!(!fails(whole.clone()), "{}", case.file());
        for name in case.tensors.keys().filter(|name| name.starts_with("out.")) {
            let with = |change: &dyn Fn(&mut Vec<f64>)| {
                let mut outputs = whole.clone();
                change(outputs.get_mut(name).unwrap());
                outputs
            };
            let last = whole[name].len() - 1;
            let largest = whole[name].iter().fold(1e-300_f64, |a, b| a.max(b.abs()));
            assert!(fails(with(&|values| values[last] += 1e-3 * largest)), "{}: {name} off", case.file());
            assert!(fails(with(&|values| values[0] = f64::NAN)), "{}: {name} NaN", case.file());
            assert!(fails(with(&|values| values.truncate(last))), "{}: {name} short", case.file());
            assert!(fails(with(&|values| values.clear())), "{}: {name} empty", case.file());
            let mut missing = whole.clone();
            missing.remove(name);
            assert!(fails(missing), "{}: {name} missing", case.file());
        }
    }
    assert!(!kinds.is_empty());
}

#[test]
fn an_unknown_kind_is_a_failure() {
    let mut case = cases().remove(0);
    case.metadata.insert("kind".into(), "surprise".into());
    assert!(kind_of(&case).unwrap_err().contains("surprise"));
}
