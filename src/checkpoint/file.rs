//! safetensors in, with our errors.

use super::checksum::{CHECKSUM, checksum};
use super::format::format_error;
use super::numbers::{Converted, chunks, integers};
use super::read;
use crate::error::{Error, Result};
use crate::policy::ParamLayout;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

/// A file being read.
pub(super) struct File<'a> {
    /// The file, or what the caller calls its bytes.
    name: &'a Path,
    tensors: SafeTensors<'a>,
    metadata: BTreeMap<String, String>,
    elements: usize,
    converted: RefCell<Vec<Converted>>,
}

impl<'a> File<'a> {
    pub(super) fn open(name: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let wrong = |error| format_error(name, format!("is not a whole safetensors file: {error}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(wrong)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(wrong)?;
        let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let file = Self { name, tensors, metadata, elements: bytes.len() / 4, converted: RefCell::default() };
        file.verify()?;
        Ok(file)
    }

    /// Bytes that the caller has, called `name` in errors, with the checks of a file.
    pub(super) fn of_bytes(name: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        read::fits(name, bytes)?;
        Self::open(name, bytes)
    }

    /// Files of earlier versions and of other programs have no checksum.
    fn verify(&self) -> Result<()> {
        let Some(said) = self.metadata.get(CHECKSUM) else { return Ok(()) };
        let found = checksum(&self.metadata, self.tensors.iter());
        if *said == found {
            return Ok(());
        }
        Err(self.error(format!(
            "is damaged: its checksum is \"{said}\", its contents have \"{found}\" (a program that changes a file on purpose takes \
             the key \"checksum\" out of __metadata__)"
        )))
    }

    /// Keys of the metadata that begin with `prefix`, without it, and their values.
    pub(super) fn texts(&self, prefix: &str) -> BTreeMap<String, String> {
        let own = self.metadata.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
        own.map(|(key, value)| (key.to_owned(), value.clone())).collect()
    }

    /// An upper bound on the numbers in the file.
    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        format_error(self.name, message)
    }

    pub(super) fn text(&self, key: &str) -> Result<&str> {
        self.metadata
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| self.error(format!("has no key \"{key}\" in __metadata__; was it written by wgpo?")))
    }

    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().map_err(|_| self.error(format!("key \"{key}\" is \"{text}\", expected a number in range")))
    }

    pub(super) fn has_text(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Shape of a tensor.
    pub(super) fn shape(&self, name: &str) -> Result<Vec<usize>> {
        self.tensors
            .tensor(name)
            .map(|tensor| tensor.shape().to_vec())
            .map_err(|_| self.error(format!("has no tensor \"{name}\"")))
    }

    fn bytes(&self, name: &str, shape: &[usize]) -> Result<(Dtype, &'a [u8])> {
        let got = self.shape(name)?;
        if got != shape {
            return Err(self.error(format!("\"{name}\" has shape {got:?}, expected {shape:?}")));
        }
        let tensor = self.tensors.tensor(name).map_err(|error| self.error(error.to_string()))?;
        Ok((tensor.dtype(), tensor.data()))
    }

    /// What was converted so far, see [`recorded`](Self::recorded) and [`counts`](Self::counts).
    pub(super) fn converted(&self) -> Vec<Converted> {
        self.converted.borrow().clone()
    }

    fn note(&self, tensor: &str, from: Dtype) {
        self.converted.borrow_mut().push(Converted { tensor: tensor.to_owned(), from: from.to_string() });
    }

    /// Unit roundoff of a tensor's type, of `f32` at least: a number was off by at most this share of it when it was stored.
    pub(super) fn roundoff(&self, name: &str) -> f64 {
        match self.tensors.tensor(name).map(|tensor| tensor.dtype()) {
            Ok(Dtype::F16) => 0.5_f64.powi(11),
            Ok(Dtype::BF16) => 0.5_f64.powi(8),
            _ => 0.5_f64.powi(24),
        }
    }

    /// A finite `f32` tensor that another program recorded: floats of any width, and with `whole` whole numbers too, as pictures are
    /// stored and as rewards come. What loses digits, or lost them before, is noted.
    pub(super) fn recorded(&self, name: &str, shape: &[usize], whole: bool) -> Result<Vec<f32>> {
        let (dtype, bytes) = self.bytes(name, shape)?;
        let values: Vec<f64> = match dtype {
            Dtype::F32 | Dtype::F64 => return self.f32(name, shape),
            Dtype::F16 => chunks(bytes).map(|word| f16::from_le_bytes(word).to_f64()).collect(),
            Dtype::BF16 => chunks(bytes).map(|word| bf16::from_le_bytes(word).to_f64()).collect(),
            _ => match integers(dtype, bytes).filter(|_| whole) {
                Some(values) => values.into_iter().map(|value| value as f64).collect(),
                None => {
                    let or = if whole { " or whole numbers" } else { "" };
                    return Err(self.error(format!("\"{name}\" is {dtype}, expected F32, F64, F16 or BF16{or}")));
                }
            },
        };
        self.note(name, dtype);
        self.finite(name, &values)?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// Whole numbers that another program recorded, as [`u32`](Self::u32), or as floats that are whole, which are noted.
    pub(super) fn counts(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
        let (dtype, bytes) = self.bytes(name, shape)?;
        let values: Vec<f64> = match dtype {
            Dtype::F32 => chunks(bytes).map(|word| f32::from_le_bytes(word).into()).collect(),
            Dtype::F64 => chunks(bytes).map(f64::from_le_bytes).collect(),
            Dtype::F16 => chunks(bytes).map(|word| f16::from_le_bytes(word).to_f64()).collect(),
            Dtype::BF16 => chunks(bytes).map(|word| bf16::from_le_bytes(word).to_f64()).collect(),
            _ => return self.u32(name, shape),
        };
        self.note(name, dtype);
        let whole = |(index, value): (usize, &f64)| {
            let is = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value);
            let wrong =
                || self.error(format!("\"{name}\"[{index}] is {value}, expected a whole number from 0 to 2^32 - 1"));
            if is { Ok(*value as u32) } else { Err(wrong()) }
        };
        values.iter().enumerate().map(whole).collect()
    }

    /// A finite `f32` tensor; `f64` is rounded, as NumPy writes it by default.
    pub(super) fn f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        Ok(self.f64(name, shape)?.into_iter().map(|value| value as f32).collect())
    }

    /// A tensor of `f64`, or of `f32` as earlier versions and other programs write it, each within the range of `f32`.
    pub(super) fn f64(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        let (dtype, bytes) = self.bytes(name, shape)?;
        let values: Vec<f64> = match dtype {
            Dtype::F32 => chunks(bytes).map(|word| f32::from_le_bytes(word).into()).collect(),
            Dtype::F64 => chunks(bytes).map(f64::from_le_bytes).collect(),
            _ => return Err(self.error(format!("\"{name}\" is {dtype}, expected F32 or F64"))),
        };
        self.finite(name, &values)?;
        Ok(values)
    }

    /// A vector in the order of `layout`, of the tensors whose names begin with `prefix`.
    pub(super) fn flat(&self, layout: &ParamLayout, prefix: &str) -> Result<Vec<f32>> {
        let mut values = Vec::with_capacity(layout.len());
        for range in layout.ranges() {
            values.extend(self.f32(&format!("{prefix}{}", range.name), &range.shape)?);
        }
        Ok(values)
    }

    fn finite(&self, name: &str, values: &[f64]) -> Result<()> {
        match values.iter().position(|value| !(*value as f32).is_finite()) {
            Some(index) => {
                Err(self.error(format!("\"{name}\"[{index}] is {}, expected a finite number", values[index])))
            }
            None => Ok(()),
        }
    }

    /// A tensor of whole numbers of any width, none negative or above 2³² − 1.
    pub(super) fn u32(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>> {
        let (dtype, bytes) = self.bytes(name, shape)?;
        let Some(values) = integers(dtype, bytes) else {
            return Err(self.error(format!("\"{name}\" is {dtype}, expected whole numbers (I32, I64, U32, U8, BOOL)")));
        };
        values
            .iter()
            .enumerate()
            .map(|(index, value)| {
                u32::try_from(*value).map_err(|_| {
                    self.error(format!("\"{name}\"[{index}] is {value}, expected a whole number from 0 to 2^32 - 1"))
                })
            })
            .collect()
    }
}
