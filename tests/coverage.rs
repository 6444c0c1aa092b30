//! Nothing of a kernel may be missing: its shader, host file, oracle, case and row in docs/kernels.md share one stem.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use wgpo::check::registry;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Stems of the files with `extension` directly in `folder`.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files
        .map(|path| {
            assert!(path.extension().is_some_and(|e| e == extension), "stray file {}", path.display());
            path.file_stem().unwrap().to_string_lossy().into_owned()
        })
        .collect()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn kernels() -> BTreeSet<String> {
    set(wgpo::low_level::kernels::ALL.iter().map(|def| def.name))
}

#[test]
fn every_kernel_has_a_shader_and_a_host_file_and_there_are_no_others() {
    let mut shaders = stems("shaders", "wgsl");
    // The benchmark's own are no part of policy optimisation: no oracle, no row in docs/kernels.md.
    for def in wgpo::bench::KERNELS {
        assert!(shaders.remove(def.name), "{}: no shader", def.name);
    }
    assert_eq!(shaders, kernels());
    let mut host = stems("src/kernels", "rs");
    for shared in ["define", "limits", "mod", "parts", "per_update", "text", "tile", "words"] {
        assert!(host.remove(shared));
    }
    assert_eq!(host, kernels());
    assert_eq!(stems("shaders/parts", "wgsl"), set(wgpo::low_level::kernels::parts::ALL.iter().map(|part| part.name)));
}

#[test]
fn kernels_are_listed_once_and_in_order() {
    let names: Vec<_> = wgpo::low_level::kernels::ALL.iter().map(|def| def.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let stages =
        ["env", "policy", "advantage", "batch", "mlp", "head", "loss", "optim", "cg", "reduce", "replay", "rollout"];
    for name in names {
        assert!(stages.iter().any(|stage| name.starts_with(&format!("{stage}_"))), "{name} begins with no stage");
    }
}

#[test]
fn every_kernel_has_one_row() {
    let rows = registry();
    let names: Vec<_> = rows.iter().map(|row| row.def.name).collect();
    let kernels: Vec<_> = wgpo::low_level::kernels::ALL.iter().map(|def| def.name).collect();
    let missing: Vec<_> = kernels.iter().filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "no row in the FAMILY of a file in src/check for {missing:?}");
    assert_eq!(names, kernels, "a row for each kernel, and no more");
    for row in rows {
        assert!(row.oracle.starts_with("reference::"), "{}: {}", row.def.name, row.oracle);
        assert!(!row.about.is_empty() && !row.about.ends_with('.'), "{}: {}", row.def.name, row.about);
    }
}

/// The page of the kernels lists them by what they are for.
#[test]
fn the_page_of_the_kernels_links_every_one() {
    let text = std::fs::read_to_string(root().join("src/kernels/mod.rs")).unwrap();
    let page: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let missing: Vec<_> = kernels().into_iter().filter(|name| !page.contains(&format!("[`{name}`]"))).collect();
    assert!(missing.is_empty(), "the doc of src/kernels/mod.rs does not link {missing:?}");
}

/// Facts of a kernel stand in its row: nothing looks them up by its stem.
#[test]
fn no_code_asks_for_a_kernel_by_a_string() {
    let stems = kernels();
    for folder in ["src", "cli/src", "python/src"] {
        for file in rust_files(&root().join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            // Tests at a file's end may name what they like.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in (1..).zip(code.lines()).filter(|_| !file.ends_with("tests.rs")) {
                // Every second piece is a string.
                let pieces: Vec<_> = line.split('"').collect();
                for around in pieces.windows(3).step_by(2).filter(|around| stems.contains(around[1])) {
                    let (before, after) = (around[0].trim_end(), around[2].trim_start());
                    let arm = ["=>", "|", "if ", "=="].iter().any(|sign| after.starts_with(sign));
                    let asks = arm || ["==", "!=", "|", "_with("].iter().any(|sign| before.ends_with(sign));
                    assert!(!asks, "{}:{number}: asks for {} by its name", file.display(), around[1]);
                }
                let ends =
                    ["_wide", "_tiled", "_fused"].iter().any(|end| line.contains(&format!(".ends_with(\"{end}\")")));
                let asks = ends
                    || ["DEF.name].contains", "DEF.name ==", "DEF.name !=", "match def.name"]
                        .iter()
                        .any(|by| line.contains(by));
                assert!(!asks, "{}:{number}: asks for a kernel by its name", file.display());
            }
        }
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_kernel_has_cases_and_a_quick_one() {
    let cases = wgpo::check::cases();
    let of = |quick: bool| set(cases.iter().filter(|case| case.quick || !quick).map(|case| case.kernel));
    let kernels = kernels();
    for (what, named) in [("case", of(false)), ("quick case", of(true))] {
        let missing: Vec<_> = kernels.difference(&named).collect();
        assert!(missing.is_empty(), "no {what} for {missing:?}");
    }
    let mut labels = BTreeSet::new();
    for case in &cases {
        assert!(labels.insert((case.kernel, &case.shape)), "two cases are {case:?}");
    }
}

/// The table of docs/kernels.md is made from the rows; `WGPO_WRITE_TABLES=1` writes it.
#[test]
fn the_documents_list_every_kernel() {
    let file = root().join("docs/kernels.md");
    let document = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = document.split_once("<!-- kernels -->").expect("docs/kernels.md: no line <!-- kernels -->");
    let (table, after) = rest.split_once("<!-- /kernels -->").expect("docs/kernels.md: no line <!-- /kernels -->");
    let mut want = "\n| kernel | computes | oracle |\n| --- | --- | --- |\n".to_owned();
    for row in registry() {
        want += &format!("| `{}` | {} | `{}` |\n", row.def.name, row.about, row.oracle);
    }
    if std::env::var_os("WGPO_WRITE_TABLES").is_some() {
        std::fs::write(file, format!("{before}<!-- kernels -->{want}<!-- /kernels -->{after}")).unwrap();
    } else {
        let hint = "docs/kernels.md: WGPO_WRITE_TABLES=1 cargo test --test structure coverage writes the table";
        assert!(table == want, "{hint}; it should be:\n{want}");
    }
}

#[test]
fn a_kernel_is_named_in_its_own_files() {
    for def in wgpo::low_level::kernels::ALL {
        assert!(def.source.contains(&format!("fn {}(", def.name)), "{}: entry point", def.name);
        let host = Path::new("src/kernels").join(format!("{}.rs", def.name));
        let text = std::fs::read_to_string(root().join(&host)).unwrap();
        assert!(text.contains(&format!("stem: \"{}\"", def.name)), "{}: stem", host.display());
    }
}

/// Cargo looks for no test programs by itself, so that there are few of them. A file that no program names would never run.
#[test]
fn every_file_of_tests_is_in_a_program() {
    for (folder, programs) in [("tests", &["computing", "structure"][..]), ("cli/tests", &["program"])] {
        let mut named = set(programs.iter().copied());
        for program in programs {
            let text = std::fs::read_to_string(root().join(folder).join(format!("{program}.rs"))).unwrap();
            named.extend(
                text.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).map(str::to_owned),
            );
        }
        let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.extension().is_some_and(|e| e == "rs"));
        for stem in files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()) {
            assert!(
                named.contains(&stem),
                "{folder}/{stem}.rs is in none of {programs:?}: give one of them `mod {stem};`"
            );
        }
    }
}
