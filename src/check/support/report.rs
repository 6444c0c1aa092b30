//! The comparison: the largest error so far, the first fault, and what was submitted.

use crate::check::row::CheckRow;
use crate::error::Result;
use crate::gpu::{Call, Gpu, Slot};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// What outputs and their guards hold before a kernel writes: 1.7e28, which no case computes.
pub(super) const UNWRITTEN: u32 = 0x6e5b_a5a5;

/// Words before and after a buffer's elements; 256 bytes, so that the elements are aligned as WebGPU asks.
pub(super) const GUARD: usize = 64;

/// Calls that a case submitted together, with the slot that they read.
pub(crate) type Submitted = (Vec<Call>, Slot);

/// The largest error so far, and the first fault.
pub(crate) struct Report {
    row: RefCell<CheckRow>,
    submitted: RefCell<Vec<Submitted>>,
    /// Of each output, tolerance · size / |want| of its elements that should not be 0.
    slack: RefCell<BTreeMap<String, Vec<f64>>>,
}

/// The element in the middle, the greater of two; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

impl Report {
    pub(crate) fn new(kernel: &str, shape: &str, tolerance: f64, reason: &str) -> Self {
        let (kernel, shape, reason) = (kernel.to_owned(), shape.to_owned(), reason.to_owned());
        let row = CheckRow {
            kernel,
            shape,
            worst_error: 0.0,
            tolerance,
            slack: 0.0,
            slack_reason: None,
            passed: true,
            reason,
            fault: None,
        };
        Self { row: RefCell::new(row), submitted: RefCell::default(), slack: RefCell::default() }
    }

    pub(crate) fn row(self) -> CheckRow {
        self.replay().0
    }

    /// What was found, and what was submitted: a benchmark times what has just been compared.
    pub(in crate::check) fn replay(self) -> (CheckRow, Vec<Submitted>) {
        let slack = self.slack.into_inner().into_values().map(median).fold(0.0, f64::max);
        (CheckRow { slack, ..self.row.into_inner() }, self.submitted.into_inner())
    }

    /// Submits `calls`.
    pub(in crate::check) fn run(&self, gpu: &Gpu, calls: &[Call], slot: Slot) -> Result<()> {
        gpu.run("check", calls, slot)?;
        self.submitted.borrow_mut().push((calls.to_vec(), slot));
        Ok(())
    }

    /// Makes the case fail. The first fault is kept.
    pub(crate) fn fault(&self, message: String) {
        let mut row = self.row.borrow_mut();
        row.passed = false;
        row.worst_error = f64::INFINITY;
        row.fault.get_or_insert(message);
    }

