//! The checksum over everything that a file says.

use safetensors::View;
use std::collections::BTreeMap;

/// The key of the checksum in `__metadata__`.
pub(super) const CHECKSUM: &str = "checksum";

/// `crc32:` and eight hexadecimal digits over everything that a file says: keys of the metadata and their values except for the
/// checksum's own, then names, types, shapes and bytes of the tensors, all sorted and each with its length before it. It is the
/// same after another program has read the file and written it, in whatever order.
pub(super) fn checksum<'a, V: View>(
    metadata: &BTreeMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, V)>,
) -> String {
    let mut hasher = crc32fast::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (key, value) in metadata.iter().filter(|(key, _)| key.as_str() != CHECKSUM) {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by(|a, b| a.0.cmp(b.0));
    for (name, tensor) in &tensors {
        add(name.as_bytes());
        add(tensor.dtype().to_string().as_bytes());
        add(format!("{:?}", tensor.shape()).as_bytes());
        add(&tensor.data());
    }
    format!("crc32:{:08x}", hasher.finalize())
}
