use super::{config, spec, state, trainer_state};
use crate::checkpoint::learner::learner_writer;
use crate::checkpoint::writer::Writer;
use crate::checkpoint::*;
use crate::config::Config;
use crate::error::Error;
use crate::policy::{Branch, PolicySpec};
use crate::state::LearnerState;
use std::path::Path;

#[test]
fn what_was_saved_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    let want = state(spec().layout().len());
    save_learner(&path, &spec(), &config(), &want).unwrap();
    let got = load_learner(&path).unwrap();
    assert_eq!((got.spec.clone(), got.config.clone(), got.state.clone()), (spec(), config(), want));
    got.expect_spec(&path, &spec()).unwrap();
    let other = PolicySpec { obs_shape: vec![4], ..spec() };
    assert!(got.expect_spec(&path, &other).unwrap_err().to_string().contains("\"obs_dim\":4"));
    assert!(load_trainer(&path).unwrap_err().to_string().contains("holds a learner"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file may stay");
}

#[test]
fn a_trainers_file_is_a_learners_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer.safetensors");
    save_trainer(&path, &spec(), &config(), &trainer_state()).unwrap();
    assert_eq!(load_trainer(&path).unwrap().state, trainer_state());
    assert_eq!(load_learner(&path).unwrap().state, trainer_state().learner);
}

#[test]
fn the_best_policy_has_its_score_and_no_other_updates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("best.safetensors");
    let evaluation = crate::solved::Evaluation {
        update: u64::MAX,
        env_steps: 7,
        episodes: 100,
        mean_return: -1.0 / 3.0,
        return_min: -1.5,
        return_max: 0.1 + 0.2,
    };
    save_best(&path, &spec(), &config(), &trainer_state(), &evaluation, &Labels::new()).unwrap();
    let (saved, read) = load_best(&path).unwrap();
    assert_eq!((saved.state, read), (trainer_state(), evaluation));
    assert_eq!(load_trainer(&path).unwrap().state, trainer_state(), "it is a trainer's file, too");

    let other = crate::solved::Evaluation { update: 3, ..evaluation };
    save_best(&path, &spec(), &config(), &trainer_state(), &other, &Labels::new()).unwrap();
    let error = load_best(&path).unwrap_err().to_string();
    assert!(error.contains("the score of update 3"), "{error}");
    save_trainer(&path, &spec(), &config(), &trainer_state()).unwrap();
    assert!(load_best(&path).unwrap_err().to_string().contains("no key \"evaluation\""));
}

#[test]
fn tensors_have_pytorchs_names_and_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    save_learner(&path, &spec(), &config(), &state(spec().layout().len())).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("policy.0.weight").unwrap().shape(), [4, 5]);
    assert_eq!(file.tensor("optimizer.exp_avg_sq.value.0.bias").unwrap().shape(), [1]);
    assert_eq!(file.tensor("log_std").unwrap().shape(), [2]);
}

#[test]
fn every_truncation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer.safetensors");
    save_trainer(&path, &spec(), &config(), &trainer_state()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let short = folder.path().join("short.safetensors");
    for len in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        std::fs::write(&short, &whole[..len]).unwrap();
        assert!(matches!(load_trainer(&short), Err(Error::Format { .. })), "{len} of {} bytes", whole.len());
    }
}

/// Whatever is flipped, the file is refused or says the same; and another program may put it in another order.
#[test]
fn every_damaged_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trainer.safetensors");
    let labels = Labels::from([("run".to_owned(), "12".to_owned()), ("score".to_owned(), "0.5".to_owned())]);
    save_trainer_labelled(&path, &spec(), &config(), &trainer_state(), &labels).unwrap();
    let want = load_trainer(&path).unwrap();
    assert_eq!((&want.labels, &want.state), (&labels, &trainer_state()));
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(3) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        match load_trainer(&path) {
            Ok(got) => assert_eq!(got, want, "byte {at} of {}", whole.len()),
            Err(Error::Format { .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
        }
    }
    // What may be flipped is the name of the key `checksum` and the blanks after the header.
    let flipped = whole.len().div_ceil(3);
    assert!(flipped - refused <= 8 + "checksum".len(), "{refused} of {flipped} were refused");

    let file = safetensors::SafeTensors::deserialize(&whole).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&whole).unwrap();
    let again = safetensors::serialize(file.tensors(), header.metadata().clone()).unwrap();
    assert_ne!(again, whole);
    std::fs::write(&path, again).unwrap();
    assert_eq!(load_trainer(&path).unwrap(), want);
    // A file of a version without checksums.
    let mut old = header.metadata().clone().unwrap();
    old.remove("checksum").unwrap();
    std::fs::write(&path, safetensors::serialize(file.tensors(), Some(old)).unwrap()).unwrap();
    assert_eq!(load_trainer(&path).unwrap(), want);
}

