//! The order in which rows are measured, piece by piece.

use super::measurement::Measurement;
use super::{Case, Options, Place, Prepared, Row};
use crate::check::CheckRow;
use crate::error::{Error, Result};
use std::borrow::Borrow;
use std::collections::VecDeque;
use std::time::Duration;

/// Rows to come and rows under way. A piece of work is the preparation of a case or a round of a row; a turn is one preparation, if there is room
/// for one more, and a round of every row. [`Rows`](super::Rows) says why.
pub(super) struct Schedule<C> {
    cases: VecDeque<C>,
    place: Place,
    options: Options,
    under_way: VecDeque<Entry<C>>,
    /// No case is begun before all that are under way are done: there was no memory.
    crowded: bool,
    next: Next,
}

/// The next piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The beginning of a turn.
    Begin,
    /// The round of the row that is in this place.
    Round(usize),
}

/// A row with rounds to come, or with its times, or without any.
enum Entry<C> {
    Open(Box<Open<C>>),
    Done(Box<Row>),
}

struct Open<C> {
    case: C,
    prepared: Prepared,
    measurement: Measurement,
}

impl<C: Borrow<Case>> Schedule<C> {
    pub fn new(cases: impl IntoIterator<Item = C>, place: Place, options: Options) -> Self {
        let cases = cases.into_iter().collect();
        Self { cases, place, options, under_way: VecDeque::new(), crowded: false, next: Next::Begin }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub fn to_come(&self) -> usize {
        self.cases.len()
    }

    /// The next row that is done, in the order of the cases; `None` where a piece of work comes before it.
    pub fn done(&mut self) -> Option<Row> {
        match self.under_way.pop_front() {
            Some(Entry::Done(row)) if self.next == Next::Begin => return Some(*row),
            Some(other) => self.under_way.push_front(other),
            None => self.crowded = false,
        }
        None
    }

    /// Whether nothing is to be done and no row is left.
    pub fn is_finished(&self) -> bool {
        self.cases.is_empty() && self.under_way.is_empty()
    }

    /// The case that is prepared next, if that is what comes next.
    pub fn begins(&self) -> Option<&Case> {
        let room = self.under_way.len() < self.options.rounds.max(1) && !self.crowded;
        self.cases.front().filter(|_| room && self.next == Next::Begin).map(Borrow::borrow)
    }

    /// The row whose round comes next, and how many it has had, if that is what comes next.
    pub fn measures(&self) -> Option<(&Case, usize)> {
        let Next::Round(place) = self.next else { return None };
        match self.under_way.get(place)? {
            Entry::Open(open) => Some((open.case.borrow(), open.measurement.taken())),
            Entry::Done(_) => None,
        }
    }

    /// How many pieces are done of the rows under way, counting all of a row that is done.
    pub fn pieces(&self) -> usize {
        let of = |entry: &Entry<C>| match entry {
            Entry::Open(open) => 1 + open.measurement.taken(),
            Entry::Done(_) => 1 + self.options.rounds.max(1),
        };
        self.under_way.iter().map(of).sum()
    }

    /// How long until the next piece may begin, so that rounds are not all of the same busy moment.
    pub fn rest(&self) -> Duration {
        let rest = |entry: &Entry<C>| match entry {
            Entry::Open(open) => open.measurement.rest(),
            Entry::Done(_) => Duration::ZERO,
        };
        if self.next == Next::Round(0) {
            self.under_way.iter().map(rest).max().unwrap_or_default()
        } else {
            Duration::ZERO
        }
    }

    /// The next piece of work. An error of the device is a row without times. Dropped before its end, it has done nothing.
    pub async fn step(&mut self) {
        match self.next {
            Next::Begin => {
                self.begin().await;
                self.go_on(0);
            }
            Next::Round(place) => {
                if let Some(entry) = self.under_way.get_mut(place)
                    && let Entry::Open(open) = entry
                    && let Some(row) = open.round(&self.place).await
                {
                    *entry = Entry::Done(Box::new(row));
                }
                self.go_on(place + 1);
            }
        }
    }

    /// To the round of the next row from `place` on that is not done, or to the next turn.
    fn go_on(&mut self, place: usize) {
        self.next = Next::Round(place);
        while let Next::Round(place) = self.next {
            match self.under_way.get(place) {
                Some(Entry::Open(_)) => break,
                Some(Entry::Done(_)) => self.next = Next::Round(place + 1),
                None => {
                    self.crowded &= self.others();
                    self.next = Next::Begin;
                }
            }
        }
    }

    /// The next piece could not be done: its row has no times.
    pub fn give_up(&mut self, error: &Error) {
        match self.next {
            Next::Begin => {
                if let Some(case) = self.cases.pop_front() {
                    self.under_way.push_back(Entry::Done(Box::new(failed(case.borrow(), error))));
                }
            }
            Next::Round(place) => {
                if let Some(entry) = self.under_way.get_mut(place)
                    && let Entry::Open(open) = entry
                {
                    *entry = Entry::Done(Box::new(failed(open.case.borrow(), error)));
                }
                self.go_on(place + 1);
            }
        }
    }

    fn others(&self) -> bool {
        self.under_way.iter().any(|entry| matches!(entry, Entry::Open(_)))
    }

    /// Begins the next case, if there is one and room for it.
    async fn begin(&mut self) {
        let Some(case) = self.begins() else { return };
        let entry = match prepare(case, &self.place, &self.options).await {
            Err(error) if error.is_out_of_memory() && self.others() => {
                self.crowded = true;
                return;
            }
            Err(error) => Err(failed(case, &error)),
            Ok(prepared) => prepared,
        };
        let Some(case) = self.cases.pop_front() else { return };
        self.under_way.push_back(match entry {
            Ok((prepared, measurement)) => Entry::Open(Box::new(Open { case, prepared, measurement })),
            Err(row) => Entry::Done(Box::new(row)),
        });
    }
}

/// Prepares and compares; without times where the comparison failed.
async fn prepare(
    case: &Case,
    place: &Place,
    options: &Options,
) -> Result<std::result::Result<(Prepared, Measurement), Row>> {
    let mut prepared = case.prepare_async(place).await?;
    if let Some(limit) = options.tolerance {
        let check = &mut prepared.check;
        check.tolerance = check.tolerance.min(limit);
        if check.passed && check.worst_error > limit {
            check.passed = false;
            check.fault = Some(format!("the worst error is {:e}, allowed were {limit:e}", check.worst_error));
        }
    }
    if !prepared.check.passed {
        return Ok(Err(row(case, prepared.check)));
    }
    let measurement = Measurement::begin(place, &mut prepared, options).await?;
    Ok(Ok((prepared, measurement)))
}

impl<C: Borrow<Case>> Open<C> {
    /// Takes one more round; the row with its times, if that was the last.
    async fn round(&mut self, place: &Place) -> Option<Row> {
        let (case, prepared) = (self.case.borrow(), &mut self.prepared);
        if let Err(error) = self.measurement.round(place, prepared).await {
            return Some(failed(case, &error));
        }
        if !self.measurement.is_complete() {
            return None;
        }
        Some(match self.measurement.finish(place, prepared).await {
            Ok(found) => Row { found: Some(found), ..row(case, prepared.check.clone()) },
            Err(error) => failed(case, &error),
        })
    }
}

/// Without times.
fn row(case: &Case, check: CheckRow) -> Row {
    let (name, shape, net) = (case.name.clone(), case.shape.clone(), case.net.clone());
    Row { name, shape, net, work: case.work, check, found: None }
}

fn failed(case: &Case, error: &Error) -> Row {
    row(case, CheckRow::not_run(case.name.clone(), case.shape.clone(), error))
}
