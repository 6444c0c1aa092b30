//! How fast policy optimisation runs on an adapter or on the CPU, against what that device can do.
//!
//! [`cases`] is the table: whole pieces (`forward/ant`, `ppo_step/ant`, `gae/wide`, …) and every kernel at named sizes
//! (`kernel/mlp_forward/ant`, …). The program `wgpo bench` and the criterion benches walk it. A case is prepared
//! ([`Case::prepare`]): inputs and buffers are made, the calls run once, and what they wrote is compared with
//! [`crate::reference`] in f64. Only then are the same calls, on the same buffers, timed ([`measure`]).
//!
//! ```no_run
//! use wgpo::bench::{Options, Place, Table, cases, roof, rows};
//! use wgpo::gpu::{Gpu, GpuOptions};
//!
//! let gpu = Gpu::new(&GpuOptions { allow_software: true, timestamps: true, ..GpuOptions::default() })?;
//! let (place, options) = (Place::Gpu(gpu), Options::default());
//! let roof = roof(&place, &options)?;
//! let cases = cases(&Table::default());
//! for row in rows(cases.iter().filter(|case| case.name.starts_with("ppo_step/")), &place, &options) {
//!     if let Some(found) = &row.found {
//!         let share = row.share_of(&roof).unwrap_or(0.0);
//!         println!("{}: {:.3} ms, {:.0} % of the roof", row.name, 1e3 * found.seconds.median, 100.0 * share);
//!     }
//! }
//! # Ok::<(), wgpo::Error>(())
//! ```
//!
//! What the numbers mean: [`Work`] says what is counted as operations and bytes, [`Roof`] how the device's limits are measured,
//! [`Timing`] how a time comes about, [`Rows`] why its rounds lie apart, [`Load`] what else the machine did.

pub mod bench_copy;
pub mod bench_fma;
mod data;
mod kernels;
mod load;
mod measurement;
mod pieces;
mod roof;
mod row;
mod rows;
mod sizes;
mod timing;
mod tuning;
mod updates;
mod verdicts;
mod work;

pub use load::{Load, Moment};
pub use measurement::measure;
pub use roof::{Roof, roof};
pub use row::{Row, shares};
pub use rows::{Rows, rows, run};
pub use sizes::{Sizes, Table, Window, nets, windows};
pub use timing::{Clock, Options, Part, STEADY, Spread, Timing};
pub use tuning::{Tried, Tuning, Tunings};

pub use crate::check::Work;

pub use crate::place::Place;

use crate::check::CheckRow;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, KernelDef, Slot};
use std::time::{Duration, Instant};

/// The benchmark's own kernels, which are no part of policy optimisation.
pub const KERNELS: &[KernelDef] = &[bench_copy::DEF, bench_fma::DEF];

type OnGpu = Box<dyn Fn(&Gpu) -> Result<Prepared> + Send + Sync>;
type OnCpu = Box<dyn Fn() -> Result<Prepared> + Send + Sync>;

/// One row of the table.
pub struct Case {
    /// Kind, what, and size, with slashes between: `ppo_step/ant`, `kernel/mlp_forward/ant`.
    pub name: String,
    /// Its sizes, for people.
    pub shape: String,
    /// What has to be done.
    pub work: Work,
    /// The net that it belongs to.
    pub net: Option<String>,
    /// Whether comparing it with the reference takes so long that it runs only when it is asked for.
    pub heavy: bool,
    gpu: Option<OnGpu>,
    cpu: Option<OnCpu>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.shape)
    }
}

impl Case {
    fn new(name: String, shape: String, work: Work) -> Self {
        Self { name, shape, work, net: None, heavy: false, gpu: None, cpu: None }
    }

    fn of_net(self, net: &str) -> Self {
        Self { net: Some(net.to_owned()), ..self }
    }

    fn heavy(self, heavy: bool) -> Self {
        Self { heavy, ..self }
    }

    fn on_gpu(self, prepare: impl Fn(&Gpu) -> Result<Prepared> + Send + Sync + 'static) -> Self {
        Self { gpu: Some(Box::new(prepare)), ..self }
    }

    fn on_cpu(self, prepare: impl Fn() -> Result<Prepared> + Send + Sync + 'static) -> Self {
        Self { cpu: Some(Box::new(prepare)), ..self }
    }

    /// Whether there is something to run at `place`: single kernels are the device's alone.
    pub fn runs_at(&self, place: &Place) -> bool {
        match place {
            Place::Gpu(_) => self.gpu.is_some(),
            Place::Cpu => self.cpu.is_some(),
        }
    }

