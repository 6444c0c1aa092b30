use super::{rollout, spec};
use crate::checkpoint::writer::Writer;
use crate::checkpoint::*;
use crate::data::{Actions, Rollout};
use crate::error::{Error, Result};
use crate::policy::Head;
use half::{bf16, f16};
use ndarray::{Array1, Array2, array};
use safetensors::Dtype;
use std::path::Path;

#[test]
fn rollouts_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.safetensors");
    write_rollout(&path, &rollout()).unwrap();
    assert_eq!(read_rollout(&path, &spec()).unwrap(), rollout());
    let discrete = spec().with_head(Head::categorical(3));
    assert!(read_rollout(&path, &discrete).unwrap_err().to_string().contains("\"actions\" has shape [2, 1, 2]"));
    let with = |actions: Array2<u32>| Rollout { actions: Actions::Discrete(actions), ..rollout() };
    write_rollout(&path, &with(array![[0], [2]])).unwrap();
    assert_eq!(read_rollout(&path, &discrete).unwrap(), with(array![[0], [2]]));
    write_rollout(&path, &with(array![[0], [3]])).unwrap();
    assert!(matches!(read_rollout(&path, &discrete), Err(Error::Format { .. })));
}

#[test]
fn types_that_numpy_writes_are_read_and_gaps_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.safetensors");
    let spec = spec().with_head(Head::categorical(2));
    let base = |truncated: u8| {
        Writer::default()
            .f32("obs", vec![1, 1, 3], &[1.0, 2.0, 3.0])
            .bytes("actions", Dtype::I64, vec![1, 1], 1_i64.to_le_bytes().to_vec())
            .bytes("logp", Dtype::F64, vec![1, 1], (-0.5_f64).to_le_bytes().to_vec())
            .f32("rewards", vec![1, 1], &[1.0])
            .f32("values", vec![2, 1], &[0.0, 1.0])
            .bytes("terminated", Dtype::BOOL, vec![1, 1], vec![0])
            .bytes("truncated", Dtype::U8, vec![1, 1], vec![truncated])
    };
    std::fs::write(&path, base(0).finish(&path).unwrap()).unwrap();
    let rollout = read_rollout(&path, &spec).unwrap();
    assert_eq!((rollout.actions, rollout.logp), (Actions::Discrete(array![[1]]), Array1::from(vec![-0.5])));
    for (truncated, words) in [(1, "\"final_values\"[0] is absent"), (2, "\"truncated\"[0] is 2, expected 0 or 1")] {
        let mut writer = base(truncated);
        if truncated == 2 {
            writer = writer.f32("final_values", vec![1, 1], &[0.0]);
        }
        std::fs::write(&path, writer.finish(&path).unwrap()).unwrap();
        let error = read_rollout(&path, &spec).unwrap_err();
        assert!(matches!(error, Error::Format { .. }) && error.to_string().contains(words), "{error}");
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn f16s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect()
}

fn bf16s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect()
}

fn wholes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// A rollout of one step of two environments as other programs store it: pictures as bytes, flags and indices as floats, halves.
fn foreign() -> Writer {
    Writer::default()
        .bytes("obs", Dtype::U8, vec![1, 2, 3], vec![0, 128, 255, 1, 2, 3])
        .bytes("actions", Dtype::F32, vec![1, 2], floats(&[1.0, 0.0]))
        .bytes("logp", Dtype::F16, vec![1, 2], f16s(&[-0.5, -0.25]))
        .bytes("rewards", Dtype::I64, vec![1, 2], wholes(&[1, -1]))
        .bytes("values", Dtype::BF16, vec![2, 2], bf16s(&[0.5, 1.0, 1.5, 2.0]))
        .bytes("final_values", Dtype::F64, vec![1, 2], [0.0_f64, 0.5].map(f64::to_le_bytes).concat())
        .bytes("terminated", Dtype::F32, vec![1, 2], floats(&[0.0, 0.0]))
        .bytes("truncated", Dtype::F64, vec![1, 2], [0.0_f64, 1.0].map(f64::to_le_bytes).concat())
        .bytes("valid", Dtype::F32, vec![1, 2], floats(&[1.0, 1.0]))
        .bytes("order", Dtype::I64, vec![3, 2], wholes(&[0, 1, 1, 0, 0, 1]))
}

fn read_foreign(writer: Writer) -> Result<Recording> {
    let spec = spec().with_head(Head::categorical(2));
    recording_from_bytes("foreign", &writer.finish(Path::new("foreign"))?, &spec)
}