    /// error = |got − want| / max(|want|, scale), element by element. A scale that is no finite number of at least 0 would let
    /// anything pass, and is a fault, as is a NaN expected; an infinite number is expected exactly. Names that differ in a number at their end are parts of one output.
    pub(crate) fn floats(&self, name: &str, got: &[f32], want: &[f64], scale: impl Fn(usize) -> f64) {
        if got.len() != want.len() {
            return self.fault(format!("\"{name}\" has {} elements, expected {}", got.len(), want.len()));
        }
        let output = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let mut all = self.slack.borrow_mut();
        if !all.contains_key(output) {
            all.insert(output.to_owned(), Vec::new());
        }
        let mut none = Vec::new();
        let slack = all.get_mut(output).unwrap_or(&mut none);
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            if got.to_bits() == UNWRITTEN {
                return self.fault(format!("\"{name}\"[{i}] was never written"));
            }
            let scale = scale(i);
            if !scale.is_finite() || scale < 0.0 {
                return self.fault(format!("\"{name}\"[{i}]: the scale is {scale}, which would let anything pass"));
            }
            if want.is_nan() {
                return self.fault(format!("\"{name}\"[{i}]: the number expected is NaN"));
            }
            let size = want.abs().max(scale);
            if want != 0.0 && want.is_finite() {
                slack.push(self.row.borrow().tolerance * size / want.abs());
            }
            let error = if f64::from(got) == want { 0.0 } else { (f64::from(got) - want).abs() / size };
            let mut row = self.row.borrow_mut();
            // A NaN is the worst.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > row.tolerance {
                let message = format!("\"{name}\"[{i}] is {got:e}, expected {want:e}, scale {size:e}: error {error:e}");
                row.passed = false;
                row.fault.get_or_insert(message);
            }
            row.worst_error = row.worst_error.max(error);
        }
    }

    /// Faults what is no number and should be one, or the other way round; then both without those, for [`Self::floats`].
    pub(in crate::check) fn numbers(&self, name: &str, got: &[f32], want: &[f64]) -> (Vec<f32>, Vec<f64>) {
        let of_want: Vec<bool> = want.iter().map(|x| x.is_nan()).collect();
        let of_got: Vec<bool> = got.iter().map(|x| x.is_nan()).collect();
        self.exact(&format!("{name} (no number)"), &of_got, &of_want);
        let got = got.iter().zip(&of_want).map(|(x, broken)| if *broken { 0.0 } else { *x }).collect();
        (got, want.iter().map(|x| if x.is_nan() { 0.0 } else { *x }).collect())
    }

    /// The same, bit by bit or word by word.
    pub(crate) fn exact<U: PartialEq + Debug>(&self, name: &str, got: &[U], want: &[U]) {
        if got.len() != want.len() {
            return self.fault(format!("\"{name}\" has {} elements, expected {}", got.len(), want.len()));
        }
        if let Some(i) = (0..got.len()).find(|&i| got[i] != want[i]) {
            self.fault(format!("\"{name}\"[{i}] is {:?}, expected exactly {:?}", got[i], want[i]));
        }
    }

    /// Elements that the kernel must leave alone.
    pub(in crate::check) fn untouched<'a>(&self, name: &str, got: impl IntoIterator<Item = (usize, &'a f32)>) {
        if let Some((i, value)) = got.into_iter().find(|(_, value)| value.to_bits() != UNWRITTEN) {
            self.fault(format!("\"{name}\"[{i}] was overwritten with {value:e}"));
        }
    }

    pub(super) fn guards(&self, name: &str, words: &[u32], guard: u32) {
        let (before, rest) = words.split_at(GUARD);
        let after = &rest[rest.len() - GUARD..];
        if let Some(i) = before.iter().position(|word| *word != guard) {
            self.fault(format!("\"{name}\": guard word {} before the first was overwritten", GUARD - i));
        }
        if let Some(i) = after.iter().position(|word| *word != guard) {
            self.fault(format!("\"{name}\": guard word {} after the last was overwritten", i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::{Random, wide};
    use super::*;

    fn report() -> Report {
        Report::new("kernel", "shape", 1e-6, "reason")
    }

    fn fault(report: Report) -> String {
        let row = report.row();
        assert!(!row.passed);
        row.fault.unwrap()
    }

    #[test]
    fn equal_numbers_pass_and_small_errors_are_measured() {
        let r = report();
        r.floats("x", &[1.0, 2.0 + 2.4e-7], &[1.0, 2.0], |_| 1.0);
        let row = r.row();
        assert!(row.passed && row.worst_error > 1e-7 && row.worst_error < 2e-7);
    }

    #[test]
    fn a_corrupted_element_fails() {
        let mut values = Random::new(1).normals(65, 1.0);
        let want = wide(&values);
        values[64] += 1e-4;
        let r = report();
        r.floats("x", &values, &want, |_| 1.0);
        assert!(fault(r).contains("\"x\"[64]"));
        for bad in [f32::NAN, f32::INFINITY] {
            let r = report();
            r.floats("x", &[bad], &[1.0], |_| 1.0);
            let row = r.row();
            assert!(row.worst_error == f64::INFINITY && !row.passed);
        }
    }

    #[test]
    fn a_scale_that_is_not_finite_fails() {
        for bad in [f64::INFINITY, f64::NAN, -1.0] {
            let r = report();
            // The number itself is right.
            r.floats("x", &[1.0, 2.0], &[1.0, 2.0], |i| if i == 1 { bad } else { 1.0 });
            assert!(fault(r).contains("\"x\"[1]: the scale is"), "{bad}");
        }
    }

    #[test]
    fn a_nan_is_never_expected_and_an_infinite_number_exactly() {
        for got in [f32::NAN, 1.0] {
            let r = report();
            r.floats("x", &[1.0, got], &[1.0, f64::NAN], |_| 1.0);
            assert_eq!(fault(r), "\"x\"[1]: the number expected is NaN");
        }
        let r = report();
        r.floats("x", &[f32::INFINITY, 2.0], &[f64::INFINITY, 2.0], |_| 4.0);
        let row = r.row();
        assert!(row.passed && (row.slack - 2e-6).abs() < 1e-15, "{row:?}");
        for got in [f32::NEG_INFINITY, f32::MAX] {
            let r = report();
            r.floats("x", &[got], &[f64::INFINITY], |_| 1.0);
            assert!(!r.row().passed);
        }
    }

    #[test]
    fn slack_is_the_median_of_the_loosest_output() {
        let r = report();
        // What should be 0 has no slack; a scale below the number does not count.
        r.floats("x", &[1.0, 2.0, 0.0, 4.0], &[1.0, 2.0, 0.0, 4.0], |i| [3.0, 8.0, 1e9, 0.0][i]);
        assert!((r.row().slack - 3e-6).abs() < 1e-15);
        // Rows of one output are put together; another one is not hidden behind them.
        let r = report();
        for row in 0..9 {
            r.floats(&format!("y row {row}"), &[1.0], &[1.0], |_| if row == 0 { 1e6 } else { 1.0 });
        }
        r.floats("z", &[1.0], &[1.0], |_| 50.0);
        assert!((r.row().slack - 5e-5).abs() < 1e-15);
        let r = report();
        r.exact("w", &[1], &[1]);
        assert_eq!(r.row().slack, 0.0);
    }

    #[test]
    fn a_shift_by_one_row_fails() {
        let values = Random::new(2).normals(33 * 5, 1.0);
        let want = wide(&values);
        let r = report();
        r.floats("x", &values[5..], &want[..32 * 5], |_| 1.0);
        assert!(!r.row().passed);
        let r = report();
        r.exact("x", &values[5..], &values[..32 * 5]);
        assert!(!r.row().passed);
    }

    #[test]
    fn what_was_never_written_or_should_not_have_been_fails() {
        let mark = f32::from_bits(UNWRITTEN);
        let r = report();
        r.floats("x", &[1.0, mark], &[1.0, f64::NAN], |_| 1.0);
        assert_eq!(fault(r), "\"x\"[1] was never written");
        let r = report();
        r.untouched("x", [mark, 0.0].iter().enumerate());
        assert!(fault(r).contains("[1] was overwritten"));
    }

    #[test]
    fn a_changed_guard_fails() {
        let whole = vec![UNWRITTEN; 2 * GUARD + 3];
        let r = report();
        r.guards("x", &whole, UNWRITTEN);
        assert!(r.row().passed);
        for (place, words) in [(GUARD - 1, "1 before"), (GUARD + 3, "1 after"), (2 * GUARD + 2, "64 after")] {
            let mut broken = whole.clone();
            broken[place] = 0;
            let r = report();
            r.guards("x", &broken, UNWRITTEN);
            assert!(fault(r).contains(words), "{place}");
        }
    }
}
