//! A kernel as data: what tests can walk without a device.

use super::buffer::Element;

/// A file of `shaders/parts/`: constants, structs and pure functions whose names begin with the part's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// File stem.
    pub name: &'static str,
    /// WGSL text.
    pub source: &'static str,
    /// Parts of a head part's own that go before it. What kernels share is not among them: they list it themselves.
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
    /// Whether binding 1 is the [`super::Schedule`] uniform.
    pub schedule: bool,
    /// Whether it is composed with one of the head parts, and has the uniform `head_table` after those above.
    pub head: bool,
    /// Whether it is composed with one of the environment parts.
    pub env: bool,
    /// Storage buffers in order of their numbers.
    pub bindings: &'static [Binding],
    /// Fields of the uniform at binding 0.
    pub params: &'static [ParamField],
    /// Size of that uniform in bytes, a multiple of 16.
    pub params_size: usize,
}

/// Elements of the uniform `head_table`: one on the head, one per action dimension.
pub const HEAD_TABLE: usize = 257;

/// Its size in bytes.
pub(super) const HEAD_TABLE_BYTES: usize = HEAD_TABLE * size_of::<[u32; 4]>();

/// The choices that make one pipeline out of a [`KernelDef`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Variant {
    /// The head part, for kernels with [`KernelDef::head`].
    pub head: Option<Part>,
    /// The environment part, for kernels with [`KernelDef::env`].
    pub env: Option<Part>,
    /// What the head part's functions know of the actions' dimensions: the first elements of the uniform `head_table`
    /// ([`HEAD_TABLE`] of them at most; the rest are 0).
    pub head_table: Vec<[u32; 4]>,
    /// Values of `override` constants.
    pub constants: Vec<(&'static str, f64)>,
}

impl KernelDef {
    /// Number of the first storage binding.
    pub const fn first_binding(&self) -> u32 {
        1 + self.schedule as u32 + self.head as u32
    }

    /// Number of the uniform `head_table`.
    pub(super) const fn head_binding(&self) -> u32 {
        1 + self.schedule as u32
    }

    /// The whole WGSL text: parts, head, environment, kernel.
    pub fn compose(&self, variant: &Variant) -> String {
        let mut text = String::new();
        let own = variant.head.iter().flat_map(|head| head.needs);
        for part in self.parts.iter().chain(own).chain(&variant.head).chain(&variant.env) {
            text.push_str(part.source);
            text.push('\n');
        }
        text.push_str(self.source);
        text
    }
}

/// Writes a kernel's `Params`, `Io` and `DEF` from one list of names, so that the three cannot differ.
macro_rules! kernel {
    (
        stem: $stem:literal,
        parts: [$($part:ident),* $(,)?],
        schedule: $schedule:literal,
        head: $head:literal,
        $(env: $env:literal,)?
        params: { $($(#[$pdoc:meta])* $pvis:vis $param:ident : $pkind:ty),* $(,)? },
        io: { $($(#[$bdoc:meta])* $binding:ident : $access:ident $element:ty),* $(,)? } $(,)?
    ) => {
        /// The uniform at binding 0: plain 4-byte scalars, see the fields. Start from `Params::default()`.
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, Default, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct Params {
            $($(#[$pdoc])* $pvis $param: $pkind),*
        }

        /// The storage buffers, named as in the WGSL.
        #[derive(Debug, Clone, Copy)]
        pub struct Io<'a> {
            $($(#[$bdoc])* pub $binding: &'a $crate::gpu::Buffer<$element>),*
        }

        impl Io<'_> {
            /// The buffers in order of their binding numbers.
            fn buffers(&self) -> Vec<$crate::gpu::Bind<'_>> {
                vec![$($crate::gpu::Bind::new(stringify!($binding), $crate::gpu::Access::$access, self.$binding)),*]
            }
        }

        /// The definition that tests walk.
        pub const DEF: $crate::gpu::KernelDef = $crate::gpu::KernelDef {
            name: $stem,
            source: include_str!(concat!("../../shaders/", $stem, ".wgsl")),
            parts: &[$($crate::kernels::parts::$part),*],
            schedule: $schedule,
            head: $head,
            env: false $(|| $env)?,
            bindings: &[$($crate::gpu::Binding {
                name: stringify!($binding),
                access: $crate::gpu::Access::$access,
                element: <$element as $crate::gpu::Element>::WGSL,
            }),*],
            params: &[$($crate::gpu::ParamField {
                name: stringify!($param),
                kind: <$pkind as $crate::gpu::ParamKind>::WGSL,
                offset: std::mem::offset_of!(Params, $param),
            }),*],
            params_size: size_of::<Params>(),
        };
    };
}
pub(crate) use kernel;
