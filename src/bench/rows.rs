//! Many rows, their rounds spread in time.

use super::case::block_on;
use super::schedule::Schedule;
use super::{Case, Options, Place, Row};

/// Prepares, compares and measures. An error of the device, and whatever does not match, is a row without times.
///
/// Its rounds come one soon after another; [`Rows`] puts other rows between them.
pub fn run(case: &Case, place: &Place, options: &Options) -> Row {
    let mut schedule = Schedule::new([case], place.clone(), options.clone());
    loop {
        if let Some(row) = schedule.done() {
            return row;
        }
        step(&mut schedule);
    }
}

/// Rows in the order of their cases. The rounds of a row lie between those of its neighbours and the preparations of the next
/// ones: a busy moment of the machine falls on a round of some rows and not on a whole row, and what differs between the
/// rounds of a row is also what differs between two runs of the benchmark.
///
/// As many rows as there are rounds are on the device at a time, or fewer where there is no memory for them.
///
/// This is the blocking form, which sleeps between rounds. [`Benchmark`](super::Benchmark) is the one for a browser.
pub struct Rows<'a> {
    schedule: Schedule<&'a Case>,
    starting: Box<dyn FnMut(&Case) + 'a>,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows under way, {} to come", self.schedule.under_way(), self.schedule.to_come())
    }
}

/// Prepares, compares and measures `cases`.
pub fn rows<'a>(cases: impl IntoIterator<Item = &'a Case>, place: &'a Place, options: &'a Options) -> Rows<'a> {
    let schedule = Schedule::new(cases, place.clone(), options.clone());
    Rows { schedule, starting: Box::new(|_| ()) }
}

impl<'a> Rows<'a> {
    /// Calls `starting` before a case is prepared.
    pub fn starting(self, starting: impl FnMut(&Case) + 'a) -> Self {
        Self { starting: Box::new(starting), ..self }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            if let Some(row) = self.schedule.done() {
                return Some(row);
            }
            if self.schedule.is_finished() {
                return None;
            }
            if let Some(case) = self.schedule.begins() {
                (self.starting)(case);
            }
            step(&mut self.schedule);
        }
    }
}

/// The next piece of work, at its time.
fn step(schedule: &mut Schedule<&Case>) {
    let rest = schedule.rest();
    if !rest.is_zero() {
        std::thread::sleep(rest);
    }
    let place = schedule.place().clone();
    let stepped = block_on(&place, async {
        schedule.step().await;
        Ok(())
    });
    if let Err(error) = stepped {
        schedule.give_up(&error);
    }
}
