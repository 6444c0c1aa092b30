//! safetensors out, with our errors.

use super::checksum::{CHECKSUM, checksum};
use super::format::format_error;
use crate::error::Result;
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// A file being put together.
#[derive(Default)]
pub(super) struct Writer {
    tensors: Vec<(String, Tensor)>,
    metadata: BTreeMap<String, String>,
}

struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Writer {
    pub(super) fn text(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    pub(super) fn f32<'a>(
        self,
        name: impl Into<String>,
        shape: Vec<usize>,
        values: impl IntoIterator<Item = &'a f32>,
    ) -> Self {
        let bytes = values.into_iter().flat_map(|value| value.to_le_bytes()).collect();
        self.push(name.into(), Tensor { dtype: Dtype::F32, shape, bytes })
    }

    pub(super) fn f64<'a>(
        self,
        name: impl Into<String>,
        shape: Vec<usize>,
        values: impl IntoIterator<Item = &'a f64>,
    ) -> Self {
        let bytes = values.into_iter().flat_map(|value| value.to_le_bytes()).collect();
        self.push(name.into(), Tensor { dtype: Dtype::F64, shape, bytes })
    }

    pub(super) fn u32<'a>(
        self,
        name: impl Into<String>,
        shape: Vec<usize>,
        values: impl IntoIterator<Item = &'a u32>,
    ) -> Self {
        let bytes = values.into_iter().flat_map(|value| value.to_le_bytes()).collect();
        self.push(name.into(), Tensor { dtype: Dtype::U32, shape, bytes })
    }

    #[cfg(test)]
    pub(super) fn bytes(self, name: &str, dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Self {
        self.push(name.into(), Tensor { dtype, shape, bytes })
    }

    #[cfg(test)]
    pub(super) fn remove(&mut self, name: &str) {
        self.tensors.retain(|(other, _)| other != name);
    }

    #[cfg(test)]
    pub(super) fn remove_text(&mut self, key: &str) {
        self.metadata.remove(key);
    }

    fn push(mut self, name: String, tensor: Tensor) -> Self {
        self.tensors.push((name, tensor));
        self
    }

    pub(super) fn finish(mut self, name: &Path) -> Result<Vec<u8>> {
        let wrong = |error: &dyn std::fmt::Display| format_error(name, format!("cannot be written: {error}"));
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        self.metadata.insert(CHECKSUM.to_owned(), checksum(&self.metadata, tensors));
        let tensors = self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
        let bytes = safetensors::serialize(tensors, None).map_err(|error| wrong(&error))?;
        let metadata = serde_json::to_string(&self.metadata).map_err(|error| wrong(&error))?;
        with_metadata(&bytes, &metadata).ok_or_else(|| wrong(&"the header has no end"))
    }
}

/// `file` (8 bytes of header length, header, data) with `__metadata__` put at the front of its header.
///
/// safetensors keeps metadata in a `HashMap`, so it would write the keys in another order each time; ours are sorted, so
/// that equal states are equal files.
fn with_metadata(file: &[u8], metadata: &str) -> Option<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let tensors = header.trim_ascii().strip_prefix(b"{")?;
    let comma = if tensors == b"}" { "" } else { "," };
    let mut header = [format!("{{\"__metadata__\":{metadata}{comma}").as_bytes(), tensors].concat();
    // The format wants the data to begin at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    Some([&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat())
}
