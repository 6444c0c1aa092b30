use super::*;
use crate::policy::{Activation, Head, Layer};

fn spec() -> PolicySpec {
    PolicySpec::mlp(3, &[5], &[7], &[6], Activation::Tanh, Head::categorical(2))
}

/// The refusal's field and words.
fn refused(change: impl FnOnce(&mut PolicySpec)) -> (&'static str, String) {
    let mut spec = spec();
    assert!(spec.validate().is_ok());
    change(&mut spec);
    match spec.validate() {
        Err(Error::Config { field, message }) => (field, message),
        other => panic!("{spec:?}: {other:?}"),
    }
}

fn dense(outputs: usize) -> Layer {
    Layer::Dense { outputs }
}

fn input(name: &str) -> Input {
    Input::Branch(name.to_owned())
}

#[test]
fn a_name_belongs_to_one_branch() {
    let (field, message) = refused(|spec| spec.branches.push(Branch::dense("trunk", Input::Obs, &[4])));
    assert_eq!((field, message.as_str()), ("branches", "branch \"trunk\" is there twice, names must differ"));
}

#[test]
fn a_name_can_be_part_of_a_parameters_name() {
    for name in ["", "0", "a.b", "_x", "tête", "a b"] {
        let (_, message) = refused(|spec| spec.branches.push(Branch::dense(name, Input::Obs, &[4])));
        assert!(message.starts_with(&format!("branch \"{name}\" must have a name")), "{message}");
    }
}

#[test]
fn an_input_is_there_and_comes_earlier() {
    let expected =
        |name, input| format!("branch \"{name}\" takes the output of \"{input}\", which is no earlier branch");
    assert_eq!(refused(|spec| spec.branches[1].input = input("torso")).1, expected("policy", "torso"));
    assert_eq!(refused(|spec| spec.branches[0].input = input("value")).1, expected("trunk", "value"));
    assert_eq!(refused(|spec| spec.branches[0].input = input("trunk")).1, expected("trunk", "trunk"));
}

#[test]
fn a_branch_has_layers_with_outputs() {
    let (_, message) = refused(|spec| spec.branches[0].layers.clear());
    assert_eq!(message, "branch \"trunk\" has no layers, needs at least one");
    for (index, name, field) in [(0, "trunk", "trunk"), (1, "policy", "policy_hidden"), (2, "value", "value_hidden")] {
        let (of, message) = refused(|spec| spec.branches[index].layers[0] = dense(0));
        assert_eq!(of, field);
        assert!(message.contains(&format!("in branch \"{name}\"")) && message.contains("at least 1"), "{message}");
    }
}

#[test]
fn actor_and_critic_are_found_by_name() {
    let gone = |name| move |spec: &mut PolicySpec| spec.branches.retain(|branch| branch.name != name);
    assert_eq!(refused(gone("policy")).1, "have no branch \"policy\", which is the actor");
    // An algorithm asks for a critic, a policy does not (`tests/reinforce.rs`).
    let mut alone = spec();
    gone("value")(&mut alone);
    assert!(alone.validate().is_ok() && alone == spec().without_critic());
    assert_eq!(refused(|spec| spec.branches.truncate(1)).1, "have no branch \"policy\", which is the actor");
}

#[test]
fn the_last_layers_fit_the_head_and_a_value() {
    let head = refused(|spec| spec.head = Head::categorical(9)).1;
    assert_eq!(head, "branch \"policy\" has 2 outputs, needs 9, the outputs of its categorical head");
    let value = refused(|spec| spec.branches[2].layers[1] = dense(2)).1;
    assert_eq!(value, "branch \"value\" has 2 outputs, needs 1, the value");
    assert!(spec().with_head(Head::categorical(9)).validate().is_ok());
}

#[test]
fn what_no_plan_computes_is_refused() {
    let more = refused(|spec| spec.branches.insert(1, Branch::dense("torso", Input::Obs, &[4]))).1;
    assert!(more.starts_with("branch \"torso\" is one too many"), "{more}");
    // Two trunks, one on the other.
    let longer = refused(|spec| {
        spec.branches.insert(0, Branch::dense("stem", Input::Obs, &[4]));
        spec.branches[1].input = input("stem");
    });
    assert!(longer.1.starts_with("branch \"stem\" is one too many"), "{}", longer.1);
    let apart = refused(|spec| spec.branches[2].input = Input::Obs).1;
    assert!(apart.starts_with("branch \"policy\" and branch \"value\" take different inputs"), "{apart}");
    let order = refused(|spec| spec.branches.swap(1, 2)).1;
    assert!(order.starts_with("branch \"value\" comes before branch \"policy\""), "{order}");
    // A trunk may have any name.
    let mut named = spec();
    named.branches[0].name = "torso".to_owned();
    (named.branches[1].input, named.branches[2].input) = (input("torso"), input("torso"));
    assert!(named.validate().is_ok());
    assert_eq!(named.layout().trunk(), spec().layout().trunk());
}

#[test]
fn an_observation_has_numbers() {
    assert_eq!(refused(|spec| spec.obs_shape = vec![0]).0, "obs_dim");
    for shape in [vec![], vec![2, 0]] {
        let (field, message) = refused(|spec| spec.obs_shape = shape.clone());
        assert_eq!(field, "obs_shape");
        assert!(message.contains(&format!("{shape:?}")), "{message}");
    }
    let mut spec = spec();
    spec.obs_shape = vec![3, 1];
    assert!(spec.validate().is_ok());
}
