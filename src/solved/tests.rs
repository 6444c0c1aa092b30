use super::*;

fn solved() -> Solved {
    // Mark −300, 200 steps an episode: 2,000 steps between two evaluations.
    Solved::new(SolvedRule::new(Env::Pendulum, 1))
}

fn greedy(mean: f64) -> EpisodeStats {
    EpisodeStats {
        count: 4,
        return_sum: 4.0 * mean,
        return_min: mean - 1.0,
        return_max: mean + 1.0,
        ..EpisodeStats::NONE
    }
}

/// Updates of 1,000 steps and 50 episodes.
fn count(solved: &mut Solved, update: u64, mean: f64) {
    solved.count(update, 1000 * update, 50, Some(mean));
}

#[test]
fn the_window_holds_just_enough_updates() {
    let mut solved = solved();
    solved.count(1, 64, 60, Some(-400.0));
    assert!(!solved.is_promising(), "60 episodes are too few");
    solved.count(2, 128, 60, Some(-200.0));
    assert_eq!(solved.sampled(), Some((-300.0, 120)));
    assert!(solved.is_promising(), "at the mark");
    solved.count(3, 192, 0, None);
    solved.count(4, 256, 40, Some(-450.01));
    assert_eq!(solved.sampled().unwrap().1, 100, "the first update has left the window");
    assert!(!solved.is_promising());
}

/// Pendulum by TRPO, seed 303, before this rule: sampled at the mark, greedy −690; an update before it −214.
#[test]
fn a_mean_at_the_mark_with_a_broken_policy_is_not_solved() {
    let mut solved = solved();
    count(&mut solved, 1, -290.0);
    assert!(!solved.is_due(false), "too few episodes");
    count(&mut solved, 2, -290.0);
    assert!(solved.is_promising() && solved.is_due(false) && !solved.is_solved(), "nothing is known of the greedy one");
    solved.judge(greedy(-690.0)).unwrap();
    assert!(solved.is_promising() && !solved.is_solved());
    assert!(!solved.is_due(false) && !solved.is_due(true), "an update is evaluated once");

    count(&mut solved, 3, -290.0);
    assert!(!solved.is_due(false) && solved.is_due(true), "1,000 steps after the last one, unless it is the end");
    count(&mut solved, 4, -290.0);
    assert!(solved.is_due(false) && solved.current().is_none());
    solved.judge(greedy(-299.0)).unwrap();
    assert!(solved.is_solved());
    assert_eq!((solved.best().unwrap().update, solved.first_solved().unwrap().update), (4, 4));

    // Training goes on: solved is a word about the latest update, best and first stay.
    count(&mut solved, 5, -250.0);
    assert!(!solved.is_solved());
    solved.judge(greedy(-301.0)).unwrap();
    assert!(!solved.is_solved());
    assert_eq!((solved.best().unwrap().update, solved.first_solved().unwrap().update), (4, 4));
}

#[test]
fn a_good_greedy_policy_alone_is_not_solved_but_the_best() {
    let mut solved = solved();
    count(&mut solved, 1, -900.0);
    count(&mut solved, 2, -900.0);
    assert!(!solved.is_due(false) && solved.is_due(true));
    solved.judge(greedy(-150.0)).unwrap();
    assert!(!solved.is_solved());
    assert_eq!((solved.best().unwrap().mean_return, solved.first_solved()), (-150.0, None));
}

#[test]
fn a_run_that_goes_on_knows_what_the_whole_one_knew() {
    let (mut whole, mut again) = (solved(), solved());
    let mut saved = Vec::new();
    for update in 1..=12 {
        let mean = -310.0 + 4.0 * (update % 7) as f64;
        count(&mut whole, update, mean);
        let due = whole.is_due(update == 12);
        let evaluation = due.then(|| whole.judge(greedy(-320.0 + update as f64)).unwrap());
        saved.push((update, mean, evaluation));
    }
    assert!(saved.iter().filter(|(_, _, evaluation)| evaluation.is_some()).count() >= 3);
    for (update, mean, evaluation) in saved {
        count(&mut again, update, mean);
        if let Some(evaluation) = evaluation {
            again.take(evaluation);
        }
    }
    assert_eq!(again, whole);
}

#[test]
fn the_best_is_never_replaced_by_what_is_no_better() {
    let mut solved = solved();
    let of = |update, mean_return| Evaluation {
        update,
        env_steps: update,
        episodes: 4,
        mean_return,
        return_min: mean_return,
        return_max: mean_return,
    };
    solved.offer(of(7, -200.0));
    for (update, mean) in [(1, -201.0), (2, -200.0), (3, f64::NAN)] {
        count(&mut solved, update, -290.0);
        solved.take(of(update, mean));
        assert_eq!(solved.best(), Some(of(7, -200.0)));
    }
    count(&mut solved, 4, -290.0);
    solved.take(of(4, -199.0));
    assert_eq!(solved.best(), Some(of(4, -199.0)));
}

#[test]
fn without_greedy_episodes_nothing_is_due_and_nothing_solved() {
    let mut solved = Solved::new(SolvedRule::new(Env::Pendulum, 1).with_episodes(0));
    count(&mut solved, 1, 0.0);
    for update in 2..=9 {
        count(&mut solved, update, 0.0);
        assert!(solved.is_promising() && !solved.is_due(true) && !solved.is_solved());
    }
    // Nor by what an evaluation of another rule says.
    let mut passed = Solved::new(SolvedRule::new(Env::Pendulum, 1));
    (1..=9).for_each(|update| count(&mut passed, update, 0.0));
    solved.take(passed.judge(greedy(0.0)).unwrap());
    assert!(passed.is_solved() && solved.current().is_some());
    assert!(!solved.is_solved() && solved.first_solved().is_none());
    assert!(matches!(solved.judge(EpisodeStats::NONE), Err(Error::Config { .. })));
}

#[test]
fn no_training_of_the_program_has_an_evaluations_seed() {
    for seed in [0, 1, 303, i64::MAX as u64] {
        assert!(evaluation_seed(seed) > i64::MAX as u64);
    }
}
