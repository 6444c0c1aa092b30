use crate::policy::{Activation, Branch, Head, Input, PolicySpec, Std};
use proptest::prelude::*;

#[test]
fn ranges_follow_each_other_without_gaps() {
    let spec = PolicySpec::mlp(3, &[5], &[7], &[], Activation::Tanh, Head::gaussian(2));
    let layout = spec.layout();
    let mut next = 0;
    for range in layout.ranges() {
        assert_eq!(range.offset, next, "{}", range.name);
        next += range.len();
    }
    assert_eq!(next, layout.len());
    let names: Vec<_> = layout.ranges().iter().map(|range| range.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "trunk.0.weight",
            "trunk.0.bias",
            "policy.0.weight",
            "policy.0.bias",
            "policy.1.weight",
            "value.0.weight",
            "value.0.bias",
            "policy.1.bias",
            "log_std"
        ]
    );
    let value = layout.layers(Branch::VALUE);
    assert_eq!((value.len(), value[0].inputs, value[0].outputs), (1, 5, 1));
    assert_eq!(layout.log_std(), Some(layout.len() - 2));
    assert_eq!((layout.trunk(), layout.layers("torso").len()), (layout.layers(Branch::TRUNK), 0));
    let on_the_way: Vec<_> = layout.path(Branch::POLICY).iter().map(|layer| (layer.inputs, layer.outputs)).collect();
    assert_eq!(on_the_way, [(3, 5), (5, 7), (7, 2)]);
}

/// What lets the tiled kernels read four weights at a time.
#[test]
fn weights_begin_at_multiples_of_four() {
    for head in [Head::categorical(2), Head::gaussian(21), Head::bernoulli(3)] {
        let spec = PolicySpec::separate(6, &[64, 20], Activation::Tanh, head);
        let layout = spec.layout();
        for range in layout.ranges().iter().filter(|range| range.name.ends_with("weight")) {
            assert_eq!(range.offset % 4, 0, "{}", range.name);
        }
    }
}

/// Branches of one to three layers, each on the observation or on one of those before it; actor and critic among them.
fn branches() -> impl Strategy<Value = (Vec<usize>, Vec<Branch>, Head)> {
    let widths = prop::collection::vec(1_usize..9, 1..4);
    let heads = [Head::categorical(3), Head::gaussian(2), Head::gaussian(2).with_std(Std::SCALAR), Head::bernoulli(4)];
    let shape = prop::collection::vec(1_usize..5, 1..4);
    (shape, prop::collection::vec((widths, any::<prop::sample::Index>()), 2..7), prop::sample::select(heads.to_vec()))
        .prop_map(|(shape, drawn, head)| {
            let count = drawn.len();
            let name = |index: usize| match index {
                _ if index + 2 == count => Branch::POLICY.to_owned(),
                _ if index + 1 == count => Branch::VALUE.to_owned(),
                _ => format!("part_{index}"),
            };
            let branch = |(index, (widths, before)): (usize, (Vec<usize>, prop::sample::Index))| {
                let input = match before.index(index + 1) {
                    0 => Input::Obs,
                    other => Input::Branch(name(other - 1)),
                };
                Branch::dense(&name(index), input, &widths)
            };
            (shape, drawn.into_iter().enumerate().map(branch).collect(), head)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Every number of the flat vector is in one range of a name of its own, and the layers' places are those of the ranges.
    #[test]
    fn layouts_have_no_gaps_and_no_overlaps((obs_shape, branches, head) in branches()) {
        let spec = PolicySpec { branches, obs_shape, activation: Activation::Tanh, head };
        let layout = spec.layout();
        let mut owners = vec![0; layout.len()];
        for range in layout.ranges() {
            owners[range.indices()].iter_mut().for_each(|owners| *owners += 1);
        }
        prop_assert!(owners.iter().all(|owners| *owners == 1), "{owners:?}");
        let names: std::collections::BTreeSet<_> = layout.ranges().iter().map(|range| &range.name).collect();
        prop_assert_eq!(names.len(), layout.ranges().len());
        prop_assert_eq!(layout.len() as u128, spec.parameter_count());
        for (branch, of_spec) in layout.branches().iter().zip(&spec.branches) {
            let mut inputs = match branch.input {
                None => spec.obs_dim(),
                Some(before) => spec.branches[before].widths().last().unwrap(),
            };
            prop_assert_eq!(branch.layers.len(), of_spec.layers.len());
            for (index, (layer, outputs)) in branch.layers.iter().zip(of_spec.widths()).enumerate() {
                prop_assert_eq!((layer.inputs, layer.outputs), (inputs, outputs));
                let range = |end: &str| layout.get(&format!("{}.{index}.{end}", branch.name)).unwrap();
                prop_assert_eq!((range("weight").offset, range("bias").offset), (layer.weight, layer.bias));
                prop_assert_eq!((&range("weight").shape, &range("bias").shape), (&vec![outputs, inputs], &vec![outputs]));
                inputs = outputs;
            }
        }
        // Which file it would be: the same policy comes back.
        let text = serde_json::to_string(&spec).unwrap();
        prop_assert_eq!(serde_json::from_str::<PolicySpec>(&text).unwrap(), spec);
    }
}
