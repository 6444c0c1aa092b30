use super::{config, rollout, spec, state, trainer_state};
use crate::checkpoint::*;
use crate::error::{Error, Result};
use std::path::Path;

fn written(save: impl FnOnce(&Path) -> Result<()>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn bytes_are_those_of_files_and_come_back() {
    let (spec, config) = (spec(), config());
    let (learner, trainer) = (state(spec.layout().len()), trainer_state());
    let labels = Labels::from([("run".to_owned(), "7".to_owned())]);

    let bytes = learner_to_bytes(&spec, &config, &learner, &labels).unwrap();
    assert!(bytes == written(|path| save_learner_labelled(path, &spec, &config, &learner, &labels)));
    let saved = learner_from_bytes("sent", &bytes).unwrap();
    assert_eq!(saved, Saved { spec: spec.clone(), config: config.clone(), state: learner, labels: labels.clone() });

    let bytes = trainer_to_bytes(&spec, &config, &trainer, &labels).unwrap();
    assert!(bytes == written(|path| save_trainer_labelled(path, &spec, &config, &trainer, &labels)));
    assert_eq!(learner_from_bytes("sent", &bytes).unwrap().state, trainer.learner);
    assert_eq!(trainer_from_bytes("sent", &bytes).unwrap(), Saved { spec, config, state: trainer, labels });

    let (spec, rollout) = (super::spec(), rollout());
    let bytes = rollout_to_bytes(&rollout).unwrap();
    assert!(bytes == written(|path| write_rollout(path, &rollout)));
    assert_eq!(recording_from_bytes("sent", &bytes, &spec).unwrap().rollout, rollout);
}

/// The name stands where the path of a file would, and the words are those of a file.
#[test]
fn damaged_bytes_are_refused_as_damaged_files_are() {
    let (spec, config, trainer) = (spec(), config(), trainer_state());
    let whole = trainer_to_bytes(&spec, &config, &trainer, &Labels::new()).unwrap();
    let refused = |bytes: &[u8]| {
        let error = trainer_from_bytes("rank 3", bytes).unwrap_err();
        assert!(matches!(error, Error::Format { .. }), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let of_file = load_trainer(&path).unwrap_err().to_string();
        assert_eq!(error.to_string(), of_file.replace(&path.display().to_string(), "rank 3"));
        assert!(learner_from_bytes("rank 3", bytes).is_err());
        error.to_string()
    };
    for length in [0, 5, 8, 9, whole.len() / 2, whole.len() - 1] {
        assert!(refused(&whole[..length]).starts_with("rank 3: is not a whole safetensors file: "));
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(refused(&longer).starts_with("rank 3: is not a whole safetensors file: "));
    let long_header = [u64::MAX.to_le_bytes().as_slice(), &whole[8..]].concat();
    assert!(refused(&long_header).contains("100000000 at most are read"));
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert!(refused(&flipped).contains("is damaged: its checksum is"));
    let learner = learner_to_bytes(&spec, &config, &trainer.learner, &Labels::new()).unwrap();
    let error = trainer_from_bytes("rank 3", &learner).unwrap_err().to_string();
    assert!(error.contains("holds a learner, expected a trainer"), "{error}");
}
