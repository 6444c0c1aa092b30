//! Checks of some rows.

use super::actions::Actions;
use super::checks::finite;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;
use ndarray::Array1;

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
