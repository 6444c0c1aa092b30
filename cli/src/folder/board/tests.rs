use super::file::{Board, files};
use super::{event, tags};
use crate::folder::metrics::row::Row;
use wgpo::config::Preset;
use wgpo::data::{MinibatchStats, TrustRegionStats, UpdateStats};
use wgpo::{AlgorithmKind, Config};

/// Bytes by hand from `event.proto` and `summary.proto`; python/tests has TensorBoard itself read a run's files.
#[test]
fn records_are_those_of_tensorboard() {
    let version = event::version(1.5).unwrap();
    let words = b"\x09\x00\x00\x00\x00\x00\x00\xf8\x3f\x10\x00\x1a\x0dbrain.Event:2";
    assert_eq!((&version[..8], &version[12..38]), (&26u64.to_le_bytes()[..], &words[..]));
    let zero = event::scalars(1.5, 7, &[("a", 0.0), ("b", f64::NAN), ("c", 1e300), ("d", -2.0)]).unwrap();
    // Event {wall_time, step, summary: [{tag: "a", simple_value: 0}, {tag: "d", simple_value: -2}]}: what is not finite is not there.
    let value = |tag: u8, number: f32| [&[0x0a, 8, 0x0a, 1, tag, 0x15][..], &number.to_le_bytes()].concat();
    let summary = [value(b'a', 0.0), value(b'd', -2.0)].concat();
    let message = [&words[..9], &[0x10, 7, 0x2a, summary.len() as u8], &summary].concat();
    assert_eq!(&zero[12..zero.len() - 4], &message[..]);
    let sum = |bytes: &[u8]| event::masked(bytes).to_le_bytes();
    assert_eq!((&zero[8..12], &zero[zero.len() - 4..]), (&sum(&zero[..8])[..], &sum(&message)[..]));
    // SessionLog {status: START} at step 8.
    let start = event::start(1.5, 8).unwrap();
    assert_eq!(&start[12..start.len() - 4], &[&words[..9], &[0x10, 8, 0x3a, 2, 8, 1]].concat()[..]);
}

/// The vector of RFC 3720, appendix B.4, for CRC-32C: 32 zeros. Masked as TensorFlow's `crc32c::Mask` says.
#[test]
fn checksums_are_masked_crc_32c() {
    assert_eq!(event::masked(&[0; 32]), 0x0fd7_fffa, "of 0x8a91_36aa");
}

#[test]
fn a_run_that_goes_on_has_a_second_file_and_others_files_are_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    drop(Board::create(folder.path(), 0).unwrap());
    std::fs::write(folder.path().join("events.out.tfevents.1.host"), "another program's").unwrap();
    // The clock was set back since.
    let (first, later) = (&files(folder.path())[0], folder.path().join("events.out.tfevents.9999999999.000000.wgpo"));
    std::fs::rename(first, &later).unwrap();
    let mut board = Board::create(folder.path(), 64).unwrap();
    assert_eq!(files(folder.path())[0], later);
    let second = std::fs::read(&files(folder.path())[1]).unwrap();
    // After the version's record the one that says what is void: its step, and its status.
    assert_eq!(second[42 + 12 + 9..second.len() - 4], event::start(0.0, 65).unwrap()[12 + 9..27]);
    let rows = [Row { env_steps: 128, seconds: 2.0, update: 2, ..Row::default() }];
    board.push(&rows, &UpdateStats::default(), &Config::cleanrl()).unwrap();
    let sizes: Vec<u64> = files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 2);
    assert!(sizes[0] < sizes[1], "{sizes:?}");
}

fn of(rows: &[Row], stats: &UpdateStats, config: &Config) -> Vec<(&'static str, f64)> {
    let found = tags::tags(rows, stats, config);
    found.into_iter().filter(|(_, value)| value.is_finite()).collect()
}

