//! A kernel's definition, from one list of names.

/// The choice of a head part, [`KernelDef::choices`](crate::gpu::KernelDef::choices): such a kernel has the uniform `head_table`.
pub const HEAD: &str = "head";
/// The choice of an environment part.
pub const ENV: &str = "env";

/// Most elements of the uniform `head_table`: one on the head, one per action dimension.
pub const HEAD_TABLE: usize = 257;

/// The choices of a kernel with a head, an environment or both.
pub(crate) const fn choices(head: bool, env: bool) -> &'static [&'static str] {
    match (head, env) {
        (true, true) => &[HEAD, ENV],
        (true, false) => &[HEAD],
        (false, true) => &[ENV],
        (false, false) => &[],
    }
}

/// What a kernel says itself, or what there is before it.
pub(crate) const fn last<T: Copy>(values: &[T]) -> T {
    values[values.len() - 1]
}

/// Writes a kernel's `Params`, `Io` and `DEF` from one list of names, so that the three cannot differ.
macro_rules! kernel {
    (
        stem: $stem:literal,
        parts: [$($part:ident),* $(,)?],
        schedule: $schedule:literal,
        head: $head:literal,
        $(heads: $heads:ident,)?
        $(env: $env:literal,)?
        $(invocations: $invocations:literal,)?
        $(for_hardware: $for_hardware:literal,)?
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
            source: $crate::kernels::text::shader!($stem, ".wgsl"),
            parts: &[$($crate::kernels::parts::$part),*],
            ring: if $schedule { size_of::<$crate::kernels::per_update::PerUpdate>() } else { 0 },
            choices: $crate::kernels::define::choices($head, false $(|| $env)?),
            options: $crate::kernels::define::last(&[&[], $($crate::kernels::parts::$heads)?]),
            invocations: $crate::kernels::define::last(&[$crate::kernels::limits::WORKGROUP, $($invocations)?]),
            table: if $head { Some(("head_table", $crate::kernels::define::HEAD_TABLE)) } else { None },
            for_hardware: false $(|| $for_hardware)?,
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
