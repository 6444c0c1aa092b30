//! Whether arrays are what they should be: shapes, numbers, indices.

use crate::error::{Error, Result};

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

/// The first flag other than 0 and 1, as an error.
pub(super) fn flags<'a>(tensor: &str, flags: impl Iterator<Item = &'a u32>) -> Result<()> {
    match flags.enumerate().find(|(_, flag)| **flag > 1) {
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