#[test]
fn means_are_over_minibatches_and_the_kl_is_of_the_last_epoch() {
    let minibatch = |rows, value: f64| MinibatchStats {
        rows,
        policy_loss: value,
        value_loss: 2.0 * value,
        entropy: 3.0 * value,
        loss: 4.0 * value,
        approx_kl: 5.0 * value,
        clipfrac: value / 10.0,
        ..MinibatchStats::default()
    };
    // Two epochs of three minibatches; the second ended early. One had no row that counts.
    let minibatches =
        vec![minibatch(64, 1.0), minibatch(32, 2.0), minibatch(0, 99.0), minibatch(64, 3.0), minibatch(64, 6.0)];
    let stats =
        UpdateStats { minibatches, epochs: 2, last_epoch: 3, explained_variance: f64::NAN, ..UpdateStats::default() };
    let rows = [
        Row { episodes: 70, episode_length: Some(1000.0), ..Row::default() },
        Row { episodes: 60, episode_length: Some(20.0), ..Row::default() },
        Row { episodes: 0, ..Row::default() },
        Row {
            episodes: 40,
            episode_length: Some(10.0),
            env_steps: 512,
            seconds: 4.0,
            update: 3,
            mean_return: Some(7.0),
            learning_rate: 0.5,
            ..Row::default()
        },
    ];
    let config = Config::cleanrl();
    let expected = vec![
        ("rollout/ep_rew_mean", 7.0),
        ("rollout/ep_len_mean", 16.0),
        ("time/fps", 128.0),
        ("time/time_elapsed", 4.0),
        ("time/iterations", 3.0),
        ("train/learning_rate", 0.5),
        ("train/value_loss", 6.0),
        ("train/entropy_loss", -9.0),
        ("train/policy_gradient_loss", 3.0),
        ("train/loss", 24.0),
        ("train/approx_kl", 22.5),
        ("train/clip_fraction", 0.3),
        ("train/clip_range", 0.2),
    ];
    let found = of(&rows, &stats, &config);
    assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), expected.iter().map(|one| one.0).collect::<Vec<_>>());
    for ((tag, found), (_, expected)) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{tag}: {found}, not {expected}");
    }
}

/// Which tags a whole row of each algorithm has.
#[test]
fn each_algorithm_has_the_tags_of_its_class_there() {
    let minibatches = vec![MinibatchStats { rows: 1, ..MinibatchStats::default() }];
    let region = TrustRegionStats {
        surrogate_after: 0.25,
        kl_after: 0.01,
        accepted: true,
        entropy: 0.5,
        ..TrustRegionStats::default()
    };
    let some = Some(0.5);
    let row = Row {
        env_steps: 1,
        seconds: 1.0,
        policy_loss: some,
        value_loss: some,
        alpha: some,
        epsilon: some,
        explained_variance: some,
        gradient_steps: Some(3),
        ..Row::default()
    };
    let shared = ["time/fps", "time/time_elapsed", "time/iterations", "train/learning_rate"];
    let cases: [(AlgorithmKind, &[&str]); 6] = [
        (
            AlgorithmKind::Trpo,
            &[
                "train/value_loss",
                "train/explained_variance",
                "train/policy_objective",
                "train/kl_divergence_loss",
                "train/is_line_search_success",
                "train/entropy_loss",
            ],
        ),
        (
            AlgorithmKind::A2c,
            &["train/value_loss", "train/explained_variance", "train/entropy_loss", "train/policy_loss"],
        ),
        (AlgorithmKind::Reinforce, &["train/entropy_loss", "train/policy_loss"]),
        (AlgorithmKind::Dqn, &["train/n_updates", "train/loss", "rollout/exploration_rate"]),
        (AlgorithmKind::Sac, &["train/n_updates", "train/critic_loss", "train/actor_loss", "train/ent_coef"]),
        (
            AlgorithmKind::PpoPenalty,
            &[
                "train/value_loss",
                "train/explained_variance",
                "train/entropy_loss",
                "train/policy_gradient_loss",
                "train/loss",
                "train/approx_kl",
                "train/clip_fraction",
                "train/kl_coef",
            ],
        ),
    ];
    for (kind, own) in cases {
        let config = Preset::named(Preset::usual(kind), kind, true).unwrap().config;
        let stats = UpdateStats {
            minibatches: minibatches.clone(),
            trust_region: (kind == AlgorithmKind::Trpo).then(|| region.clone()),
            kl_coef: (kind == AlgorithmKind::PpoPenalty).then_some(1.0),
            ..UpdateStats::default()
        };
        let found: Vec<&str> = of(std::slice::from_ref(&row), &stats, &config).into_iter().map(|one| one.0).collect();
        assert_eq!(found, [&shared[..], own].concat(), "{kind:?}");
    }
}
