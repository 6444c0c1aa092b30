//! The files of a crate as syntax, and what its modules are.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a path may begin with: where the code stands.
pub type ModulePath = Vec<String>;

/// The end of a path in a macro that its caller gives.
pub const ANY: &str = "*";

/// A module, in a file of its own or inside of one.
#[derive(Default)]
pub struct Module {
    /// From the repository's root, with slashes.
    pub file: String,
    /// Names of the modules in it.
    pub children: BTreeSet<String>,
    /// Names that it defines.
    pub items: BTreeSet<String>,
    /// Whether macros make items of it, whose names only the compiler knows.
    pub makes_items: bool,
    /// Names that it imports, and their paths as they are written.
    pub imports: BTreeMap<String, Vec<String>>,
    /// Paths of those that it imports only to hand them on, `pub use`.
    pub handed_on: BTreeSet<Vec<String>>,
    /// Paths behind `use …::*`.
    pub globs: Vec<Vec<String>>,
    /// Paths and names that its code mentions, outside of `use`.
    pub mentions: BTreeSet<Vec<String>>,
    /// Every name in it, except for those of the standard library.
    pub names: BTreeSet<String>,
}

/// A crate without its tests.
pub struct Crate {
    pub modules: BTreeMap<ModulePath, Module>,
}

impl Crate {
    /// The crate whose first file this is.
    pub fn read(first: &str) -> Self {
        let mut read = Self { modules: BTreeMap::new() };
        let folder = Path::new(first).parent().unwrap().to_path_buf();
        read.file(&[], first, &folder);
        read
    }

    /// From the repository's root, with slashes.
    pub fn files(&self) -> BTreeSet<&str> {
        self.modules.values().map(|module| module.file.as_str()).collect()
    }

    fn file(&mut self, path: &[String], file: &str, folder: &Path) {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.module(path, file, folder, &syntax.items);
    }

    /// `folder` is where files of the modules in this one lie.
    fn module(&mut self, path: &[String], file: &str, folder: &Path, items: &[syn::Item]) {
        let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() } };
        let mut inner = Vec::new();
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            if let syn::Item::Mod(item) = item {
                reader.module.children.insert(item.ident.to_string());
                inner.push(item);
            } else {
                reader.module.items.extend(defined(item));
                reader.module.makes_items |= matches!(item, syn::Item::Macro(item) if item.ident.is_none());
                reader.visit_item(item);
            }
        }
        self.modules.insert(path.to_vec(), reader.module);
        for item in inner {
            let name = item.ident.to_string();
            let path = [path, std::slice::from_ref(&name)].concat();
            let own = folder.join(&name);
            if let Some((_, items)) = &item.content {
                self.module(&path, file, &own, items);
                continue;
            }
            let candidates = [folder.join(format!("{name}.rs")), own.join("mod.rs")];
            let found = candidates.iter().find(|file| root().join(file).is_file());
            let found = found.unwrap_or_else(|| panic!("{file} has a module {name} without a file"));
            self.file(&path, &found.to_string_lossy().replace('\\', "/"), &own);
        }
    }
}

/// Reads imports and mentions of one module.
struct Reader {
    module: Module,
}

impl Reader {
    fn import(&mut self, tree: &syn::UseTree, before: &[String]) {
        if let syn::UseTree::Path(syn::UsePath { ident, .. }) | syn::UseTree::Name(syn::UseName { ident }) = tree
            && *ident != "std"
        {
            self.note(ident);
        }
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) if before.is_empty() && path.ident == "std" => {}
            syn::UseTree::Path(path) => self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) if name.ident == "self" => self.name(before.last().cloned(), before.to_vec()),
            syn::UseTree::Name(name) => self.name(Some(name.ident.to_string()), with(&name.ident)),
            syn::UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                self.name((rename.rename != "_").then(|| rename.rename.to_string()), path);
            }
            syn::UseTree::Glob(_) => self.module.globs.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
        }
    }

    /// What is imported without a name (`as _`), or in two functions by one name, is a mention.
    fn name(&mut self, name: Option<String>, path: Vec<String>) {
        let unnamed = match name {
            Some(name) => self.module.imports.insert(name, path),
            None => Some(path),
        };
        self.module.mentions.extend(unnamed);
    }

    /// Paths inside of a macro's call or definition, which is no syntax yet.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // 0: after a name; 1, 2: after that many colons.
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    self.note(&ident);
                    if colons != 2 {
                        self.mention(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 => colons += 1,
                other => {
                    if colons == 2 && !path.is_empty() {
                        path.push(ANY.to_owned());
                    }
                    self.mention(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.mention(path);
    }

    fn note(&mut self, ident: &syn::Ident) {
        self.module.names.insert(ident.to_string());
    }

    fn mention(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.module.mentions.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.note(ident);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let before = self.module.imports.clone();
        self.import(&item.tree, &[]);
        if !matches!(item.vis, syn::Visibility::Inherited) {
            let new = self.module.imports.iter().filter(|(name, path)| before.get(*name) != Some(*path));
            self.module.handed_on.extend(new.map(|(_, path)| path.clone()));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        if path.segments.first().is_some_and(|segment| segment.ident != "std") {
            visit::visit_path(self, path);
        } else if let Some(last) = path.segments.last() {
            self.visit_path_arguments(&last.arguments);
        }
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(item) => &item.attrs[..],
            syn::ImplItem::Const(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        for statement in &block.stmts {
            let attributes = match statement {
                syn::Stmt::Local(local) => &local.attrs[..],
                syn::Stmt::Item(item) => attributes(item),
                syn::Stmt::Expr(syn::Expr::Call(call), _) => &call.attrs,
                syn::Stmt::Expr(syn::Expr::MethodCall(call), _) => &call.attrs,
                syn::Stmt::Expr(syn::Expr::Block(block), _) => &block.attrs,
                _ => &[],
            };
            if !is_test(attributes) {
                self.visit_stmt(statement);
            }
        }
    }

    // Derives and documentation are no imports.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

/// Names that an item gives to its module.
fn defined(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Macro(item) => item.ident.as_ref()?.to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        syn::Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[cfg(test)]`, and whatever else is there with tests only.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.replace(' ', "").starts_with("all(test")
        }
        meta => meta.path().is_ident("test"),
    })
}
