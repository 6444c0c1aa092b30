//! A kernel as data: what tests can walk without a device.

use super::buffer::Element;

/// A file of `shaders/parts/`: constants, structs and pure functions whose names begin with the part's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// File stem.
    pub name: &'static str,
    /// WGSL text.
    pub source: &'static str,
    /// Parts of its own that go before it where it is chosen by a [`Variant`]. What kernels share is not among them: they list
    /// it themselves.
    pub needs: &'static [Part],
}

/// How a kernel uses a storage buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
}

/// One storage buffer of a kernel. Its number is its place in the list, after the uniforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The word in WGSL, in `Io`, in docs and in error messages.
    pub name: &'static str,
    /// Read, or read and written.
    pub access: Access,
    /// WGSL type of an element.
    pub element: &'static str,
}

/// Type of a field of `Params`.
pub trait ParamKind {
    /// The WGSL type.
    const WGSL: &'static str;
}

impl<T: Element> ParamKind for T {
    const WGSL: &'static str = <T as Element>::WGSL;
}

/// A table of layers.
impl ParamKind for [[u32; 4]; 12] {
    const WGSL: &'static str = "array<vec4<u32>, 12>";
}
impl ParamKind for [[u32; 4]; 6] {
    const WGSL: &'static str = "array<vec4<u32>, 6>";
}

/// One field of `Params`, for comparison with the WGSL struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamField {
    /// Same name on both sides.
    pub name: &'static str,
    /// WGSL type.
    pub kind: &'static str,
    /// Byte offset.
    pub offset: usize,
}

/// Everything about a kernel but its calls.
#[derive(Debug, Clone, Copy)]
pub struct KernelDef {
    /// File stem, entry point, label.
    pub name: &'static str,
    /// WGSL of the kernel itself.
    pub source: &'static str,
    /// Parts that go before it, in order.
    pub parts: &'static [Part],
    /// Bytes of a slot of the [`UniformRing`](super::UniformRing) at binding 1; 0: there is none.
    pub ring: usize,
    /// What it is composed with beside its own parts: a name for each part that a [`Variant`] chooses.
    pub choices: &'static [&'static str],
    /// The parts that the first of those may be, where they are not all that there are of its kind.
    pub options: &'static [Part],
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Name and most elements of a uniform table of `vec4<u32>`, after the uniforms above.
    pub table: Option<(&'static str, usize)>,
    /// Made for hardware: where a driver computes on the CPU, it is run only to be checked. So its code there is short, not fast.
    pub for_hardware: bool,
    /// Storage buffers in order of their numbers.
    pub bindings: &'static [Binding],
    /// Fields of the uniform at binding 0.
    pub params: &'static [ParamField],
    /// Size of that uniform in bytes, a multiple of 16.
    pub params_size: usize,
}

/// The choices that make one pipeline out of a [`KernelDef`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variant {
    /// The parts chosen, one for each of [`KernelDef::choices`], in order.
    pub chosen: Vec<Part>,
    /// The first elements of [`KernelDef::table`], at least one where there is a table; the rest are 0.
    pub table: Vec<[u32; 4]>,
    /// Values of `override` constants.
    pub constants: Vec<(&'static str, f64)>,
}

impl KernelDef {
    /// Number of the first storage binding.
    pub const fn first_binding(&self) -> u32 {
        self.table_binding() + self.table.is_some() as u32
    }

    /// Number of the uniform table, where there is one.
    pub(super) const fn table_binding(&self) -> u32 {
        1 + (self.ring > 0) as u32
    }

    /// Bytes of the uniform table; 0 where there is none.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.map_or(0, |(_, elements)| elements * size_of::<[u32; 4]>())
    }

    /// The whole WGSL text: parts, chosen parts, kernel.
    pub fn compose(&self, variant: &Variant) -> String {
        let mut text = String::new();
        let chosen = variant.chosen.iter().flat_map(|part| part.needs.iter().chain([part]));
        for part in self.parts.iter().chain(chosen) {
            text.push_str(part.source);
            text.push('\n');
        }
        text.push_str(self.source);
        text
    }
}
