//! The structure of the source: which module may import which, files without circles, functions and files of a length to be read at once.
//!
//! The table in ARCHITECTURE.md is the input, so that it cannot say anything else than the code. What is not yet as it should be stands in
//! `tests/layers/imports.txt` and `lengths.txt`, and they only get shorter. Test modules are exempt from the rules of imports.
//!
//! An import is whatever names something of another file: a `use`, a path in the code or inside of a macro. Re-exports are followed to
//! the file that owns the name, so a `mod.rs` that hands on names is no way round, and only one that defines something can be imported from.
//! A re-export is itself an import.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod allowed;
mod dependencies;
mod imports;
mod lengths;
mod source;

use imports::Imports;
use source::{Crate, root};
use std::collections::{BTreeMap, BTreeSet};

const LIBRARY: &str = "src/lib.rs";
const PROGRAM: &str = "cli/src/lib.rs";

/// Words of reinforcement learning, as parts of names. `gpu` knows none of them.
const WORDS: &[&str] = &[
    "action",
    "actor",
    "advantage",
    "advantages",
    "adv",
    "clip",
    "critic",
    "ent",
    "entropy",
    "env",
    "envs",
    "episode",
    "gae",
    "head",
    "heads",
    "kl",
    "logp",
    "minibatch",
    "obs",
    "observation",
    "policy",
    "ppo",
    "ratio",
    "reward",
    "rewards",
    "rollout",
    "surrogate",
    "vf",
];

/// The table of layers: a module, and what it may import.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [module, _, may_import] = cells[..] else { panic!("a row of three cells: {line}") };
        let names = may_import.split(',').map(str::trim).filter(|name| *name != "nothing");
        (unquoted(module), names.map(unquoted).collect())
    };
    rows.map(row).collect()
}

fn unquoted(cell: &str) -> String {
    cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).unwrap_or_else(|| panic!("`{cell}`")).to_owned()
}

/// Everything that `module` may come to by the table.
fn closure<'a>(table: &'a BTreeMap<String, BTreeSet<String>>, module: &'a str) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut waiting = vec![module];
    while let Some(module) = waiting.pop() {
        let next = table.get(module).unwrap_or_else(|| panic!("`{module}` has no row in ARCHITECTURE.md"));
        waiting.extend(next.iter().map(String::as_str).filter(|next| all.insert(*next)));
    }
    all
}

/// The module of the library that a file of it belongs to: `gpu` of `src/gpu/device.rs`, `error` of `src/error.rs`.
fn module_of(file: &str) -> Option<&str> {
    let name = file.strip_prefix("src/").filter(|_| file != LIBRARY)?;
    let name = name.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name))
}

#[test]
fn the_table_has_every_module_and_keeps_the_promises() {
    let library = Crate::read(LIBRARY);
    let table = table();
    let modules: BTreeSet<_> = library.files().into_iter().filter_map(module_of).map(str::to_owned).collect();
    assert!(modules.iter().eq(table.keys()), "modules {modules:#?}\nrows of ARCHITECTURE.md {:#?}", table.keys());
    for module in table.keys() {
        assert!(!closure(&table, module).contains(module.as_str()), "`{module}` may import itself by others");
    }
    for module in ["reference", "data"] {
        let reached = closure(&table, module);
        assert!(!reached.contains("kernels") && !reached.contains("gpu"), "`{module}` may reach {reached:?}");
    }
    let of_gpu = closure(&table, "gpu");
    assert!(of_gpu.iter().all(|module| ["error", "memory"].contains(module)), "`gpu` may reach {of_gpu:?}");
}

