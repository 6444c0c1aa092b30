//! What the user sees while it runs: a bar in a terminal, a line now and then elsewhere.

use crate::folder::metrics::row::Row;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// A progress display on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    last_line: Option<Instant>,
}

/// A bar of several runs at once, in updates of all together; a line now and then where there is no terminal.
pub struct Bar {
    bar: Option<ProgressBar>,
    total: u64,
    last_line: Cell<Option<Instant>>,
}

impl Bar {
    /// A bar of `total` updates.
    pub fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{bar:24.cyan/blue} {percent:>3}% │ {msg} │ {elapsed_precise}";
            // The template is a constant; should it be wrong, the plain bar is still a bar.
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style)
        });
        Self { bar, total, last_line: Cell::new(None) }
    }

    /// Shows how far all are.
    pub fn show(&self, done: u64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message.to_owned());
        } else if self.last_line.get().is_none_or(|time| time.elapsed() >= QUIET) {
            tell!("{}/{} updates of all seeds │ {message}", HumanCount(done), HumanCount(self.total));
            self.last_line.set(Some(Instant::now()));
        }
    }

    /// Prints a line without tearing the bar.
    pub fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{line}")),
            None => tell!("{line}"),
        }
    }

    /// Leaves the bar as it is and moves below it.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

impl Progress {
    /// A display of a run of `total` environment steps, `done` of which an earlier sitting did.
    pub fn new(total: u64, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(done);
            // The message takes what the terminal has left, and is cut there: what matters most is its beginning.
            let template = "{bar:10.cyan/blue} {percent:>3}% │ {elapsed_precise} │ {wide_msg}";
            // The template is a constant; should it be wrong, the plain bar is still a bar.
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message("first rollout …");
            bar
        });
        Self { bar, total, last_line: None }
    }

    /// Shows the latest iteration.
    pub fn show(&mut self, row: &Row) {
        let number = |value: Option<f64>, digits| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
        // How far the policy moved, or what it is thought to be worth.
        let how = match row.gradient_steps {
            Some(_) => format!("Q {}", number(row.q_values, 2)),
            None => format!("KL {}", number(row.kl.or(row.approx_kl), 4)),
        };
        let speed = HumanCount(row.steps_per_second as u64);
        let mut message = format!("return {} │ {how} │ {speed} steps/s", number(row.mean_return, 1));
        if let Some(alpha) = row.alpha {
            message += &format!(" │ α {alpha:.3}");
        }
        if let Some(epsilon) = row.epsilon {
            message += &format!(" │ ε {epsilon:.2}");
        }
        if let (Some(tries), Some(accepted)) = (row.line_search_tries, row.step_accepted) {
            let (plural, verdict) =
                (if tries == 1 { "y" } else { "ies" }, if accepted == 1 { "taken" } else { "refused" });
            message += &format!(" │ {tries} tr{plural}, step {verdict}");
        }
        if let Some(kl_coef) = row.kl_coef {
            message += &format!(" │ β {kl_coef}");
        }
        if let Some(bar) = &self.bar {
            bar.set_position(row.env_steps.min(self.total));
            bar.set_message(format!("{message} │ {} of {} steps", HumanCount(row.env_steps), HumanCount(self.total)));
        } else if self.last_line.is_none_or(|time| time.elapsed() >= QUIET) {
            tell!("{}/{} steps │ {message}", HumanCount(row.env_steps), HumanCount(self.total));
            self.last_line = Some(Instant::now());
        }
    }

    /// Prints a line without tearing the bar.
    pub fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell!("{line}")),
            None => tell!("{line}"),
        }
    }

    /// Leaves the bar as it is and moves below it.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}
