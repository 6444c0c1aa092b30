//! Rounds of rows: their medians, their order, and no memory for many.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[test]
fn halves_are_told_apart_by_their_medians() {
    let halves = super::timing::halves;
    assert_eq!(halves(&[2.0, 2.0, 2.0, 3.0, 3.0, 3.0]), Some(0.5));
    assert_eq!(halves(&[3.0, 3.0, 9.0, 2.0, 2.0]), Some(0.5), "the one in the middle is in neither half");
    assert_eq!(halves(&[1.0, 1.0, 7.0, 1.0, 7.0, 1.0]), Some(0.0), "one busy round of three is no difference");
    assert_eq!((halves(&[1.0]), halves(&[])), (None, None));
}

#[test]
fn a_busy_moment_before_or_after_the_rows_lowers_no_limit() {
    let (before, after) = (roof_of(100.0, 900.0, Some(2.0)), roof_of(80.0, 1000.0, None));
    for better in [before.better(&after), after.better(&before)] {
        assert_eq!(better, roof_of(100.0, 1000.0, Some(2.0)));
    }
    assert!((before.apart(&after) - 0.25).abs() < 1e-12 && (after.apart(&before) - 0.25).abs() < 1e-12);
    assert_eq!(before.apart(&before), 0.0);
}

/// A case of the host's whose runs take what `times` says, and a note of each run.
fn told(name: &'static str, times: &'static [f64], notes: &Arc<Mutex<Vec<&'static str>>>) -> Case {
    let notes = notes.clone();
    let prepare = move || {
        let (notes, mut run) = (notes.clone(), 0);
        let check = crate::check::Report::new(name, "", 1.0, "").row();
        Ok(Prepared::host_timed(check, move || {
            notes.lock().unwrap().push(name);
            run += 1;
            Ok(Duration::from_secs_f64(times[(run - 1) % times.len()]))
        }))
    };
    Case::new(name.to_owned(), String::new(), Work::rows(1, 1.0, 1.0)).on_cpu(prepare)
}

#[test]
fn rounds_of_rows_lie_between_each_other() {
    let notes = Default::default();
    let made = ["a", "b", "c", "d"].map(|name| told(name, &[1.0], &notes));
    let options = Options { seconds: 1e-9, rounds: 3, ..quick() };
    let mut begun = Vec::new();
    let names: Vec<_> = (rows(&made, &Place::Cpu, &options).starting(|case| begun.push(case.name.clone())))
        .map(|row| (row.name.clone(), row.found.unwrap().rounds.len()))
        .collect();
    assert_eq!(names, ["a", "b", "c", "d"].map(|name| (name.to_owned(), 3)));
    assert_eq!(begun, ["a", "b", "c", "d"]);
    // Each row's three rounds, and no more than three rows on the device at a time.
    let mut order = notes.lock().unwrap().clone();
    order.dedup();
    assert_eq!(order.concat(), "ababcabcdbcdcd", "{order:?}");
}

#[test]
fn a_rows_time_is_the_median_of_its_rounds() {
    // The first run is the one that is counted; then two of each round.
    let times = &[9.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0, 5.0];
    let case = told("x", times, &Default::default());
    let options = Options { seconds: 1e-9, rounds: 6, ..quick() };
    let found = run(&case, &Place::Cpu, &options).found.unwrap();
    assert_eq!(found.rounds, [1.0, 2.0, 1.0, 1.0, 1.0, 5.0]);
    assert_eq!((found.seconds.median, found.seconds.low, found.seconds.high), (1.0, 1.0, 1.75));
    assert_eq!((found.seconds.repeats, found.halves(), found.is_steady()), (12, Some(0.0), true));
}

#[test]
fn rows_go_on_where_there_is_no_memory_for_many() {
    // Only one at a time has room.
    struct Room(Arc<AtomicUsize>);
    impl Drop for Room {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    // The device's memory, and this machine's, which a software adapter has its buffers in.
    let full: [fn() -> Error; 2] = [
        || Error::OutOfMemory { what: "a buffer".to_owned(), message: "none".to_owned() },
        || Error::Memory { what: "a buffer".to_owned(), needs: 2, has: 1 },
    ];
    let taken = Arc::new(AtomicUsize::new(0));
    let crowd = |name: &'static str, full: fn() -> Error| {
        let taken = taken.clone();
        Case::new(name.to_owned(), String::new(), Work::rows(1, 1.0, 1.0)).on_cpu(move || {
            if taken.fetch_add(1, Ordering::SeqCst) > 0 {
                drop(Room(taken.clone()));
                return Err(full());
            }
            let room = Room(taken.clone());
            let check = crate::check::Report::new(name, "", 1.0, "").row();
            Ok(Prepared::host(check, move || {
                let _ = &room;
                Ok(())
            }))
        })
    };
    for full in full {
        assert!(full().is_out_of_memory());
        let made = ["a", "b", "c"].map(|name| crowd(name, full));
        let options = Options { seconds: 1e-9, rounds: 2, ..quick() };
        let found: Vec<_> = rows(&made, &Place::Cpu, &options).collect();
        assert!(found.len() == 3 && found.iter().all(|row| row.found.is_some()), "{found:?}");
    }
}
