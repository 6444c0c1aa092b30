//! Nothing of a kernel may be missing: its shader, host file, oracle, case and row in docs/kernels.md share one stem.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Kernels whose oracle has another stem, and why.
const ORACLES: &[(&str, &str)] = &[
    ("advantage_discount", "normalize"), // running statistics and what uses them are one file
    ("advantage_gae_chunked", "advantage_gae"), // a variant: the same answer
    ("advantage_log_rho", "advantage_vtrace"), // a difference of two log-probabilities
    ("advantage_rescale", "normalize"),
    ("batch_clean", "batch_valid"), // what does not count, left out
    ("batch_count", "batch_valid"),
    ("batch_gather", "batch_shuffle"), // the order is what there is to know
    ("batch_pack", "batch_shuffle"),
    ("cg_step", "cg"),              // a phase of the whole solve
    ("env_step", "env"),            // the step of each environment has a file of its own, as its part has
    ("head_evaluate", "head"),      // one function per quantity
    ("head_evaluate_wide", "head"), // a variant: the same answer
    ("head_fisher", "head"),
    ("head_fisher_wide", "head"),
    ("loss_kl", "loss_ppo"),            // the penalty is part of the loss
    ("loss_ppo_fused", "ppo_update"),   // a minibatch from observations to gradients
    ("loss_statistics", "loss_ppo"),    // loss and statistics come from one function
    ("loss_trust_region", "surrogate"), // ratio times advantage; the divergences are the head's
    ("mlp_backward_input", "mlp"),
    ("mlp_backward_input_tiled", "mlp"), // a network forward and backward
    ("mlp_backward_weight", "mlp"),
    ("mlp_backward_weight_tiled", "mlp"),
    ("mlp_forward", "mlp"),
    ("mlp_forward_fused", "mlp"),
    ("mlp_forward_tiled", "mlp"),
    ("mlp_jvp", "mlp"),
    ("mlp_jvp_tiled", "mlp"),
    ("optim_adam", "optim"), // clip and step are one
    ("optim_clip", "optim"),
    ("optim_decide", "optim"),
    ("optim_line_search", "trpo_update"), // the search is a loop in the step
    ("optim_reduce", "optim"),
    ("optim_rmsprop", "optim"),
    ("policy_normalize", "normalize"),
    ("policy_sample", "head"),
    ("policy_sample_wide", "head"),
    ("reduce_episodes", "trainer"), // statistics of episodes are made where they end
    ("reduce_running", "normalize"),
    ("reduce_partials", "mlp"),   // the sum over rows, which the device takes in slices
    ("rollout_fused", "trainer"), // actor, head and environment by turns
];

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
    set(wgpo::kernels::ALL.iter().map(|def| def.name))
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
    for shared in ["mod", "parts", "tile"] {
        assert!(host.remove(shared));
    }
    assert_eq!(host, kernels());
    assert_eq!(stems("shaders/parts", "wgsl"), set(wgpo::kernels::parts::ALL.iter().map(|part| part.name)));
}

#[test]
fn kernels_are_listed_once_and_in_order() {
    let names: Vec<_> = wgpo::kernels::ALL.iter().map(|def| def.name).collect();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    let stages = ["env", "policy", "advantage", "batch", "mlp", "head", "loss", "optim", "cg", "reduce", "rollout"];
    for name in names {
        assert!(stages.iter().any(|stage| name.starts_with(&format!("{stage}_"))), "{name} begins with no stage");
    }
}

#[test]
fn every_kernel_has_an_oracle() {
    let kernels = kernels();
    for (kernel, _) in ORACLES {
        assert!(kernels.contains(*kernel), "{kernel} is no kernel");
    }
    for kernel in &kernels {
        let alias = ORACLES.iter().find(|(name, _)| name == kernel).map(|(_, oracle)| *oracle);
        let file = root().join("src/reference").join(format!("{}.rs", alias.unwrap_or(kernel)));
        assert!(file.exists(), "{kernel}: no oracle {}", file.display());
    }
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

#[test]
fn the_documents_list_every_kernel() {
    let document = std::fs::read_to_string(root().join("docs/kernels.md")).unwrap();
    let (_, rest) = document.split_once("<!-- kernels -->").expect("docs/kernels.md: no line <!-- kernels -->");
    let (table, _) = rest.split_once("<!-- /kernels -->").expect("docs/kernels.md: no line <!-- /kernels -->");
    // | `stem` | what it computes |
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    assert_eq!(set(rows.map(|(stem, _)| stem)), kernels());
}

#[test]
fn a_kernel_is_named_in_its_own_files() {
    for def in wgpo::kernels::ALL {
        assert!(def.source.contains(&format!("fn {}(", def.name)), "{}: entry point", def.name);
        let host = Path::new("src/kernels").join(format!("{}.rs", def.name));
        let text = std::fs::read_to_string(root().join(&host)).unwrap();
        assert!(text.contains(&format!("stem: \"{}\"", def.name)), "{}: stem", host.display());
    }
}

#[test]
fn the_front_page_and_the_list_of_stages_name_every_kernel() {
    for (file, before) in [("src/lib.rs", "[`kernels::"), ("src/kernels/mod.rs", "[`")] {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let missing: Vec<_> =
            kernels().into_iter().filter(|name| !text.contains(&format!("{before}{name}`]"))).collect();
        assert!(missing.is_empty(), "{file} does not link {missing:?}");
    }
}
