//! What is kept of a run's rows, and what is said of those that are lost.

use super::file::{Metrics, damaged};
use super::row::Row;
use super::text::{NEW, columns};
use wgpo::config::{Anneal, Ppo};
use wgpo::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use wgpo::solved::Solved;
use wgpo::solved::SolvedRule;
use wgpo::state::EpisodeStats;
use wgpo::trainer::IterationStats;
use wgpo::{Algorithm, Config, Env};

/// Before the first update.
fn nothing() -> Solved {
    Solved::new(SolvedRule::new(Env::CartPole, 1))
}

/// An evaluation now and then, which the file has to remember.
fn judged(solved: &mut Solved, stats: &IterationStats) {
    solved.count(stats.updates, stats.env_steps, stats.episodes.count, stats.episodes.mean_return());
    if stats.updates.is_multiple_of(3) {
        solved.judge(iteration(1, 4, 100.0 / stats.updates as f64).episodes).unwrap();
    }
}

const RUN: u64 = 7;

fn iteration(updates: u64, count: u64, each: f64) -> IterationStats {
    let mut episodes = EpisodeStats::NONE;
    if count > 0 {
        let sum = each * count as f64;
        episodes =
            EpisodeStats { count, return_sum: sum, length_sum: sum, return_min: each - 1.0, return_max: each + 1.0 };
    }
    let update = UpdateStats { explained_variance: f64::NAN, ..UpdateStats::default() };
    IterationStats { update, episodes, env_steps: updates * 64, updates }
}

#[test]
fn the_gradient_norm_is_that_of_steps_taken() {
    let taken = MinibatchStats { grad_norm: 3.0, stepped: true, ..MinibatchStats::default() };
    let stopped = MinibatchStats::default();
    let stats = UpdateStats { minibatches: vec![taken, stopped], ..UpdateStats::default() };
    assert_eq!(stats.mean_grad_norm(), Some(3.0));
    assert_eq!(UpdateStats { minibatches: vec![stopped], ..UpdateStats::default() }.mean_grad_norm(), None);
}

/// A last minibatch of one row, and one in which no row counts.
#[test]
fn means_are_over_rows() {
    let of = |rows, clipfrac, value_loss| MinibatchStats { rows, clipfrac, value_loss, ..MinibatchStats::default() };
    let mut stats = iteration(1, 0, 0.0);
    stats.update.minibatches = vec![of(9, 0.5, 2.0), of(1, 1.0, 30.0), of(0, 0.0, 0.0)];
    let row = Row::new(&stats, &Config::cleanrl(), &nothing(), 1.0, 1.0);
    assert_eq!((row.clipfrac, row.value_loss), (Some(0.55), Some(30.0)));
    assert_eq!(stats.update.mean(|minibatch| minibatch.value_loss), 4.8);
}

#[test]
fn a_row_has_what_its_algorithm_measures() {
    let config = Config::cleanrl();
    let mut stats = iteration(1, 0, 0.0);
    let row = Row::new(&stats, &config, &nothing(), 1.0, 1.0);
    assert_eq!((row.kl, row.cg_iterations, row.line_search_tries), (None, None, None));
    (stats.update.kl, stats.update.kl_coef) = (Some(0.02), Some(2.0));
    let row = Row::new(&stats, &config, &nothing(), 1.0, 1.0);
    assert_eq!((row.kl, row.kl_coef, row.step_accepted), (Some(0.02), Some(2.0), None));
    stats.update = UpdateStats {
        trust_region: Some(TrustRegionStats {
            kl_after: 0.009,
            surrogate_after: 0.5,
            tries: 2,
            accepted: true,
            ..TrustRegionStats::default()
        }),
        ..UpdateStats::default()
    };
    let row = Row::new(&stats, &config, &nothing(), 1.0, 1.0);
    assert_eq!((row.kl, row.approx_kl, row.clipfrac), (Some(0.009), None, None));
    assert_eq!((row.step_accepted, row.line_search_tries, row.surrogate_improvement), (Some(1), Some(2), Some(0.5)));
}

#[test]
fn schedules_and_limits_have_columns() {
    let hit = |head_hits| MinibatchStats { head_hits, ..MinibatchStats::default() };
    let mut stats = iteration(3, 0, 0.0);
    stats.update.minibatches = vec![hit(2), hit(3)];
    let row = Row::new(&stats, &Config::cleanrl(), &nothing(), 1.0, 1.0);
    assert_eq!((row.head_hits, row.ent_coef, row.clip_coef), (Some(5), None, None));
    let to = |to| Anneal::Linear { to };
    let config = Config {
        algorithm: Algorithm::Ppo(Ppo { clip_coef_schedule: to(0.1), ..Ppo::cleanrl() }),
        total_timesteps: 4 * Config::cleanrl().batch_size() as u64,
        ent_coef_schedule: to(0.0),
        ..Config::cleanrl()
    };
    // Schedules go by environment steps: the third of four updates of whole batches begins half of the way.
    stats.env_steps = 3 * config.batch_size() as u64;
    let row = Row::new(&stats, &config, &nothing(), 1.0, 1.0);
    assert_eq!((row.ent_coef, row.clip_coef), (Some(0.005), Some(0.15000000000000002)));
}

