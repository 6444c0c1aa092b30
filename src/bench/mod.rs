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
//! Nothing here has to block: what ends in `_async`, and [`Benchmark`], which does a whole benchmark piece by piece, run in a browser, too.
//!
//! What the numbers mean: [`Work`] says what is counted as operations and bytes, [`Roof`] how the device's limits are measured,
//! [`Timing`] how a time comes about, [`Rows`] why its rounds lie apart, [`Load`] what else the machine did.

pub mod bench_copy;
pub mod bench_fma;
mod benchmark;
mod case;
mod data;
mod date;
mod kernels;
mod limits;
mod load;
mod measurement;
mod off_policy;
mod pieces;
pub mod record;
mod roof;
#[cfg(not(target_arch = "wasm32"))]
mod roof_cpu;
mod roof_gpu;
mod row;
mod rows;
mod schedule;
mod sizes;
mod timing;
mod tuning;
mod updates;
mod verdicts;
mod work;

pub use benchmark::{Benchmark, Progress};
pub use case::{Case, Prepared};
pub use limits::{roof, roof_async};
pub use load::{Load, Moment};
pub use measurement::measure;
pub use record::Record;
pub use roof::Roof;
pub use row::{Row, shares};
pub use rows::{Rows, rows, run};
pub use sizes::{NARROW, Sizes, Table, Window, nets, windows};
pub use timing::{Clock, FEW_ROUNDS, Options, Part, STEADY, Spread, Timing};
pub use tuning::{Tried, Tuning, Tunings};

pub use crate::check::Work;

pub use crate::place::Place;

use crate::gpu::KernelDef;

/// The benchmark's own kernels, which are no part of policy optimisation.
pub const KERNELS: &[KernelDef] = &[bench_copy::DEF, bench_fma::DEF];

/// The whole table, pieces first.
pub fn cases(table: &Table) -> Vec<Case> {
    let mut cases = pieces::cases(table);
    cases.extend(updates::cases(table));
    cases.extend(off_policy::cases(table));
    cases.extend(kernels::cases(table));
    cases
}

#[cfg(test)]
mod tests;
