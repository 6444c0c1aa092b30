//! What is asked of an adapter and a device.

/// Which adapter [`super::Gpu::new`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AdapterChoice {
    /// The best hardware adapter: discrete before integrated before virtual.
    #[default]
    Best,
    /// The best (in the order of [`Best`](Self::Best), software last) whose name, driver, driver's version, backend or PCI bus id contain
    /// this text, or every word of it, whatever its case; [`AdapterSummary::handle`](crate::gpu::AdapterSummary::handle) is such a text for each. If different adapters
    /// match it equally well, it is refused.
    Name(String),
    /// This index into [`adapters`](crate::gpu::adapters).
    Index(usize),
}

impl std::str::FromStr for AdapterChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index))
    }
}

/// Which kernels compute networks. The bits are the same on a device that does not fuse multiplications and additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductPath {
    /// [`Direct`](Self::Direct) on an adapter that computes on the CPU, [`Fused`](Self::Fused) on others.
    /// [`bench::Tuning`](crate::bench::Tuning) finds out which is the fastest.
    #[default]
    Auto,
    /// The plain kernels everywhere, even where a faster one would work: to compare, and to find a faulty driver.
    Plain,
    /// Large tiles in registers, each invocation loading its own numbers, layer by layer; rollouts of fewer than 32
    /// environments in one dispatch.
    Direct,
    /// Large tiles, through workgroup memory where the shape suits; forward passes of networks up to 128 wide and rollouts of such
    /// actors in one dispatch ([`crate::kernels::mlp_forward_fused`], [`crate::kernels::rollout_fused`]).
    Staged,
    /// As `Staged`, and the gradients of narrow networks in one dispatch ([`crate::kernels::loss_ppo_fused`]).
    Fused,
}

impl ProductPath {
    /// Every path that [`Gpu::products`](super::Gpu::products) may name.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Direct, Self::Staged, Self::Fused];

    /// In one word, as in files: `fused`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Direct => "direct",
            Self::Staged => "staged",
            Self::Fused => "fused",
        }
    }

    /// Whether tiles go through workgroup memory.
    pub(crate) const fn stages(self) -> bool {
        matches!(self, Self::Staged | Self::Fused)
    }
}

/// What [`super::Gpu::new`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GpuOptions {
    /// Which adapter. An adapter named or indexed is taken even if it is software.
    pub adapter: AdapterChoice,
    /// With [`AdapterChoice::Best`]: whether a software adapter is accepted if there is no other.
    pub allow_software: bool,
    /// Keep wgpu's bounds checks in our shaders. They are off by default: every kernel is tested with them on and stays
    /// inside its buffers.
    pub bounds_checks: bool,
    /// Largest storage binding that will be needed, in bytes. WebGPU's 128 MiB by default; more is asked of the adapter only
    /// when this says so.
    pub binding_bytes: Option<u64>,
    /// Ask for timestamp queries where the adapter has them ([`super::Timestamps`]); without them nothing fails. No kernel needs
    /// them, so only a benchmark asks.
    pub timestamps: bool,
    /// Which kernels compute networks.
    pub products: ProductPath,
}
