//! Whether arrays are what they should be: shapes, numbers, indices.

use super::actions::Actions;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::{Array1, ArrayView2};

pub(crate) fn check_shape(tensor: &str, got: &[usize], expected: &[usize]) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::shape(tensor, got, expected)) }
}

/// The first element that is NaN or infinite, as an error.
pub(crate) fn finite<'a>(tensor: &str, mut values: impl Iterator<Item = &'a f32> + Clone) -> Result<()> {
    let all = values.clone();
    match values.position(|value| !value.is_finite()) {
        Some(index) => Err(Error::Value {
            tensor: tensor.into(),
            index,
            value: all.skip(index).map(ToString::to_string).next().unwrap_or_default(),
            expected: "a finite number".into(),
        }),
        None => Ok(()),
    }
}

pub(super) fn flags(tensor: &str, array: ArrayView2<'_, u32>) -> Result<()> {
    match array.iter().enumerate().find(|(_, flag)| **flag > 1) {
        Some((index, flag)) => {
            Err(Error::Value { tensor: tensor.into(), index, value: flag.to_string(), expected: "0 or 1".into() })
        }
        None => Ok(()),
    }
}

/// An order of `epochs × rows` indices below `rows`; usually each epoch is a permutation, but it need not be.
pub(crate) fn check_order(order: &[u32], rows: usize, epochs: usize) -> Result<()> {
    check_shape("order", &[order.len()], &[epochs.saturating_mul(rows)])?;
    match order.iter().position(|index| *index as usize >= rows) {
        Some(index) => Err(Error::Value {
            tensor: "order".into(),
            index,
            value: order[index].to_string(),
            expected: format!("a row below {rows}"),
        }),
        None => Ok(()),
    }
}

/// Checks that look at the rows that count only.
pub(super) struct Counted<'a>(Option<&'a Array1<u32>>);

impl<'a> Counted<'a> {
    /// Refuses a mask without a row.
    pub fn new(name: &'static str, valid: Option<&'a Array1<u32>>, rows: usize) -> Result<Self> {
        if valid.is_some_and(|valid| valid.iter().all(|flag| *flag == 0)) {
            return Err(Error::config(name, format!("leaves none of {rows} rows that counts")));
        }
        Ok(Self(valid))
    }

    pub fn finite<'b>(&self, tensor: &str, values: impl Iterator<Item = &'b f32> + Clone, width: usize) -> Result<()> {
        let Some(valid) = self.0 else { return finite(tensor, values) };
        let counts = |index: usize| valid.get(index / width.max(1)).is_some_and(|flag| *flag != 0);
        match values.enumerate().find(|(index, value)| !value.is_finite() && counts(*index)) {
            Some((index, value)) => Err(Error::Value {
                tensor: tensor.into(),
                index,
                value: value.to_string(),
                expected: "a finite number".into(),
            }),
            None => Ok(()),
        }
    }

    pub fn actions(&self, actions: &Actions, spec: &PolicySpec, rows: usize) -> Result<()> {
        let Some(valid) = self.0 else { return actions.validate(&spec.head, rows) };
        let shape = actions.shape();
        if shape[0] != rows {
            return Err(Error::shape("actions", &shape, &[rows, shape[1]]));
        }
        let kept: Vec<usize> = (0..rows).filter(|row| valid[*row] != 0).collect();
        actions.select(&kept).validate(&spec.head, kept.len())
    }
}