#[test]
fn an_earlier_versions_file_goes_on_and_a_strangers_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.csv");
    let mut metrics = Metrics::create(&path, RUN).unwrap();
    metrics.push(&iteration(1, 60, 10.0), &Config::cleanrl(), &nothing(), 0.1).unwrap();
    drop(metrics);
    let cut = |line: &str| line.rsplitn(NEW.len() + 1, ',').last().unwrap().to_owned();
    let text = std::fs::read_to_string(&path).unwrap();
    let old: String = text.lines().map(|line| cut(line) + "\n").collect();
    assert!(old.lines().next().unwrap().ends_with("surrogate_improvement"));
    std::fs::write(&path, &old).unwrap();
    let mut metrics = Metrics::resume(&path, RUN, 1, 64).unwrap();
    let mut solved = nothing();
    metrics.tell(&mut solved);
    solved.count(2, 128, 60, Some(20.0));
    let row = metrics.push(&iteration(2, 60, 20.0), &Config::cleanrl(), &solved, 0.1).unwrap();
    assert_eq!((row.mean_return, solved.sampled()), (Some(15.0), Some((15.0, 120))));
    drop(metrics);
    let lines = std::fs::read_to_string(&path).unwrap();
    let counts: Vec<_> = lines.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(counts, [columns().unwrap().len(); 3]);

    // A column more, with checksums that are right.
    let later = |line: &str| {
        let (row, last) = line.rsplit_once(',').unwrap();
        let row = format!("{row},{}", if last == "checksum" { "head_hats" } else { "1" });
        let last = if last == "checksum" { last.to_owned() } else { crc32fast::hash(row.as_bytes()).to_string() };
        format!("{row},{last}\n")
    };
    let later: String = lines.lines().map(later).collect();
    std::fs::write(&path, &later).unwrap();
    let error = Metrics::resume(&path, RUN, 1, 64).err().unwrap().to_string();
    assert!(error.contains("has a column \"head_hats\""), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), later);
    std::fs::write(&path, "time,load\n1,2\n").unwrap();
    let error = Metrics::resume(&path, RUN, 1, 64).err().unwrap().to_string();
    assert!(error.contains("has no column update"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "time,load\n1,2\n");
}

#[test]
fn a_lost_file_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.csv");
    let mut metrics = Metrics::resume(&path, RUN, 4, 256).unwrap();
    let missing = |which: &str| [format!("{}: the rows of {which} updates are missing", path.display())];
    assert_eq!(metrics.warnings(), missing("4 of 4"));
    let row = metrics.push(&iteration(5, 0, 0.0), &Config::cleanrl(), &nothing(), 0.5).unwrap();
    assert_eq!((row.env_steps, row.steps_per_second), (320, 128.0));
    // Rows that are lost at the front are missing as well, and so are those of a file that was emptied.
    drop(metrics);
    let front = std::fs::read(&path).unwrap();
    for (bytes, words) in [(&front[..], "4 of 5"), (&b"\n"[..], "5 of 5"), (&b""[..], "5 of 5")] {
        std::fs::write(&path, bytes).unwrap();
        let metrics = Metrics::resume(&path, RUN, 5, 320).unwrap();
        assert_eq!(metrics.warnings(), missing(words));
    }
    // Before the first update there is none.
    assert!(Metrics::resume(&path, RUN, 0, 0).unwrap().warnings().is_empty());
}

/// Any byte of the columns' names: the rows say whose they are.
#[test]
fn damaged_names_of_columns_cost_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.csv");
    let mut metrics = Metrics::create(&path, RUN).unwrap();
    for update in 1..=3 {
        metrics.push(&iteration(update, 60, 10.0), &Config::cleanrl(), &nothing(), 0.1).unwrap();
    }
    let want = metrics.rows().to_vec();
    let whole = std::fs::read(&path).unwrap();
    let end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    let second = end + 2 + whole[end + 1..].iter().position(|byte| *byte == b'\n').unwrap();
    let flips = (0..end).step_by(3).map(|at| (at, whole[at] ^ (1_u8 << (at % 8))));
    for (at, byte) in flips.chain([(0, b'\n'), (end / 2, b'\n'), (end, b'x'), (end, 0xff)]) {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        std::fs::write(&path, &bytes).unwrap();
        let got = Metrics::resume(&path, RUN, 3, 3 * 64).unwrap();
        // The end of the line joins it with the first row.
        let (lost, next) = if at == end { (1, second) } else { (0, end + 1) };
        assert_eq!(got.rows(), &want[lost..], "byte {at}: {byte}");
        assert!(got.warnings().iter().any(|words| words.contains("names is damaged")), "{:?}", got.warnings());
        assert_eq!(got.warnings().len(), 1 + lost + usize::from(byte == b'\n'), "{:?}", got.warnings());
        let aside = damaged(&path);
        assert!(std::fs::read(&aside).unwrap() == [&whole[..=end], &bytes[..next]].concat(), "byte {at}: {byte}");
        std::fs::remove_file(aside).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(&whole[..=end]));
        // Another run's rows are another run's.
        std::fs::write(&path, &bytes).unwrap();
        assert!(Metrics::resume(&path, 8, 3, 3 * 64).is_err());
        assert!(std::fs::read(&path).unwrap() == bytes && !damaged(&path).exists());
    }
}

