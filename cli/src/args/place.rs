//! Where to compute, and with which kernels: the same options for every command that computes.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use wgpo::gpu::ProductPath;

/// Where the numbers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlaceName {
    /// A hardware GPU if there is one, else the CPU
    Auto,
    /// The WGSL kernels on an adapter, environments included
    Gpu,
    /// The reference implementation, on this machine's cores
    Cpu,
}

/// Place, adapter and kernels.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Where to compute
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: PlaceName,

    /// Adapter to use, as `wgpo info` writes it: its index, or a part of its name, driver or driver's version; implies
    /// `--backend gpu`. Software adapters are used only if you name one
    #[arg(long, value_name = "NAME|INDEX")]
    pub adapter: Option<String>,

    /// Kernels of networks on a GPU; all compute the same, except for rounding on hardware
    #[arg(long, value_enum, default_value = "auto")]
    pub kernels: Kernels,

    /// File that keeps what `--kernels tuned` found [default: wgpo/tuning.json in the user's cache folder]
    #[arg(long, value_name = "FILE")]
    pub tuning: Option<PathBuf>,
}

impl PlaceArgs {
    /// The kind of place that the command line insists on, if it does.
    pub fn forced(&self) -> Option<&'static str> {
        match (self.backend, &self.adapter) {
            (PlaceName::Gpu, _) | (PlaceName::Auto, Some(_)) => Some("gpu"),
            (PlaceName::Cpu, _) => Some("cpu"),
            (PlaceName::Auto, None) => None,
        }
    }
}

/// Which kernels compute networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Those of a path of the library's.
    Path(ProductPath),
    /// What is fastest.
    Tuned,
}

impl Kernels {
    const ALL: [Self; 6] = {
        let [a, b, c, d] = ProductPath::ALL;
        [Self::AUTO, Self::Path(a), Self::Path(b), Self::Path(c), Self::Path(d), Self::Tuned]
    };
    /// What no option asks for.
    pub const AUTO: Self = Self::Path(ProductPath::Auto);

    /// The library's word; `None` where it is found out.
    pub const fn path(self) -> Option<ProductPath> {
        match self {
            Self::Path(path) => Some(path),
            Self::Tuned => None,
        }
    }
}

impl ValueEnum for Kernels {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let about = match self {
            Self::Path(ProductPath::Auto) => "By the kind of adapter: `direct` on a software one, `fused` on hardware",
            Self::Path(ProductPath::Plain) => "One layer of one network at a time, in small tiles",
            Self::Path(ProductPath::Direct) => "Large tiles in registers",
            Self::Path(ProductPath::Staged) => "Large tiles through workgroup memory",
            Self::Path(ProductPath::Fused) => "As `staged`, with gradients of networks up to 64 wide in one dispatch",
            Self::Tuned => {
                "What is fastest here for a PPO minibatch of this net, measured at its first use (some seconds) and kept in --tuning"
            }
        };
        Some(PossibleValue::new(self.path().map_or("tuned", ProductPath::name)).help(about))
    }
}
