//! The command line of `wgpo bench`.

use super::place::PlaceArgs;
use super::range::counts;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use wgpo::bench::{Sizes, Table};
use wgpo::policy::{Bounds, Head, Std};

/// Options of `wgpo bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each row is run once and compared with the f64 reference first. A row that does not match is not timed,
and the exit code is 1. Rows marked * in --list compare for minutes: they run only when --only
names them, or with --all.

Examples:
  wgpo bench
  wgpo bench --only ppo_step --json before.json
  wgpo bench --only ppo_step --compare before.json
  wgpo bench --only 'kernel/mlp_*/ant*'
  mpirun -n 2 wgpo bench --only allreduce    (sums over ranks and updates spread over them)
  wgpo bench --obs 60 --hidden 512,256,128 --head gaussian --actions 20 --report own.html
  wgpo bench --backend cpu --only ppo_step")]
pub struct BenchArgs {
    #[command(flatten)]
    pub place: PlaceArgs,

    /// Rows whose name contains PATTERN, or matches it where it has a *; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub only: Vec<String>,

    /// Name the rows and their sizes, and run nothing
    #[arg(long)]
    pub list: bool,

    /// All rows, including those whose comparison with the reference takes minutes
    #[arg(long)]
    pub all: bool,

    /// Small sizes and little time, narrow nets on a software adapter: shows that everything runs, not how fast
    #[arg(long, conflicts_with_all = ["obs", "hidden", "head", "actions", "rows", "steps", "envs"])]
    pub quick: bool,

    /// Seconds to measure each row [default: 0.5; 0.02 with --quick]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub seconds: Option<f64>,

    /// Refuse rows whose worst error is above X, even if their own tolerance allows more
    #[arg(long, value_name = "X", value_parser = error)]
    pub tolerance: Option<f64>,

    /// Write everything as JSON, described in docs/bench-format.md
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Compare the rows with those of an earlier --json
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,

    /// Draw roofline and shares of updates: a page (.html), or the picture alone (.svg)
    #[arg(long, value_name = "FILE", value_parser = report)]
    pub report: Option<PathBuf>,

    /// Your own net in place of ours: numbers of an observation [default: 4]
    #[arg(long, value_name = "N", help_heading = "Your own sizes", value_parser = counts(1 << 16))]
    pub obs: Option<usize>,

    /// Widths of its hidden layers [default: 64,64]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', help_heading = "Your own sizes", value_parser = counts(1 << 14))]
    pub hidden: Option<Vec<usize>>,

    /// Its distribution over actions [default: categorical]
    #[arg(long, value_enum, help_heading = "Your own sizes")]
    pub head: Option<BenchHead>,

    /// Choices, or dimensions, of an action [default: 2]
    #[arg(long, value_name = "N", help_heading = "Your own sizes", value_parser = counts(256))]
    pub actions: Option<usize>,

    /// Rows of a minibatch [default: 4096]
    #[arg(long, value_name = "N", help_heading = "Your own sizes", value_parser = counts(1 << 22))]
    pub rows: Option<usize>,

    /// Steps of a window [default: 128]
    #[arg(long, value_name = "N", help_heading = "Your own sizes", value_parser = counts(1 << 16))]
    pub steps: Option<usize>,

    /// Environments side by side [default: 256]
    #[arg(long, value_name = "N", help_heading = "Your own sizes", value_parser = counts(1 << 20))]
    pub envs: Option<usize>,
}

/// Heads of a net of one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchHead {
    Categorical,
    Bernoulli,
    Gaussian,
    TanhGaussian,
    Beta,
}

impl BenchHead {
    fn head(self, actions: usize) -> Head {
        let bounds = Bounds::uniform(actions, -1.0, 1.0);
        match self {
            Self::Categorical => Head::categorical(actions),
            Self::Bernoulli => Head::bernoulli(actions),
            Self::Gaussian => Head::gaussian(actions),
            Self::TanhGaussian => Head::TanhGaussian { dims: actions, std: Std::default(), bounds },
            Self::Beta => Head::Beta { dims: actions, bounds },
        }
    }
}

impl BenchArgs {
    /// The table that is asked for.
    pub fn table(&self) -> Table {
        if self.quick {
            return Table::quick();
        }
        let own = [self.obs, self.actions, self.rows, self.steps, self.envs].iter().any(Option::is_some);
        if !own && self.hidden.is_none() && self.head.is_none() {
            return Table::default();
        }
        let usual = Sizes::default();
        let head = self.head.unwrap_or(BenchHead::Categorical).head(self.actions.unwrap_or(2));
        Table::own(&Sizes {
            obs: self.obs.unwrap_or(usual.obs),
            hidden: self.hidden.clone().unwrap_or(usual.hidden),
            head,
            rows: self.rows.unwrap_or(usual.rows),
            steps: self.steps.unwrap_or(usual.steps),
            envs: self.envs.unwrap_or(usual.envs),
        })
    }

    /// Whether the row `name`, `heavy` or not, is to run.
    pub fn wants(&self, name: &str, heavy: bool) -> bool {
        match self.only.as_slice() {
            [] => self.all || !heavy,
            patterns => patterns.iter().any(|pattern| matches(pattern, name)),
        }
    }
}

/// Whether `pattern` occurs in `name`, or, where it has stars, whether `name` is that with something in their place.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let Some((last, middle)) = rest.split_last() else { return name.contains(first) };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    for part in middle {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|seconds| (0.001..=3600.0).contains(seconds)).ok_or("0.001 to 3600".to_owned())
}

fn error(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|error: &f64| *error >= 0.0).ok_or("a number that is not negative".to_owned())
}

fn report(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = path.extension().is_some_and(|end| end == "html" || end == "svg");
    if known { Ok(path) } else { Err("a file that ends in .html or .svg".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_parts_or_have_stars() {
        let name = "kernel/mlp_forward/ant-first";
        for yes in ["mlp_forward", "kernel/", "kernel/mlp_*/ant*", "*ant-first", "kernel/*", "*", "k*d/*t"] {
            assert!(matches(yes, name), "{yes}");
        }
        for no in ["mlp_backward", "mlp_*", "*ant", "kernel/*/ant", "kernel/mlp_forward/ant-first*x"] {
            assert!(!matches(no, name), "{no}");
        }
    }
}