#[test]
fn other_types_are_converted_and_said() {
    let recording = read_foreign(foreign()).unwrap();
    let rollout = &recording.rollout;
    assert_eq!(rollout.obs, array![[0.0, 128.0, 255.0], [1.0, 2.0, 3.0]]);
    assert_eq!(rollout.actions, Actions::Discrete(array![[1], [0]]));
    assert_eq!((&rollout.logp, &rollout.rewards), (&Array1::from(vec![-0.5, -0.25]), &array![[1.0, -1.0]]));
    assert_eq!(rollout.values, array![[0.5, 1.0], [1.5, 2.0]]);
    assert_eq!((&rollout.truncated, &rollout.valid), (&array![[0, 1]], &Some(array![[1, 1]])));
    assert_eq!(recording.order, Some(array![[0, 1], [1, 0], [0, 1]]));
    assert_eq!((recording.obs_roundoff, recording.logp_roundoff), (0.5_f64.powi(24), 0.5_f64.powi(11)));
    // Each once, in the order of the reading; what is exact or usual (F64) needs no word.
    let mut said: Vec<String> = recording.converted.iter().map(ToString::to_string).collect();
    said.sort();
    let expected = [
        "actions (F32)",
        "logp (F16)",
        "obs (U8)",
        "rewards (I64)",
        "terminated (F32)",
        "truncated (F64)",
        "valid (F32)",
        "values (BF16)",
    ];
    assert_eq!(said, expected);
}

/// What is none of these is refused by name.
#[test]
fn types_and_numbers_that_mean_nothing_are_refused() {
    type Change<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>, &'a str);
    let changes: [Change<'_>; 12] = [
        (
            "terminated",
            Dtype::F32,
            vec![1, 2],
            floats(&[0.0, 0.5]),
            "\"terminated\"[1] is 0.5, expected a whole number",
        ),
        ("terminated", Dtype::F32, vec![1, 2], floats(&[0.0, 2.0]), "\"terminated\"[1] is 2, expected 0 or 1"),
        ("valid", Dtype::F32, vec![1, 2], floats(&[1.0, f32::NAN]), "\"valid\"[1] is NaN"),
        ("actions", Dtype::F32, vec![1, 2], floats(&[-1.0, 0.0]), "\"actions\"[0] is -1, expected a whole number"),
        ("logp", Dtype::I64, vec![1, 2], wholes(&[-1, -1]), "\"logp\" is I64, expected F32, F64, F16 or BF16"),
        ("logp", Dtype::F16, vec![1, 2], f16s(&[-0.5, f32::INFINITY]), "\"logp\"[1] is inf"),
        ("logp", Dtype::F32, vec![1, 2], floats(&[-0.5, 0.4]), "\"logp\"[1] is 0.4, expected at most 0"),
        ("order", Dtype::I64, vec![3, 2], wholes(&[0, 1, 1, 0, 0, 2]), "\"order\"[5] is 2, expected a row below 2"),
        (
            "order",
            Dtype::I64,
            vec![2, 3],
            wholes(&[0, 1, 1, 0, 0, 1]),
            "\"order\" has shape [2, 3], expected [epochs, 2]",
        ),
        ("order", Dtype::I64, vec![6], wholes(&[0, 1, 1, 0, 0, 1]), "\"order\" has shape [6], expected [epochs, 2]"),
        (
            "order",
            Dtype::I64,
            vec![3, 2],
            wholes(&[0, 1, 1, 1, 0, 1]),
            "\"order\"[1, 1] is 1, as \"order\"[1, 0] is: expected each row of the rollout once",
        ),
        ("order", Dtype::I64, vec![3, 2], wholes(&[0, 1, 1, 0, 0, -1]), "\"order\"[5] is -1, expected a whole number"),
    ];
    for (name, dtype, shape, bytes, words) in changes {
        let mut writer = foreign();
        writer.remove(name);
        let message = read_foreign(writer.bytes(name, dtype, shape, bytes)).unwrap_err().to_string();
        assert!(message.contains(words), "{words} is not in {message}");
    }
}

/// The logarithm of a density may be positive, and so may an index's within rounding, and a row's that does not count.
#[test]
fn positive_log_probabilities_of_floats_are_none_of_our_business() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.safetensors");
    write_rollout(&path, &Rollout { logp: Array1::from(vec![3.0, 2.0]), ..rollout() }).unwrap();
    assert_eq!(read_rollout(&path, &spec()).unwrap().logp[0], 3.0);
    let discrete = spec().with_head(Head::categorical(3));
    let indices = || Rollout { actions: Actions::Discrete(array![[0], [2]]), ..rollout() };
    let with = |logp: Vec<f32>, valid: Option<Array2<u32>>| {
        write_rollout(&path, &Rollout { logp: Array1::from(logp), valid, ..indices() }).unwrap();
        read_rollout(&path, &discrete)
    };
    with(vec![1e-6, -2.0], None).unwrap();
    with(vec![-1.0, 7.0], Some(array![[1], [0]])).unwrap();
    let message = with(vec![-1.0, 7.0], None).unwrap_err().to_string();
    assert!(message.contains("\"logp\"[1] is 7, expected at most 0"), "{message}");
}
