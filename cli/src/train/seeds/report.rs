//! What came out of a group of seeds: a table in a file, and one that is printed.

use super::run::Seeds;
use crate::folder::group::{self, FIGURE, SUMMARY};
use crate::program::program;
use anyhow::Result;
use indicatif::HumanCount;

impl Seeds<'_> {
    /// A row per seed.
    pub(super) fn summary(&self) -> Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record([
            "seed",
            "solved",
            "updates",
            "env_steps",
            "seconds",
            "sampled_return",
            "greedy_return",
            "best_return",
            "best_update",
            "folder",
        ])?;
        for run in &self.runs {
            let (steps, seconds) = run.files.metrics.rows().last().map_or((0, 0.0), |row| (row.env_steps, row.seconds));
            let solved = run.files.judge.solved();
            let number = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
            table.write_record([
                run.config.seed.to_string(),
                u8::from(solved.is_solved()).to_string(),
                run.files.done.to_string(),
                steps.to_string(),
                seconds.to_string(),
                number(solved.sampled().map(|(mean, _)| mean)),
                number(solved.current().map(|greedy| greedy.mean_return)),
                number(solved.best().map(|best| best.mean_return)),
                solved.best().map_or(String::new(), |best| best.update.to_string()),
                group::name(run.config.seed),
            ])?;
        }
        table.into_inner().map_err(|error| error.into_error().into())
    }

    /// Says what came out of it.
    pub(super) fn report(&self, interrupted: bool, seconds: f64) {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.1}"));
        say!("{:>6}  {:<18} {:>11} {:>9} {:>9} {:>9}", "seed", "", "steps", "sampled", "greedy", "best");
        let mut steps = Vec::new();
        for run in &self.runs {
            let solved = run.files.judge.solved();
            let at = run.files.metrics.rows().last().map_or(0, |row| row.env_steps);
            let word = match run.end {
                _ if solved.is_solved() => "solved",
                Some(_) => "not solved",
                None => "unfinished",
            };
            if solved.is_solved() {
                // With --no-stop training went on after that.
                steps.push(solved.first_solved().map_or(at, |first| first.env_steps));
            }
            say!(
                "{:>6}  {word:<18} {:>11} {:>9} {:>9} {:>9}",
                run.config.seed,
                HumanCount(at).to_string(),
                number(solved.sampled().map(|(mean, _)| mean)),
                number(solved.current().map(|greedy| greedy.mean_return)),
                number(solved.best().map(|best| best.mean_return))
            );
        }
        let median =
            median(&mut steps).map_or(String::new(), |at| format!(", the median after {} steps", HumanCount(at)));
        let open = self.runs.iter().filter(|run| run.end.is_none()).count();
        say!("solved: {} of {} seeds{median}; {seconds:.1} s", steps.len(), self.runs.len());
        if open > 0 {
            let word = if interrupted { "interrupted" } else { "paused" };
            say!(
                "{word} with {open} of {} seeds unfinished\ncontinue with: {}",
                self.runs.len(),
                self.resume_command()
            );
        }
        say!("group folder: {} ({FIGURE}, {SUMMARY}, a run folder seed-… per seed)", self.group.display());
    }

    fn resume_command(&self) -> String {
        let first = self.runs.first().map_or(1, |run| run.config.seed);
        let mut command = format!(
            "{} train {} --resume --seeds {} --seed {first} --out {}",
            program(),
            self.args.task.0.name(),
            self.runs.len(),
            self.group.display()
        );
        if self.args.no_stop {
            command.push_str(" --no-stop");
        }
        command
    }
}

/// The median; of an even number the lower middle one, so that it is always what one of them took. As in `tests/campaign/pairs`.
fn median(steps: &mut [u64]) -> Option<u64> {
    steps.sort_unstable();
    steps.get(steps.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_of_two_the_lower_one() {
        let of = |steps: &[u64]| median(&mut steps.to_vec());
        assert_eq!(
            [of(&[]), of(&[7]), of(&[9, 2]), of(&[5, 9, 1]), of(&[4, 3, 2, 1])],
            [None, Some(7), Some(2), Some(5), Some(2)]
        );
    }
}