    /// The kernel, if the case is one alone.
    pub fn kernel(&self) -> Option<&str> {
        self.name.strip_prefix("kernel/")?.split('/').next()
    }

    /// Makes inputs and buffers, runs once and compares with the reference.
    ///
    /// # Errors
    /// A device error, or a case that does not run at `place`. A wrong number is no error: it is in [`Prepared::check`].
    pub fn prepare(&self, place: &Place) -> Result<Prepared> {
        let prepared = match (place, &self.gpu, &self.cpu) {
            (Place::Gpu(gpu), Some(prepare), _) => prepare(gpu)?,
            (Place::Cpu, _, Some(prepare)) => prepare()?,
            _ => return Err(Error::config("bench", format!("has no {} there", self.name))),
        };
        Ok(prepared)
    }
}

type Host = Box<dyn FnMut() -> Result<Duration>>;
type Restore = Box<dyn Fn(&Gpu) -> Result<()>>;
type Start = Box<dyn Fn(&mut wgpu::CommandEncoder)>;

/// A case that has run once and was compared; ready to run again on the same buffers.
pub struct Prepared {
    /// What the comparison found.
    pub check: CheckRow,
    body: Body,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {} dispatches", self.check, self.calls().len())
    }
}

enum Body {
    /// Recorded dispatches.
    Calls {
        calls: Vec<Call>,
        slot: Slot,
        /// Recorded before them.
        start: Option<Start>,
        /// Puts back what running changes, before a time is taken.
        restore: Option<Restore>,
    },
    /// A function of the host; `calls` are what it submits, if it does.
    Host { run: Host, calls: Vec<Call> },
}

impl Prepared {
    fn calls_of(check: CheckRow, calls: Vec<Call>, slot: Slot) -> Self {
        Self { check, body: Body::Calls { calls, slot, start: None, restore: None } }
    }

    fn host(check: CheckRow, mut run: impl FnMut() -> Result<()> + 'static) -> Self {
        Self::host_timed(check, move || {
            let begun = Instant::now();
            run().map(|()| begun.elapsed())
        })
    }

    fn host_timed(check: CheckRow, run: impl FnMut() -> Result<Duration> + 'static) -> Self {
        Self { check, body: Body::Host { run: Box::new(run), calls: Vec::new() } }
    }

    /// With the dispatches that a function of the host submits.
    fn submitting(mut self, submitted: Vec<Call>) -> Self {
        if let Body::Host { calls, .. } = &mut self.body {
            *calls = submitted;
        }
        self
    }

    fn starting(mut self, begin: impl Fn(&mut wgpu::CommandEncoder) + 'static) -> Self {
        if let Body::Calls { start, .. } = &mut self.body {
            *start = Some(Box::new(begin));
        }
        self
    }

    fn restoring(mut self, back: impl Fn(&Gpu) -> Result<()> + 'static) -> Self {
        if let Body::Calls { restore, .. } = &mut self.body {
            *restore = Some(Box::new(back));
        }
        self
    }

    /// The dispatches of one run, in order; none on the CPU.
    pub fn calls(&self) -> &[Call] {
        match &self.body {
            Body::Calls { calls, .. } | Body::Host { calls, .. } => calls,
        }
    }

    /// Runs once, waits for it, and says how long that took by the host's clock.
    ///
    /// # Errors
    /// A device error.
    pub fn run(&mut self, place: &Place) -> Result<Duration> {
        let begun = Instant::now();
        match (&mut self.body, place) {
            (Body::Host { run, .. }, _) => run(),
            (Body::Calls { calls, slot, start, .. }, Place::Gpu(gpu)) => {
                let mut encoder = gpu.encoder("bench");
                if let Some(start) = start {
                    start(&mut encoder);
                }
                gpu.record(&mut encoder, "bench", calls, *slot);
                gpu.submit(encoder)?;
                gpu.wait()?;
                Ok(begun.elapsed())
            }
            (Body::Calls { .. }, Place::Cpu) => Err(Error::config("bench", "has a device's calls, but no device")),
        }
    }
}

/// The whole table, pieces first.
pub fn cases(table: &Table) -> Vec<Case> {
    let mut cases = pieces::cases(table);
    cases.extend(updates::cases(table));
    cases.extend(kernels::cases(table));
    cases
}

#[cfg(test)]
mod tests;
