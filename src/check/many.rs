//! All at once: comparisons on several devices, and every kernel compiled.

use super::registry::cases;
use super::row::CheckRow;
use crate::error::Result;
use crate::gpu::Gpu;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// [`check`](super::check) on several devices of one adapter at once, a thread each, since most drivers compile on the thread, or for the device,
/// that asks. Rows are the same and `seen` gets them in the same order, each as soon as it and those before it are there, with
/// how many are done by then and of how many. Without a device nothing runs: no rows come back, and that is no pass.
pub fn check_on(gpus: &[Gpu], mut seen: impl FnMut(&[CheckRow], [usize; 2])) -> Vec<CheckRow> {
    let cases: Vec<_> = cases().into_iter().filter(|case| case.quick).collect();
    // Cases of a kernel have pipelines in common: they go to one device.
    let groups: Vec<_> = cases.chunk_by(|a, b| a.kernel == b.kernel).collect();
    let starts: Vec<_> = groups
        .iter()
        .scan(0, |next, group| {
            let start = *next;
            *next += group.len();
            Some(start)
        })
        .collect();
    // The first device takes them from the front, so that rows come early; others from the back, where whole updates are, which
    // compile the most.
    let left = Mutex::new((0..groups.len()).collect::<VecDeque<_>>());
    let mut waiting: Vec<Option<CheckRow>> = cases.iter().map(|_| None).collect();
    let mut rows = Vec::with_capacity(cases.len());
    let mut done = 0;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for (device, gpu) in gpus.iter().enumerate() {
            let (sender, left, groups, starts) = (sender.clone(), &left, &groups, &starts);
            scope.spawn(move || {
                loop {
                    // A thread that panicked left the list whole.
                    let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
                    let taken = if device == 0 { left.pop_front() } else { left.pop_back() };
                    drop(left);
                    let Some((group, start)) = taken.and_then(|i| Some((groups.get(i)?, starts.get(i)?))) else {
                        return;
                    };
                    for (index, case) in (*start..).zip(*group) {
                        // Nobody listens any more: the caller panicked.
                        if sender.send((index, case.row(gpu))).is_err() {
                            return;
                        }
                    }
                }
            });
        }
        drop(sender);
        for (index, row) in receiver {
            waiting[index] = Some(row);
            done += 1;
            let before = rows.len();
            rows.extend(waiting[before..].iter_mut().map_while(Option::take));
            seen(&rows[before..], [done, cases.len()]);
        }
    });
    rows
}

/// Compiles every kernel with every part that it may be composed of, by the heaviest choices, and runs none: for
/// [`Gpu::watch_compiling`].
///
/// # Errors
/// What the device says against a kernel.
pub fn compile_all(gpu: &Gpu) -> Result<()> {
    let heavy = f64::from(crate::policy::Activation::GeluErf.code());
    let choices = [("ACTIVATION", heavy), ("INPUT_ACTIVATION", heavy), ("KEEPS_PREACTIVATION", 1.0)];
    for def in crate::kernels::ALL {
        for mut variant in crate::kernels::variants(def) {
            let source = def.compose(&variant);
            let declared = |(name, _): &&(&str, f64)| source.contains(&format!("override {name}:"));
            variant.constants.extend(choices.iter().filter(declared));
            gpu.compile_only(def, &variant)?;
        }
    }
    Ok(())
}
