//! A whole benchmark, piece by piece: for a browser, where nothing may block.

use super::case::block_on;
use super::record::Record;
use super::schedule::Schedule;
use super::{Case, Moment, Options, Place, Roof, Row, roof_async};
use crate::error::{Error, Result};
use std::time::Duration;

/// The limits, the rows in the order of [`Rows`](super::Rows), and the limits once more. Whoever drives it decides when each piece is done.
///
/// ```no_run
/// use wgpo::bench::{Benchmark, Options, Place, Table, cases};
///
/// # async fn example(gpu: wgpo::Gpu, sleep: impl AsyncFn(std::time::Duration)) -> wgpo::Result<()> {
/// let cases = cases(&Table::quick()).into_iter().filter(|case| !case.heavy);
/// let mut benchmark = Benchmark::new(cases, Place::Gpu(gpu), Options::quick());
/// while !benchmark.progress().finished {
///     println!("{}", benchmark.progress().what);
///     sleep(benchmark.rest()).await;
///     benchmark.step().await?;
/// }
/// let record = benchmark.record()?;
/// # Ok(())
/// # }
/// ```
pub struct Benchmark {
    schedule: Schedule<Case>,
    options: Options,
    names: Vec<String>,
    begun: Option<Moment>,
    before: Option<Roof>,
    rows: Vec<Row>,
    after: Option<Roof>,
}

/// How far a [`Benchmark`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Pieces that are done: limits, preparations and rounds.
    pub done: usize,
    /// Of so many, about: rows that take long have fewer rounds, and then count as if they had all.
    pub of: usize,
    /// What comes next, in words.
    pub what: String,
    /// Whether nothing does.
    pub finished: bool,
}

impl std::fmt::Debug for Benchmark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.progress())
    }
}

impl Benchmark {
    /// Of those of `cases` that run at `place`.
    pub fn new(cases: impl IntoIterator<Item = Case>, place: Place, options: Options) -> Self {
        let cases: Vec<Case> = cases.into_iter().filter(|case| case.runs_at(&place)).collect();
        let names = cases.iter().map(|case| case.name.clone()).collect();
        let schedule = Schedule::new(cases, place, options.clone());
        Self { schedule, options, names, begun: None, before: None, rows: Vec::new(), after: None }
    }

    /// The names of the rows, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The rows that are done, in their order. Without the limits their shares of the roof are not known.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The limits as they were before the rows.
    pub fn roof(&self) -> Option<&Roof> {
        self.before.as_ref()
    }

    /// How long the next piece should wait, so that the rounds of a row are not all of the same busy moment. Whoever cannot wait need not.
    pub fn rest(&self) -> Duration {
        if self.before.is_some() { self.schedule.rest() } else { Duration::ZERO }
    }

    /// Where it is.
    pub fn progress(&self) -> Progress {
        let pieces = 1 + self.options.rounds.max(1);
        let (limits, rows) = (usize::from(self.before.is_some()) + usize::from(self.after.is_some()), self.rows.len());
        let what = if self.before.is_none() {
            "the device's limits".to_owned()
        } else if let Some(case) = self.schedule.begins() {
            format!("{}: compared with the reference", case.name)
        } else if let Some((case, taken)) = self.schedule.measures() {
            format!("{}: round {}", case.name, taken + 1)
        } else if self.after.is_none() {
            "the device's limits once more".to_owned()
        } else {
            "done".to_owned()
        };
        Progress {
            done: limits + rows * pieces + self.schedule.pieces(),
            of: 2 + self.names.len() * pieces,
            what,
            finished: self.after.is_some(),
        }
    }

    /// Does the next piece of work; nothing if it is [`finished`](Progress::finished). A row whose case fails has no times, and the others go on.
    ///
    /// # Errors
    /// A lost device, or limits that cannot be measured. The piece is not done then.
    pub async fn step(&mut self) -> Result<Progress> {
        let place = self.schedule.place().clone();
        if self.before.is_none() {
            self.begun = Moment::now();
            self.before = Some(roof_async(&place, &self.options).await?);
        } else if !self.schedule.is_finished() {
            self.schedule.step().await;
            place.gpu().map_or(Ok(()), |gpu| gpu.healthy())?;
        } else if self.after.is_none() {
            self.after = Some(roof_async(&place, &self.options).await?);
        }
        // To the next piece that is work.
        loop {
            while let Some(row) = self.schedule.done() {
                self.rows.push(row);
            }
            let ready = self.schedule.begins().is_some() || self.schedule.measures().is_some();
            if ready || self.schedule.is_finished() {
                break;
            }
            self.schedule.step().await;
        }
        Ok(self.progress())
    }

    /// [`step`](Self::step), waiting.
    ///
    /// # Errors
    /// As there; [`Error::Waits`] in a browser.
    pub fn step_blocking(&mut self) -> Result<Progress> {
        let place = self.schedule.place().clone();
        block_on(&place, self.step())
    }

    /// All that was found. In a browser, whoever knows its name puts that into [`place.system`](super::record::PlaceRecord::system).
    ///
    /// # Errors
    /// [`Error::Config`] before it is finished.
    pub fn record(&self) -> Result<Record> {
        let (Some(before), Some(after)) = (&self.before, &self.after) else {
            return Err(Error::config("bench", "has rows to come: there is no record yet"));
        };
        let load = self.begun.and_then(|begun| Moment::now()?.since(&begun));
        Ok(Record::new(self.schedule.place(), &self.options, [before, after], load, &self.rows))
    }
}
