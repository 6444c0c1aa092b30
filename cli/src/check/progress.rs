//! What `wgpo check` shows while it runs, and what pipelines took.

use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use wgpo::gpu::{Compiling, Gpu};

/// One line on standard error, where that is a terminal.
pub struct Progress {
    terminal: bool,
    begin: Instant,
}

impl Progress {
    /// Shows nothing yet.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), begin: Instant::now() }
    }

    /// `done` of so many comparisons.
    pub fn show(&mut self, [done, of]: [usize; 2]) {
        if self.terminal && done < of {
            let seconds = self.begin.elapsed().as_secs();
            // Nobody needs this line: a terminal that is gone is no error.
            _ = write!(std::io::stderr(), "{done}/{of} comparisons, {seconds} s; compiling kernels …");
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.terminal {
            _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// Every pipeline that was compiled, with what it took.
#[derive(Clone)]
pub struct Pipelines(Arc<Mutex<Vec<(String, f64)>>>);

impl Pipelines {
    /// Those that `gpu` compiles from now on. Each is named on standard error before it begins, so that one that never ends is known.
    pub fn watch(gpu: &Gpu) -> Self {
        let list = Self(Arc::default());
        let (other, begin) = (list.clone(), Mutex::new(cpu_seconds()));
        gpu.watch_compiling(move |compiling: &Compiling| {
            let mut begin = begin.lock().unwrap_or_else(PoisonError::into_inner);
            match compiling.took {
                None => {
                    _ = writeln!(std::io::stderr(), "compiling {}", compiling.pipeline);
                    *begin = cpu_seconds();
                }
                Some(took) => {
                    let cpu = cpu_seconds().zip(*begin).map(|(now, begin)| now - begin);
                    let seconds = cpu.unwrap_or(took.as_secs_f64());
                    let mut list = other.0.lock().unwrap_or_else(PoisonError::into_inner);
                    list.push((compiling.pipeline.clone(), seconds));
                }
            }
        });
        list
    }

    /// The slowest first.
    fn sorted(&self) -> Vec<(String, f64)> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        list.sort_by(|a, b| b.1.total_cmp(&a.1));
        list
    }

    /// As lines.
    pub fn text(&self) -> String {
        let list = self.sorted();
        let sum: f64 = list.iter().map(|(_, seconds)| seconds).sum();
        let mut text = format!("{} pipelines compiled in {sum:.1} s:\n", list.len());
        for (pipeline, seconds) in list {
            text += &format!("{seconds:>7.2} s  {pipeline}\n");
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        self.sorted()
            .into_iter()
            .map(|(pipeline, seconds)| json!({ "pipeline": pipeline, "seconds": seconds }))
            .collect()
    }
}

/// What this process has had of the processors so far, in seconds: on a busy machine the only fair measure. Linux only.
fn cpu_seconds() -> Option<f64> {
    // After the name in brackets, the 12th and 13th fields, in hundredths of a second whatever the kernel's own clock is.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
