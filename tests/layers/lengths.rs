//! How long functions and files are.

use super::source::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

const FUNCTION: usize = 80;
const FILE: usize = 300;
/// What stands before the reason, in the first comment of a file or in the comment above a function.
const REASON: &str = "Long: ";

/// Functions and files that are too long and give no reason, with their lines. Tests among them are not exempt.
pub fn long(folders: &[&str]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    let mut longest = (0, String::new());
    for file in folders.iter().flat_map(|folder| files(&root().join(folder))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let lines: Vec<_> = text.lines().collect();
        let first_comment = lines.iter().take_while(|line| line.starts_with("//"));
        if lines.len() > FILE && !gives_a_reason(first_comment) {
            found.insert(format!("file {name}"), lines.len());
        }
        let mut functions = Functions { file: &name, lines: &lines, all: Vec::new() };
        functions.visit_file(&syn::parse_file(&text).unwrap());
        for (function, length, explained) in functions.all {
            longest = longest.max((length, format!("{name} {function}")));
            if length > FUNCTION && !explained {
                let mut key = format!("function {name} {function}");
                while found.contains_key(&key) {
                    key.push('\'');
                }
                found.insert(key, length);
            }
        }
    }
    println!("the longest function is {} with {} lines", longest.1, longest.0);
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    all.sort();
    all
}

fn gives_a_reason<'a>(comment: impl Iterator<Item = &'a &'a str>) -> bool {
    let mut comment =
        comment.map(|line| line.trim_start().trim_start_matches('/').trim_start_matches('!').trim_start());
    comment.any(|line| line.strip_prefix(REASON).is_some_and(|reason| !reason.trim().is_empty()))
}

struct Functions<'a> {
    file: &'a str,
    lines: &'a [&'a str],
    /// Name, lines, and whether there is a reason for that.
    all: Vec<(String, usize, bool)>,
}

impl Functions<'_> {
    /// From `fn` to the closing brace.
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        assert!(first > 0 && last <= self.lines.len(), "{}: no line numbers", self.file);
        let above = self.lines[..first - 1].iter().rev().take_while(|line| line.trim_start().starts_with(['/', '#']));
        let explained = gives_a_reason(above);
        self.all.push((signature.ident.to_string(), last + 1 - first, explained));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
