//! What is wrong with a settings file, all of it, each with its line.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something wrong, and its line: 0 where it has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistake {
    pub line: usize,
    pub words: String,
}

/// So many mistakes are shown, and looked for: more are no list that anybody reads, but a file of another kind.
pub const MOST: usize = 50;

/// All that is wrong with a file, up to [`MOST`] mistakes. Shown with a line each.
#[derive(Debug, PartialEq)]
pub struct Mistakes {
    path: PathBuf,
    all: Vec<Mistake>,
}

impl Mistakes {
    /// Those of `path`, in the order of its lines; `None` where there are none.
    pub fn of(path: &Path, mut all: Vec<Mistake>) -> Option<Self> {
        all.sort_by_key(|mistake| mistake.line);
        all.truncate(MOST);
        (!all.is_empty()).then(|| Self { path: path.to_owned(), all })
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.all.len() > 1 {
            let more = if self.all.len() == MOST { " or more, of which these are shown" } else { "" };
            write!(f, "{path}: {} mistakes{more}", self.all.len())?;
        }
        for Mistake { line, words } in &self.all {
            if self.all.len() > 1 {
                write!(f, "\n  ")?;
            }
            match line {
                0 => write!(f, "{path}: {words}")?,
                line => write!(f, "{path}:{line}: {words}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// All that is wrong with the file, as an error.
pub fn wrong(path: &Path, all: Vec<Mistake>) -> anyhow::Error {
    Mistakes::of(path, all).map_or_else(|| anyhow::anyhow!("{}: cannot be read", path.display()), anyhow::Error::new)
}
