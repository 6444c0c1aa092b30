//! The documents say what the code says: their examples are those that are compiled, and their links lead somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All documents that a reader is sent to: those at the root, and those of `docs`, `benches`, `tests` and `examples`.
fn documents() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = [
        "docs",
        "benches/record",
        "benches/peers",
        "tests/golden",
        "tests/campaign",
        "examples/bevy",
        "examples/burn",
        ".",
    ]
    .iter()
    .map(|folder| root().join(folder))
    .collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The text without its blocks of code and without what is between backticks.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2);
    outside.map(|part| part.split('`').step_by(2).collect::<String>()).collect()
}

/// GitHub's name of a heading: small letters, digits, dashes for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let outside: String = text.split("\n```").step_by(2).collect();
    outside.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// A line that the README shows is in the example, and the lines are in its order. The example has more: it is whole and runs.
#[test]
fn the_readme_shows_lines_of_an_example_that_runs() {
    let readme = read("README.md");
    let blocks: Vec<_> = readme.split("```rust\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1);
    let example = read("examples/embed.rs");
    let mut rest = example.lines().map(str::trim);
    for line in blocks[0].lines().map(str::trim).filter(|line| !line.is_empty()) {
        assert!(rest.any(|of_example| of_example == line), "examples/embed.rs does not have, in this order: {line}");
    }
}

#[test]
fn the_example_of_an_own_environment_is_the_example() {
    let example = read("examples/own_env.rs");
    let code = &example[example.find("/// Position and velocity").unwrap()..];
    assert!(
        read("docs/environments.md").contains(&format!("```rust\n{code}```")),
        "docs/environments.md, \"Your own\", is not examples/own_env.rs"
    );
}

/// Files that exist, headings that exist. Links to the web are not followed.
#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let text_prose = prose(&text);
        for link in text_prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let found = target.exists()
                && heading.is_none_or(|heading| anchors(&std::fs::read_to_string(&target).unwrap()).contains(heading));
            if !found {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Every page of `docs` is named in the README, which is where a reader looks.
#[test]
fn the_readme_leads_to_every_page() {
    let readme = read("README.md");
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            !name.ends_with(".md") || readme.contains(&format!("(docs/{name})")),
            "README.md: no link to docs/{name}"
        );
    }
}

/// A row of the page names a test behind the link to its file: `[file](path) name`. Cells without a name are held by all tests of the file.
#[test]
fn the_lectures_tests_are_there() {
    let page = read("docs/lecture.md");
    let mut named = 0;
    for cell in page.lines().flat_map(|line| line.split("](../").skip(1)) {
        let Some((path, rest)) = cell.split_once(')') else { continue };
        let Some(name) = rest.strip_prefix(" `").and_then(|rest| rest.split('`').next()) else { continue };
        assert!(read(path).contains(&format!("fn {name}()")), "docs/lecture.md: {path} has no test {name}");
        named += 1;
    }
    assert!(named > 15, "{named} tests are named");
    for stem in page.split("/shaders/").skip(1).filter_map(|rest| rest.split(".wgsl").next()) {
        assert!(
            page.contains(&format!("[`{stem}`](../shaders/{stem}.wgsl)")),
            "docs/lecture.md: {stem} under another name"
        );
    }
}
