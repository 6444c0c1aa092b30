//! Many rows, their rounds spread in time.

use super::measurement::Measurement;
use super::{Case, Options, Place, Prepared, Row};
use crate::check::CheckRow;
use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::time::Duration;

/// Prepares, compares and measures. An error of the device, and whatever does not match, is a row without times.
///
/// Its rounds come one soon after another; [`Rows`] puts other rows between them.
pub fn run(case: &Case, place: &Place, options: &Options) -> Row {
    let mut entry = match Entry::new(case, place, options) {
        Ok(entry) => entry,
        Err(error) => return failed(case, &error),
    };
    loop {
        match entry {
            Entry::Done(row) => return *row,
            Entry::Open(open) => {
                std::thread::sleep(open.measurement.rest());
                entry = open.round(place);
            }
        }
    }
}

/// Rows in the order of their cases. The rounds of a row lie between those of its neighbours and the preparations of the next
/// ones: a busy moment of the machine falls on a round of some rows and not on a whole row, and what differs between the
/// rounds of a row is also what differs between two runs of the benchmark.
///
/// As many rows as there are rounds are on the device at a time, or fewer where there is no memory for them.
pub struct Rows<'a> {
    cases: VecDeque<&'a Case>,
    place: &'a Place,
    options: &'a Options,
    under_way: VecDeque<Entry<'a>>,
    /// No case is begun before all that are under way are done: there was no memory.
    crowded: bool,
    starting: Box<dyn FnMut(&Case) + 'a>,
}

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} rows under way, {} to come", self.under_way.len(), self.cases.len())
    }
}

/// Prepares, compares and measures `cases`.
pub fn rows<'a>(cases: impl IntoIterator<Item = &'a Case>, place: &'a Place, options: &'a Options) -> Rows<'a> {
    let (cases, under_way) = (cases.into_iter().collect(), VecDeque::new());
    Rows { cases, place, options, under_way, crowded: false, starting: Box::new(|_| ()) }
}

impl<'a> Rows<'a> {
    /// Calls `starting` before a case is prepared.
    pub fn starting(self, starting: impl FnMut(&Case) + 'a) -> Self {
        Self { starting: Box::new(starting), ..self }
    }

    /// Begins the next case, if there is one and room for it.
    fn begin(&mut self) {
        let room = self.under_way.len() < self.options.rounds.max(1) && !self.crowded;
        let Some(case) = self.cases.front().copied().filter(|_| room) else { return };
        (self.starting)(case);
        let others = self.under_way.iter().any(|entry| matches!(entry, Entry::Open(_)));
        let entry = match Entry::new(case, self.place, self.options) {
            Err(error) if error.is_out_of_memory() && others => {
                self.crowded = true;
                return;
            }
            Err(error) => Entry::Done(Box::new(failed(case, &error))),
            Ok(entry) => entry,
        };
        self.cases.pop_front();
        self.under_way.push_back(entry);
    }

    /// One more round of every row.
    fn round(&mut self) {
        let rest = self.under_way.iter().map(|entry| match entry {
            Entry::Open(open) => open.measurement.rest(),
            Entry::Done(_) => Duration::ZERO,
        });
        std::thread::sleep(rest.max().unwrap_or_default());
        for entry in std::mem::take(&mut self.under_way) {
            let next = match entry {
                Entry::Open(open) => open.round(self.place),
                done => done,
            };
            self.under_way.push_back(next);
        }
        self.crowded &= self.under_way.iter().any(|entry| matches!(entry, Entry::Open(_)));
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        loop {
            match self.under_way.pop_front() {
                Some(Entry::Done(row)) => return Some(*row),
                Some(open) => self.under_way.push_front(open),
                None if self.cases.is_empty() => return None,
                None => self.crowded = false,
            }
            self.begin();
            self.round();
        }
    }
}

/// A row with rounds to come, or with its times, or without any.
enum Entry<'a> {
    Open(Box<Open<'a>>),
    Done(Box<Row>),
}

struct Open<'a> {
    case: &'a Case,
    prepared: Prepared,
    measurement: Measurement,
}

impl<'a> Entry<'a> {
    /// Prepares and compares.
    fn new(case: &'a Case, place: &Place, options: &Options) -> Result<Self> {
        let mut prepared = case.prepare(place)?;
        if let Some(limit) = options.tolerance {
            let check = &mut prepared.check;
            check.tolerance = check.tolerance.min(limit);
            if check.passed && check.worst_error > limit {
                check.passed = false;
                check.fault = Some(format!("the worst error is {:e}, allowed were {limit:e}", check.worst_error));
            }
        }
        if !prepared.check.passed {
            return Ok(Self::Done(Box::new(row(case, prepared.check))));
        }
        let measurement = Measurement::begin(place, &mut prepared, options)?;
        Ok(Self::Open(Box::new(Open { case, prepared, measurement })))
    }
}

impl<'a> Open<'a> {
    /// With one more round; with its times, and without its buffers, if that was the last.
    fn round(mut self: Box<Self>, place: &Place) -> Entry<'a> {
        if let Err(error) = self.measurement.round(place, &mut self.prepared) {
            return Entry::Done(Box::new(failed(self.case, &error)));
        }
        if !self.measurement.is_complete() {
            return Entry::Open(self);
        }
        let Open { case, prepared, measurement } = *self;
        Entry::Done(Box::new(match measurement.finish(place, &prepared) {
            Ok(found) => Row { found: Some(found), ..row(case, prepared.check) },
            Err(error) => failed(case, &error),
        }))
    }
}

/// Without times.
fn row(case: &Case, check: CheckRow) -> Row {
    let (name, shape, net) = (case.name.clone(), case.shape.clone(), case.net.clone());
    Row { name, shape, net, work: case.work, check, found: None }
}

fn failed(case: &Case, error: &Error) -> Row {
    let check = CheckRow {
        kernel: case.name.clone(),
        shape: case.shape.clone(),
        worst_error: f64::INFINITY,
        tolerance: 0.0,
        slack: 0.0,
        slack_reason: None,
        passed: false,
        reason: "it could not be run".to_owned(),
        fault: Some(error.to_string()),
    };
    row(case, check)
}
