//! Which file imports from which.

use super::source::{ANY, Crate, Module, ModulePath};
use std::collections::{BTreeMap, BTreeSet};

/// Where a path ends.
struct End<'a> {
    /// The file that defines what the path names.
    file: &'a str,
    /// Whether it went through a name that the crate's first file only hands on.
    by_first_file: bool,
}

pub struct Imports {
    /// Files, and the files that they import from, re-exports followed to the owner.
    pub edges: BTreeMap<String, BTreeSet<String>>,
    /// Files that import what the crate's first file re-exports.
    pub by_first_file: BTreeSet<String>,
}

impl Imports {
    pub fn of(all: &Crate) -> Self {
        Self::read(all, true)
    }

    /// As if handing a name on were no import.
    pub fn without_handing_on(all: &Crate) -> Self {
        Self::read(all, false)
    }

    fn read(all: &Crate, handing_on: bool) -> Self {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut by_first_file = BTreeSet::new();
        let first = &all.modules[&Vec::new()].file;
        for (path, module) in &all.modules {
            let from = edges.entry(module.file.clone()).or_default();
            let imports = module.imports.values().chain(&module.globs);
            let only_handed_on = |written: &Vec<String>| module.handed_on.contains(written) && !handing_on;
            let imports = imports.filter(|written| !only_handed_on(written));
            for written in imports.chain(&module.mentions) {
                let Some(End { file, by_first_file: by }) = all.resolve(path, written, 0) else { continue };
                if file != module.file {
                    from.insert(file.to_owned());
                }
                if by && module.file != *first {
                    by_first_file.insert(module.file.clone());
                }
            }
        }
        Self { edges, by_first_file }
    }

    /// Groups of files of which each imports, directly or not, from each other.
    pub fn circles(&self) -> Vec<BTreeSet<String>> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.edges.keys().map(|file| (file, self.reached(file).into_keys().collect())).collect();
        let mut circles = Vec::new();
        let mut done = BTreeSet::new();
        for (file, to) in &reached {
            let circle: BTreeSet<String> =
                to.iter().filter(|other| reached[*other].contains(file)).map(|other| (*other).clone()).collect();
            if !circle.is_empty() && done.insert(circle.clone()) {
                circles.push(circle);
            }
        }
        circles
    }

    /// All files that `file` imports from, directly or not, each with the file that it was reached from.
    pub fn reached<'a>(&'a self, file: &'a String) -> BTreeMap<&'a String, &'a String> {
        let mut from = BTreeMap::new();
        let mut waiting = std::collections::VecDeque::from([file]);
        while let Some(file) = waiting.pop_front() {
            for next in self.edges.get(file).into_iter().flatten() {
                if !from.contains_key(next) {
                    from.insert(next, file);
                    waiting.push_back(next);
                }
            }
        }
        from
    }

    /// The shortest way from `file` to one that is `wanted`, both ends included.
    pub fn way<'a>(&'a self, file: &'a String, wanted: impl Fn(&str) -> bool) -> Option<Vec<&'a String>> {
        let from = self.reached(file);
        let mut ways = Vec::new();
        for to in from.keys().filter(|to| wanted(to)) {
            let mut way = vec![*to];
            while let Some(before) = from.get(way[way.len() - 1]).filter(|_| way[way.len() - 1] != file) {
                way.push(before);
            }
            way.reverse();
            ways.push(way);
        }
        ways.into_iter().min_by_key(Vec::len)
    }
}

impl Crate {
    /// What `written` names in module `at`: `None` for other crates, local variables, and modules, which are only a way to what is in them.
    fn resolve(&self, at: &ModulePath, written: &[String], depth: usize) -> Option<End<'_>> {
        let (first, rest) = written.split_first()?;
        match first.as_str() {
            "crate" => self.descend(&Vec::new(), rest, depth),
            "self" => self.descend(at, rest, depth),
            "super" => {
                let (_, parent) = at.split_last()?;
                let rest = [&["self".to_owned()], rest].concat();
                let again = if rest.get(1).is_some_and(|next| next == "super") { &rest[1..] } else { &rest };
                self.resolve(&parent.to_vec(), again, depth)
            }
            _ => self.descend(at, written, depth),
        }
    }

    /// `path` from inside of module `at`.
    fn descend(&self, at: &ModulePath, path: &[String], depth: usize) -> Option<End<'_>> {
        let module = self.modules.get(at)?;
        let (name, rest) = path.split_first()?;
        if depth > 32 {
            return None;
        }
        if module.children.contains(name) {
            return self.descend(&[at.as_slice(), std::slice::from_ref(name)].concat(), rest, depth);
        }
        if module.items.contains(name) || name == ANY {
            return Some(End { file: &module.file, by_first_file: false });
        }
        if let Some(import) = module.imports.get(name) {
            let whole = [import.as_slice(), rest].concat();
            let mut end = self.resolve(at, &whole, depth + 1)?;
            end.by_first_file |= at.is_empty();
            return Some(end);
        }
        let globs = module.globs.iter().map(|glob| [glob.as_slice(), path].concat());
        let by_glob = globs.filter(|whole| self.names(at, whole)).find_map(|whole| self.resolve(at, &whole, depth + 1));
        by_glob.or_else(|| module.makes_items.then_some(End { file: &module.file, by_first_file: false }))
    }

    /// Whether the module of a path that came of a glob has the name behind it, made by no macro.
    fn names(&self, at: &ModulePath, whole: &[String]) -> bool {
        let absolute = match whole[0].as_str() {
            "super" => [&at[..at.len().saturating_sub(1)], &whole[1..]].concat(),
            "crate" => whole[1..].to_vec(),
            "self" => [at, &whole[1..]].concat(),
            _ => [at, whole].concat(),
        };
        let known = |module: &Module, name| {
            module.children.contains(name) || module.items.contains(name) || module.imports.contains_key(name)
        };
        (0..absolute.len())
            .rev()
            .any(|end| self.modules.get(&absolute[..end]).is_some_and(|module| known(module, &absolute[end])))
    }
}