#[test]
fn imports_keep_to_the_table_and_have_no_circles() {
    let table = table();
    let mut found = BTreeSet::new();
    let crates = [LIBRARY, PROGRAM].map(Crate::read);
    let [library, program] = crates.each_ref().map(Imports::of);
    for (file, to) in &library.edges {
        let Some(module) = module_of(file) else { continue };
        let own = table.get(module).unwrap_or_else(|| panic!("`{module}` has no row in ARCHITECTURE.md"));
        for other in to.iter().filter_map(|other| module_of(other)) {
            if other != module && !own.contains(other) {
                found.insert(format!("layer {file} -> {other}"));
            }
        }
    }
    let used = |module: &str, other: &str| {
        let files = library.edges.iter().filter(|(file, _)| module_of(file) == Some(module));
        files.flat_map(|(_, to)| to).any(|file| module_of(file) == Some(other))
    };
    let rows = table.iter().flat_map(|(module, may)| may.iter().map(move |other| (module, other)));
    let unused: Vec<_> = rows.filter(|(module, other)| !used(module, other)).collect();
    assert!(unused.is_empty(), "ARCHITECTURE.md allows what nobody imports: {unused:#?}");
    found.extend(library.by_first_file.iter().map(|file| format!("lib.rs is imported by {file}")));
    found.extend(reached(&library));
    found.extend(words());
    for (name, imports, files) in [("library", &library, &crates[0]), ("program", &program, &crates[1])] {
        let circles = imports.circles();
        let sizes = |circles: &[BTreeSet<String>]| circles.iter().map(BTreeSet::len).collect::<Vec<_>>();
        println!("{name}: {} circles, of {:?} files", circles.len(), sizes(&circles));
        let others = Imports::without_handing_on(files).circles();
        println!("{name}, if `pub use` were no import: {} circles, of {:?} files", others.len(), sizes(&others));
        for circle in circles {
            for file in &circle {
                let within = imports.edges[file].intersection(&circle);
                found.extend(within.map(|other| format!("circle {file} -> {other}")));
            }
        }
    }
    let kinds = ["circle", "layer", "lib.rs", "reach", "word"];
    let count = |kind: &&str| format!("{kind} {}", found.iter().filter(|line| line.starts_with(*kind)).count());
    println!("{}", kinds.iter().map(count).collect::<Vec<_>>().join(", "));
    allowed::hold(
        "imports.txt",
        "Imports that are still against the table of ARCHITECTURE.md, or part of a circle.",
        &found,
    );
}

/// Whether `reference` and `data` come to what they must not, be it through others; prints on which way.
fn reached(imports: &Imports) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for from in ["reference", "data"] {
        for forbidden in ["kernels", "gpu"] {
            let files = imports.edges.keys().filter(|file| module_of(file) == Some(from));
            let ways = files.filter_map(|file| imports.way(file, |other| module_of(other) == Some(forbidden)));
            if let Some(way) = ways.min_by_key(Vec::len) {
                let way: Vec<_> = way.into_iter().map(String::as_str).collect();
                println!("{from} reaches {forbidden}: {}", way.join(" -> "));
                found.insert(format!("reach {from} -> {forbidden}"));
            }
        }
    }
    found
}

/// The f64 oracle is plain: libraries for speed are what f32 does differently.
#[test]
fn only_the_fast_half_of_the_reference_names_what_makes_it_fast() {
    let library = Crate::read(LIBRARY);
    let names = |file: &str, name: &str| {
        library.modules.values().any(|module| module.file.starts_with(file) && module.names.contains(name))
    };
    for name in ["faer", "pulp"] {
        let others = library.modules.values().filter(|module| !module.file.starts_with("src/reference/fast/"));
        let wrong: Vec<_> = others.filter(|module| module.names.contains(name)).map(|module| &module.file).collect();
        assert!(wrong.is_empty(), "{name} in {wrong:?}");
        assert!(names("src/reference/fast/", name), "{name} is used nowhere: is this list still right?");
    }
}

/// Names in `gpu` that are of reinforcement learning.
fn words() -> BTreeSet<String> {
    let library = Crate::read(LIBRARY);
    let mut found = BTreeSet::new();
    for module in library.modules.values().filter(|module| module_of(&module.file) == Some("gpu")) {
        // wgpu's own, of the process' environment.
        for name in module.names.iter().filter(|name| !name.ends_with("_from_env")) {
            if parts(name).iter().any(|part| WORDS.contains(&part.as_str())) {
                found.insert(format!("word {} {name}", module.file));
            }
        }
    }
    found
}

/// `clip`, `coef` of `clip_coef`, `ClipCoef` and `CLIP_COEF`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && before.is_lowercase()) {
            parts.push(String::new());
        }
        if letter != '_' {
            parts.last_mut().unwrap().extend(letter.to_lowercase());
        }
        before = letter;
    }
    parts
}

#[test]
fn functions_and_files_are_short() {
    let found = allowed::at_most("lengths.txt", &lengths::long(&["src", "cli/src", "python/src"]));
    allowed::hold(
        "lengths.txt",
        "Functions over 80 lines and files over 300, and the most that they may have.",
        &found,
    );
}
