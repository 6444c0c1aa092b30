//! The fastest path of a net.

use super::*;

#[test]
fn the_fastest_path_is_found_and_kept() {
    let Some(gpu) = gpu() else { return };
    let options = Options { seconds: 0.001, rounds: 2, ..Options::default() };
    let narrow = PolicySpec::separate(3, &[8, 5], Activation::Tanh, Head::categorical(2));
    let wide = PolicySpec::separate(3, &[65], Activation::Tanh, Head::gaussian(2));
    let measure = |spec: &PolicySpec| Tuning::measure(&gpu, spec, 70, &options).unwrap();
    let (first, second) = (measure(&narrow), measure(&wide));
    let paths = |tuning: &Tuning| tuning.tried.iter().map(|tried| tried.path.name()).collect::<Vec<_>>();
    assert_eq!(paths(&first), ["plain", "direct", "staged", "fused"]);
    assert_eq!(paths(&second), ["plain", "direct", "staged"], "there is no fused gradient of that net");
    for tuning in [&first, &second] {
        let least = tuning.tried.iter().map(|tried| tried.seconds.unwrap()).fold(f64::INFINITY, f64::min);
        let fastest = tuning.tried.iter().find(|tried| Some(tried.path) == tuning.fastest()).unwrap();
        assert_eq!(fastest.seconds, Some(least));
    }
    assert!(Tuning::measure(&gpu, &PolicySpec { obs_shape: vec![0], ..narrow.clone() }, 70, &options).is_err());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.json");
    let mut tunings = Tunings::read(&path).unwrap();
    assert_eq!(tunings, Tunings::default(), "no file, no tunings");
    let older = Tuning { wgpo: "0.0.0".to_owned(), ..second.clone() };
    tunings.tunings.push(older);
    assert!(tunings.find(&gpu, &wide, 70).is_none(), "another version's kernels");
    tunings.put(first.clone());
    tunings.put(second.clone());
    tunings.put(second.clone());
    tunings.write(&path).unwrap();
    let read = Tunings::read(&path).unwrap();
    assert_eq!(read.tunings, [first.clone(), second.clone()], "one of each, none of another version");
    assert_eq!((read.find(&gpu, &narrow, 70), read.find(&gpu, &wide, 70)), (Some(&first), Some(&second)));
    assert_eq!(read.find(&gpu, &narrow, 71), None);
    std::fs::write(&path, "{}").unwrap();
    let error = Tunings::read(&path).unwrap_err().to_string();
    assert!(error.contains("tuning.json") && error.contains("no file of tunings"), "{error}");
}

#[test]
fn wrong_numbers_are_never_the_fastest() {
    let tried = [(ProductPath::Plain, Some(2.0)), (ProductPath::Direct, None), (ProductPath::Staged, Some(1.0))];
    let tried = tried.map(|(path, seconds)| Tried { path, seconds });
    let spec = PolicySpec::separate(1, &[1], Activation::Tanh, Head::categorical(2));
    let tuning = Tuning { adapter: String::new(), wgpo: String::new(), spec, rows: 1, tried: tried.to_vec() };
    assert_eq!(tuning.fastest(), Some(ProductPath::Staged));
    assert_eq!(Tuning { tried: vec![tried[1]], ..tuning }.fastest(), None);
}
