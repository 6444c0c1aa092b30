//! Numbers of tensors, of whatever type they were stored as.

use safetensors::Dtype;

/// A tensor whose numbers were stored as something else than they are used as, and are other ones now or were rounded before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Name of the tensor.
    pub tensor: String,
    /// Its type in the file: `F16`, `BF16`, `U8`, …
    pub from: String,
}

impl std::fmt::Display for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.tensor, self.from)
    }
}

/// The whole numbers of a tensor, if they are some.
pub(super) fn integers(dtype: Dtype, bytes: &[u8]) -> Option<Vec<i128>> {
    Some(match dtype {
        Dtype::BOOL | Dtype::U8 => bytes.iter().map(|byte| i128::from(*byte)).collect(),
        Dtype::I8 => bytes.iter().map(|byte| i128::from(*byte as i8)).collect(),
        Dtype::U16 => chunks(bytes).map(|word| u16::from_le_bytes(word).into()).collect(),
        Dtype::I16 => chunks(bytes).map(|word| i16::from_le_bytes(word).into()).collect(),
        Dtype::U32 => chunks(bytes).map(|word| u32::from_le_bytes(word).into()).collect(),
        Dtype::I32 => chunks(bytes).map(|word| i32::from_le_bytes(word).into()).collect(),
        Dtype::U64 => chunks(bytes).map(|word| u64::from_le_bytes(word).into()).collect(),
        Dtype::I64 => chunks(bytes).map(|word| i64::from_le_bytes(word).into()).collect(),
        _ => return None,
    })
}

/// Little-endian words; safetensors has checked that the length fits the type.
pub(super) fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}