/// A learner's file in which `change` altered tensors and keys.
fn altered(change: impl FnOnce(Writer) -> Writer, without: &str) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("altered.safetensors");
    let state = state(spec().layout().len());
    let mut writer = learner_writer(&path, &spec(), &config(), &state).unwrap().text("contents", "learner");
    writer.remove(without);
    std::fs::write(&path, change(writer).finish(&path).unwrap()).unwrap();
    load_learner(&path).unwrap_err()
}

#[test]
fn damage_is_named() {
    let says = |error: Error, words: &str| {
        assert!(matches!(error, Error::Format { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    says(altered(|w| w, "policy.1.bias"), "has no tensor \"policy.1.bias\"");
    says(altered(|w| w.f32("value.0.bias", vec![2], &[0.0, 0.0]), "value.0.bias"), "has shape [2], expected [1]");
    says(altered(|w| w.u32("value.0.bias", vec![1], &[1]), "value.0.bias"), "is U32, expected F32");
    says(altered(|w| w.f32("value.0.bias", vec![1], &[f32::NAN]), "value.0.bias"), "is NaN, expected a finite");
    let negative = |w: Writer| w.f32("optimizer.exp_avg_sq.value.0.bias", vec![1], &[-1.0]);
    says(altered(negative, "optimizer.exp_avg_sq.value.0.bias"), "negative");
    says(altered(|w| w.text("format", "wgpo-9"), ""), "wgpo-9");
    says(altered(|w| w.text("seed", "-1"), ""), "key \"seed\" is \"-1\"");
    says(altered(|w| w.text("spec", "{}"), ""), "key \"spec\"");
    let huge = spec().with_hidden(Branch::POLICY, &[usize::MAX / 3, 1 << 40]);
    says(altered(|w| w.text("spec", serde_json::to_string(&huge).unwrap()), ""), "for parameters, wgpo allows");
    let large = spec().with_hidden(Branch::POLICY, &[30_000, 30_000]);
    says(altered(|w| w.text("spec", serde_json::to_string(&large).unwrap()), ""), "more parameters than");
}

#[test]
fn a_folder_that_is_not_there_is_an_io_error() {
    let path = Path::new("no-such-folder/learner.safetensors");
    let saved = save_learner(path, &spec(), &config(), &state(spec().layout().len()));
    assert!(matches!(saved, Err(Error::Io { .. })));
    assert!(matches!(load_learner(path), Err(Error::Io { .. })));
}

#[test]
fn equal_states_are_equal_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b", "c", "d"].map(|name| {
        let path = folder.path().join(name);
        save_trainer(&path, &spec(), &config(), &trainer_state()).unwrap();
        std::fs::read(&path).unwrap()
    });
    assert!(files.iter().all(|file| *file == files[0]));
    let header = u64::from_le_bytes(*files[0].first_chunk::<8>().unwrap());
    assert_eq!(header % 8, 0, "the data must begin at a multiple of 8");
}

#[test]
fn a_policy_of_another_trainer_needs_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    let layout = spec().layout();
    let parameters = state(layout.len()).parameters;
    let write = |without: &str| {
        let start = Writer::default()
            .text("format", FORMAT)
            .text("contents", "policy")
            .text("spec", serde_json::to_string(&spec()).unwrap());
        let ranges = layout.ranges().iter().filter(|range| range.name != without);
        let writer = ranges.fold(start, |writer, range| {
            writer.f32(range.name.clone(), range.shape.clone(), &parameters[range.indices()])
        });
        std::fs::write(&path, writer.finish(&path).unwrap()).unwrap();
    };
    write("");
    let got = load_learner(&path).unwrap();
    assert_eq!((&got.spec, &got.state.parameters), (&spec(), &parameters));
    assert_eq!((got.state.exp_avg, got.state.optimizer_step), (vec![0.0; layout.len()], 0));
    write("log_std");
    assert!(load_learner(&path).unwrap_err().to_string().contains("\"log_std\""));
}

