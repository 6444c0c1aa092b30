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
fn a_benchmark_takes_the_same_rounds_piece_by_piece() {
    let notes = Default::default();
    let made = || ["a", "b", "c", "d"].map(|name| told(name, &[1.0], &notes));
    let options = Options { seconds: 1e-9, rounds: 3, ..quick() };
    let rows: Vec<_> = rows(&made(), &Place::Cpu, &options).map(|row| row.name).collect();
    let order = std::mem::take(&mut *notes.lock().unwrap());

    let mut benchmark = Benchmark::new(made(), Place::Cpu, options);
    assert_eq!(benchmark.names(), rows);
    assert_eq!(benchmark.progress().what, "the device's limits");
    let (mut said, mut done) = (Vec::new(), 0);
    while !benchmark.progress().finished {
        assert!(benchmark.record().is_err(), "there is no record yet");
        let before = notes.lock().unwrap().len();
        said.push(benchmark.progress().what);
        let progress = benchmark.step_blocking().unwrap();
        // A piece is one preparation, which runs once, or one round, which runs twice.
        assert_eq!(
            notes.lock().unwrap().len() - before,
            match said.last().unwrap() {
                what if what.ends_with("reference") => 1,
                what if what.contains(": round ") => 2,
                _ => 0,
            }
        );
        assert!(progress.done > done && progress.done <= progress.of, "{progress:?}");
        done = progress.done;
    }
    assert_eq!(*notes.lock().unwrap(), order);
    assert_eq!(done, benchmark.progress().of);
    assert_eq!(said.len(), 2 + 4 * (1 + 3));
    assert_eq!(&said[1..4], ["a: compared with the reference", "a: round 1", "b: compared with the reference"]);
    let record = benchmark.record().unwrap();
    assert_eq!(record.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>(), rows);
    assert!(record.rows.iter().all(|row| row.rounds.len() == 3) && record.roof.after.is_some(), "{record:?}");
    // What is written reads back, and a further step changes nothing.
    let read: Record = serde_json::from_str(&record.to_json().unwrap()).unwrap();
    assert_eq!(read, record);
    assert_eq!(benchmark.step_blocking().unwrap(), benchmark.progress());
}

#[test]
fn a_row_that_cannot_be_prepared_has_no_times_and_the_others_go_on() {
    let broken = Case::new("broken".to_owned(), String::new(), Work::rows(1, 1.0, 1.0))
        .on_cpu(|| Err(Error::config("bench", "is broken")));
    let cases = [told("a", &[1.0], &Default::default()), broken, told("b", &[1.0], &Default::default())];
    let mut benchmark = Benchmark::new(cases, Place::Cpu, Options { seconds: 1e-9, ..quick() });
    while !benchmark.step_blocking().unwrap().finished {}
    let found: Vec<_> = benchmark.rows().iter().map(|row| (row.name.as_str(), row.found.is_some())).collect();
    assert_eq!(found, [("a", true), ("broken", false), ("b", true)]);
}

#[test]
fn submissions_are_long_where_clocks_are_coarse() {
    use super::measurement::Sample;
    let fine = Sample { first: 1e-3, seconds: 0.1, coarse: false };
    let coarse = Sample { coarse: true, ..fine };
    assert_eq!((fine.passes(1), coarse.passes(1)), (4, 20));
    // A step of 100 µs is at most half a per cent of a submission, if there may be so many runs in one.
    for first in [1e-5, 3e-4, 5e-2] {
        let passes = Sample { first, ..coarse }.passes(2);
        assert!(passes == 2048 || 1e-4 <= 0.0051 * first * f64::from(passes), "{first}: {passes}");
    }
    let Some(gpu) = gpu() else { return };
    let place = Place::Gpu(gpu);
    let case = small().into_iter().find(|case| case.name.starts_with("kernel/optim_adam")).unwrap();
    let of = |coarse_clocks| {
        let row = run(&case, &place, &Options { seconds: 0.1, coarse_clocks, ..quick() });
        row.found.unwrap_or_else(|| panic!("{:?}", row.check)).seconds.median
    };
    let (fine, coarse) = (of(false), of(true));
    assert!(fine > 0.0 && coarse > 0.0 && coarse < 20.0 * fine, "{fine} {coarse}");
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