#[test]
fn a_resumed_file_goes_on_where_the_state_was() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("m.csv"), folder.path().join("n.csv"));
    let (mut whole, mut parts) = (Metrics::create(&path, RUN).unwrap(), Metrics::create(&other, RUN).unwrap());
    let series: Vec<_> = (1..=9).map(|update| iteration(update, update * 7 % 50, 0.1 * update as f64)).collect();
    let (mut seen, mut seen_again, mut before) = (nothing(), nothing(), nothing());
    for stats in &series {
        judged(&mut seen, stats);
        whole.push(stats, &Config::cleanrl(), &seen, 0.25).unwrap();
    }
    for stats in &series[..6] {
        judged(&mut before, stats);
        parts.push(stats, &Config::cleanrl(), &before, 0.25).unwrap();
    }
    drop(parts);
    // The state was saved at update 4, and the sixth line is torn.
    let text = std::fs::read_to_string(&other).unwrap();
    std::fs::write(&other, &text[..text.len() - 9]).unwrap();
    let mut parts = Metrics::resume(&other, RUN, 4, 256).unwrap();
    parts.tell(&mut seen_again);
    assert_eq!(seen_again.best().unwrap().update, 3);
    for stats in &series[4..] {
        judged(&mut seen_again, stats);
        parts.push(stats, &Config::cleanrl(), &seen_again, 0.25).unwrap();
    }
    assert_eq!(whole.rows(), parts.rows());
    // But for the number of episodes, of which the rule knows and these evaluations do not.
    assert_eq!((seen_again.sampled(), seen_again.current()), (seen.sampled(), seen.current()));
    drop((whole, parts));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, std::fs::read_to_string(&other).unwrap());
    assert!(!text.contains("NaN") && !text.contains("inf"));
    assert_eq!(text.lines().count(), 10);
}

/// Any byte of a row, and the rows after it: what is left is right, and what is not is kept.
#[test]
fn a_damaged_row_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.csv");
    let mut metrics = Metrics::create(&path, RUN).unwrap();
    for update in 1..=6 {
        metrics.push(&iteration(update, 60, 10.0 * update as f64), &Config::cleanrl(), &nothing(), 0.1).unwrap();
    }
    let want = metrics.rows().to_vec();
    let whole = std::fs::read(&path).unwrap();
    let starts: Vec<_> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let (start, end) = (starts[2], starts[3]);
    for at in start..end {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 7);
        std::fs::write(&path, &bytes).unwrap();
        let got = Metrics::resume(&path, RUN, 6, 6 * 64).unwrap();
        // The end of the line joins it with the next one.
        let lost = if at == end - 1 { 2 } else { 1 };
        assert_eq!(got.warnings().len(), 2, "byte {at}: {:?}", got.warnings());
        assert_eq!(got.rows()[..2], want[..2], "byte {at}");
        assert_eq!(got.rows()[2..], want[2 + lost..], "byte {at}");
        let aside = damaged(&path);
        let kept = std::fs::read(&aside).unwrap();
        let header = kept.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        assert!(kept[..header] == whole[..starts[0]], "byte {at}");
        assert!(kept[header..] == bytes[start..starts[2 + lost]], "byte {at}");
        std::fs::remove_file(aside).unwrap();
    }
    // Speeds are from the saved state on, whichever rows are left.
    let mut got = Metrics::resume(&path, RUN, 6, 6 * 64).unwrap();
    let row = got.push(&iteration(7, 0, 0.0), &Config::cleanrl(), &nothing(), 0.5).unwrap();
    assert_eq!(row.steps_per_second, 128.0);
}

#[test]
fn another_runs_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.csv");
    let mut metrics = Metrics::create(&path, RUN).unwrap();
    metrics.push(&iteration(1, 60, 10.0), &Config::cleanrl(), &nothing(), 0.1).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Metrics::resume(&path, 8, 1, 64).err().unwrap().to_string();
    assert!(error.contains("metrics.csv: has rows of run 7, but this is run 8"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