/// Files of versions in which nothing was adapted, and damage to what is.
#[test]
fn what_is_adapted_may_be_absent_but_not_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    let old =
        LearnerState { kl_coef: 0.0, learning_rate: 0.0, search_direction: vec![], ..state(spec().layout().len()) };
    let mut writer = learner_writer(&path, &spec(), &config(), &old).unwrap().text("contents", "learner");
    writer.remove_text("kl_coef");
    writer.remove_text("learning_rate");
    std::fs::write(&path, writer.finish(&path).unwrap()).unwrap();
    assert_eq!(load_learner(&path).unwrap().state, old);
    for bad in ["-1", "NaN", "inf", "many"] {
        let error = altered(|w| w.text("kl_coef", bad), "");
        assert!(error.to_string().contains("\"kl_coef\" is"), "{error}");
    }
    let error = altered(|w| w, "trust_region.direction.log_std");
    assert!(error.to_string().contains("trust_region.direction.log_std"), "{error}");
}

/// Files of versions whose schedules went by updates: as many rows as their own settings say.
#[test]
fn steps_may_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    let config = Config { num_envs: 3, num_steps: 5, ..config() };
    let old = LearnerState { update: 7, env_steps: 7 * 15, ..state(spec().layout().len()) };
    let mut writer = learner_writer(&path, &spec(), &config, &old).unwrap().text("contents", "learner");
    writer.remove_text("env_steps");
    std::fs::write(&path, writer.finish(&path).unwrap()).unwrap();
    assert_eq!(load_learner(&path).unwrap().state, old);
    let error = altered(|w| w.text("env_steps", "-1"), "");
    assert!(error.to_string().contains("\"env_steps\" is"), "{error}");
}

/// Files of versions without running statistics, and damage to those that are there.
#[test]
fn running_statistics_may_be_absent_but_not_bad() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    let old = LearnerState { normalizer: crate::state::NormalizerState::default(), ..state(spec().layout().len()) };
    save_learner(&path, &spec(), &config(), &old).unwrap();
    assert_eq!(load_learner(&path).unwrap().state, old);
    assert!(!String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("normalizer"));
    for bad in ["-1", "NaN", "inf", "many"] {
        let error = altered(|w| w.text("normalizer.obs.initial_count", bad), "");
        assert!(error.to_string().contains("\"normalizer.obs.initial_count\" is"), "{error}");
    }
    for bad in ["-1", "0.5", "18446744073709551616"] {
        let error = altered(|w| w.text("normalizer.value.count", bad), "");
        assert!(error.to_string().contains("\"normalizer.value.count\" is"), "{error}");
    }
    let error = altered(|w| w, "normalizer.obs.variance");
    assert!(error.to_string().contains("has no tensor \"normalizer.obs.variance\""), "{error}");
    for (change, words) in [([1.0, -1.0, 1.0], "a negative element"), ([1.0, f32::NAN, 1.0], "a finite number")] {
        let error = altered(|w| w.f32("normalizer.obs.variance", vec![3], &change), "normalizer.obs.variance");
        assert!(error.to_string().contains(words), "{error}");
    }
    let two = altered(|w| w.f32("normalizer.obs.mean", vec![2], &[0.0, 0.0]), "normalizer.obs.mean");
    assert!(two.to_string().contains("expected [3]"), "{two}");
    let wide = altered(|w| w.f64("normalizer.obs.mean", vec![3], &[0.0, 1e39, 0.0]), "normalizer.obs.mean");
    assert!(wide.to_string().contains("\"normalizer.obs.mean\"[1] is 1000000"), "{wide}");
}

/// Files of versions that kept statistics in f32.
#[test]
fn running_statistics_in_f32_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learner.safetensors");
    let narrow = |values: &mut Vec<f64>| values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
    let mut want = state(spec().layout().len());
    for part in
        [&mut want.normalizer.obs, &mut want.normalizer.reward, &mut want.normalizer.value].into_iter().flatten()
    {
        narrow(&mut part.mean);
        narrow(&mut part.variance);
    }
    let mut file = learner_writer(&path, &spec(), &config(), &want).unwrap().text("contents", "learner");
    for (name, part) in
        [("obs", &want.normalizer.obs), ("reward", &want.normalizer.reward), ("value", &want.normalizer.value)]
    {
        let Some(part) = part else { continue };
        for (kind, values) in [("mean", &part.mean), ("variance", &part.variance)] {
            let name = format!("normalizer.{name}.{kind}");
            file.remove(&name);
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            file = file.f32(name, vec![values.len()], &values);
        }
    }
    std::fs::write(&path, file.finish(&path).unwrap()).unwrap();
    assert_eq!(load_learner(&path).unwrap().state, want);
}
