//! What can be learnt.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use wgpo::Env;

/// The tasks: the environments that Gymnasium has too. The bandits are there to fail on, with settings that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task(pub Env);

/// The tasks in the order of the table.
const TASKS: [Task; count(&Env::ALL)] = {
    let mut tasks = [Task(Env::CartPole); count(&Env::ALL)];
    let (mut from, mut to) = (0, 0);
    while from < Env::ALL.len() {
        if is_task(Env::ALL[from]) {
            tasks[to] = Task(Env::ALL[from]);
            to += 1;
        }
        from += 1;
    }
    tasks
};

const fn is_task(env: Env) -> bool {
    env.info().gymnasium_id.is_some()
}

const fn count(all: &[Env]) -> usize {
    let (mut i, mut count) = (0, 0);
    while i < all.len() {
        count += is_task(all[i]) as usize;
        i += 1;
    }
    count
}

impl ValueEnum for Task {
    fn value_variants<'a>() -> &'a [Self] {
        &TASKS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let info = self.0.info();
        Some(PossibleValue::new(info.name).help(info.about))
    }
}

#[cfg(test)]
mod tests {
    use super::Task;
    use clap::ValueEnum as _;
    use wgpo::AlgorithmKind;

    #[test]
    fn the_table_of_what_the_tuned_settings_solve_has_every_task_with_every_algorithm() {
        let text = include_str!("../../../docs/tuned.md");
        let (_, table) = text.split_once("<!-- pairs -->").unwrap();
        let (table, _) = table.split_once("<!-- /pairs -->").unwrap();
        let cells = |line: &str| -> Option<(String, String)> {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
            Some((cells.next()?, cells.next()?))
        };
        let mut rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).filter_map(cells).collect();
        let tasks = Task::value_variants().iter().map(|task| task.0.name().to_owned());
        // Off-policy algorithms are for choices or for floats, not for every task: docs/training.md says what is known of their settings.
        let algorithms = AlgorithmKind::ON_POLICY.map(AlgorithmKind::name);
        let pairs = tasks.flat_map(|task| algorithms.iter().map(move |name| (task.clone(), (*name).to_owned())));
        // REINFORCE's settings are for CartPole alone: the page says so below the table.
        let in_table = |(_, name): &(String, String)| name != "reinforce";
        rows.retain(in_table);
        let mut wanted: Vec<_> = pairs.filter(in_table).collect();
        // Until the script has written it, it has none.
        if !rows.is_empty() {
            rows.sort();
            wanted.sort();
            assert_eq!(rows, wanted);
        }
    }
}
