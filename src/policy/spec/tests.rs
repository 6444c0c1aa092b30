use super::*;

/// What version 0.1 wrote, byte for byte.
#[test]
fn files_have_the_words_of_the_first_version() {
    let head = Head::categorical(2);
    let text = r#"{"obs_dim":3,"trunk":[5],"policy_hidden":[7,8],"value_hidden":[],"activation":"tanh","head":{"kind":"categorical","actions":2}}"#;
    let spec = PolicySpec::mlp(3, &[5], &[7, 8], &[], Activation::Tanh, head.clone());
    assert_eq!(serde_json::to_string(&spec).unwrap(), text);
    assert_eq!(serde_json::from_str::<PolicySpec>(text).unwrap(), spec);
    let separate = PolicySpec::separate(3, &[4], Activation::Relu, head);
    let text = r#"{"obs_dim":3,"trunk":[],"policy_hidden":[4],"value_hidden":[4],"activation":"relu","head":{"kind":"categorical","actions":2}}"#;
    assert_eq!(serde_json::to_string(&separate).unwrap(), text);
    // A file may do without the trunk.
    assert_eq!(serde_json::from_str::<PolicySpec>(&text.replace("\"trunk\":[],", "")).unwrap(), separate);
}

/// What the three lists cannot say has keys of its own, and comes back as it was.
#[test]
fn files_say_what_the_first_version_could_not() {
    let mut spec = PolicySpec::shared(6, &[4], Activation::Tanh, Head::categorical(2));
    spec.obs_shape = vec![2, 3];
    let text = serde_json::to_string(&spec).unwrap();
    assert!(text.starts_with(r#"{"obs_dim":6,"obs_shape":[2,3],"trunk":[4],"#) && !text.contains("branches"), "{text}");
    assert_eq!(serde_json::from_str::<PolicySpec>(&text).unwrap(), spec);
    let wrong = text.replace("\"obs_dim\":6", "\"obs_dim\":7");
    let error = serde_json::from_str::<PolicySpec>(&wrong).unwrap_err().to_string();
    assert!(error.contains("obs_shape [2, 3] has 6 numbers, obs_dim is 7"), "{error}");

    spec.branches[0].name = "torso".to_owned();
    for branch in &mut spec.branches[1..] {
        branch.input = Input::Branch("torso".to_owned());
    }
    let text = serde_json::to_string(&spec).unwrap();
    let first = r#""branches":[{"name":"torso","input":"obs","layers":[{"kind":"dense","outputs":4}]},"#;
    let second = r#"{"name":"policy","input":{"branch":"torso"},"layers":[{"kind":"dense","outputs":2}]},"#;
    assert!(text.contains(&(first.to_owned() + second)), "{text}");
    assert_eq!(serde_json::from_str::<PolicySpec>(&text).unwrap(), spec);
    let both = text.replace("\"trunk\":[]", "\"trunk\":[3]");
    assert!(serde_json::from_str::<PolicySpec>(&both).unwrap_err().to_string().contains("must be empty"));
}

#[test]
fn hidden_layers_and_heads_are_exchanged_by_name() {
    let spec = PolicySpec::separate(3, &[4], Activation::Tanh, Head::gaussian(2));
    let other = spec.clone().with_hidden(Branch::VALUE, &[8, 9]).with_head(Head::bernoulli(5));
    assert_eq!(other, PolicySpec::mlp(3, &[], &[4], &[8, 9], Activation::Tanh, Head::bernoulli(5)));
    assert_eq!(other.clone().with_hidden("torso", &[1]), other);
    assert_eq!((other.sizes(Branch::VALUE), other.hidden(Branch::POLICY)), (vec![3, 8, 9, 1], vec![4]));
    assert_eq!((other.trunk(), other.sizes("torso"), other.path_sizes("torso")), (None, vec![], vec![]));
    let shared = PolicySpec::mlp(3, &[6], &[4], &[], Activation::Tanh, Head::bernoulli(5));
    assert_eq!(shared.path_sizes(Branch::POLICY), [3, 6, 4, 5]);
    assert_eq!(shared.trunk().map(|trunk| trunk.name.as_str()), Some("trunk"));
}
