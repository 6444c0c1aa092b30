//! What an embedder on the device alone has to compile.

use super::source::root;
use std::collections::BTreeSet;
use std::process::Command;

/// Most crates of such a build, this one included.
const MOST: usize = 90;

/// The crates that a build of the library with these features compiles for this machine, by the resolver.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["tree", "--locked", "--offline", "-p", "wgpo", "-e", "normal,build"]);
    let output = command.args(["--prefix", "none", "--format", "{p}"]).args(features).output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "cargo tree: {errors}");
    // `name v1.0.0`, for a macro or a crate on disk with words in parentheses behind it.
    text.lines().map(|line| line.split(" (").next().unwrap().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_build_for_the_device_alone_is_small() {
    let heavy = ["faer", "pulp", "rayon", "rayon-core", "statrs", "gemm"];
    let names = |crates: &BTreeSet<String>| -> BTreeSet<String> {
        crates.iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let (device, all) = (crates(&["--no-default-features"]), crates(&[]));
    println!("{} crates on the device alone, {} by default", device.len(), all.len());
    let (of_device, of_all) = (names(&device), names(&all));
    for name in heavy {
        assert!(!of_device.contains(name), "{name} is for the feature `cpu`");
        assert!(of_all.contains(name), "{name} is not there at all: is this list still right?");
    }
    assert!(of_device.contains("wgpo") && device.len() <= MOST, "{} crates: {device:#?}", device.len());
    // Platforms differ in some crates; the README's numbers are those of Linux.
    let said = format!("{} crates in place of {}", device.len(), all.len());
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    assert!(!cfg!(target_os = "linux") || readme.contains(&said), "README.md does not say \"{said}\"");
}
