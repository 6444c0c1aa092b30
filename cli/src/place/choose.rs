//! The place that the command line asks for, and why it is that one.

use super::adapters::{adapter_choice, adapters, quoted, reopen};
use crate::args::place::{Kernels, PlaceArgs, PlaceName};
use crate::settings::run_config::RunConfig;
use anyhow::{Context, Result, bail};
use std::sync::Arc;
use wgpo::collective::Collective;
use wgpo::gpu::{Gpu, GpuOptions, ProductPath};
use wgpo::place::{AdapterIdentity, Place, PlaceChoice, Reason};

/// Where the numbers are computed, and why there.
pub struct ChosenPlace {
    place: Place,
    words: String,
    /// The ranks that this process, rank 0 of them, leads.
    ranks: Option<Arc<dyn Collective>>,
}

impl ChosenPlace {
    /// What the command line asks for; with `auto`, a hardware GPU if there is one.
    pub fn choose(args: &PlaceArgs) -> Result<Self> {
        if args.backend == PlaceName::Cpu && args.adapter.is_some() {
            bail!("--adapter names a GPU, but --backend cpu uses none; leave one of them out");
        }
        if args.backend == PlaceName::Cpu && args.kernels != Kernels::AUTO {
            bail!("--kernels selects kernels for a GPU, but --backend cpu uses none; leave one of them out");
        }
        if args.tuning.is_some() && args.kernels != Kernels::Tuned {
            bail!("--tuning names the file of --kernels tuned, which is not asked for; leave it out");
        }
        let choice = match (args.backend, &args.adapter) {
            (PlaceName::Cpu, _) => PlaceChoice::Cpu,
            (PlaceName::Auto, None) => PlaceChoice::Auto,
            (PlaceName::Gpu | PlaceName::Auto, name) => PlaceChoice::Gpu(adapter_choice(name.as_deref())),
        };
        let options = GpuOptions { products: args.kernels.path().unwrap_or_default(), ..GpuOptions::default() };
        let (place, reason) = Place::choose(&choice, &options).with_context(|| match args.adapter {
            Some(_) => "--adapter takes an index or a name, as `wgpo info` prints it",
            None => "--backend gpu takes a hardware GPU; --adapter NAME takes a software one, --backend cpu the CPU",
        })?;
        if place.gpu().is_none() && args.kernels != Kernels::AUTO {
            bail!("--kernels needs a GPU: {}", in_words(&reason));
        }
        Ok(Self { words: described(&place, &in_words(&reason)), place, ranks: None })
    }

    /// The same for rank 0 of `ranks`.
    pub fn among(self, ranks: Arc<dyn Collective>) -> Self {
        Self { ranks: Some(ranks), ..self }
    }

    /// The ranks that this process leads, if it is rank 0 of several.
    pub const fn ranks(&self) -> Option<&Arc<dyn Collective>> {
        self.ranks.as_ref()
    }

    /// The place of an earlier run, unless the command line insists on another.
    pub fn choose_again(args: &PlaceArgs, saved: &RunConfig) -> Result<Self> {
        if args.forced().is_none() {
            let elsewhere = "the run cannot continue where it was; --backend or --adapter moves it elsewhere";
            let backend = if saved.backend == "cpu" { PlaceName::Cpu } else { PlaceName::Gpu };
            let adapter = same_adapter(saved).context(elsewhere)?;
            let mut place = Self::choose(&PlaceArgs { backend, adapter, ..args.clone() }).context(elsewhere)?;
            let other = place.keep(args, saved);
            place.words = described(&place.place, "as before") + &other + &place.other_driver(saved);
            return Ok(place);
        }
        let mut place = Self::choose(args)?;
        let other_api = saved.api.is_some() && place.api() != saved.api;
        if place.name() != saved.backend || place.adapter() != saved.adapter || other_api {
            let before = match (&saved.adapter, &saved.api) {
                (Some(adapter), Some(api)) => format!("{adapter} ({api})"),
                (Some(adapter), None) => adapter.clone(),
                (None, _) => "the CPU reference".to_owned(),
            };
            place.words += &format!("; the run was on {before}, so its numbers differ in rounding from here on");
        } else {
            let other = place.keep(args, saved) + &place.other_driver(saved);
            place.words += &other;
        }
        Ok(place)
    }

    /// Says so where the adapter is the same and its driver is not: that is another compiler.
    fn other_driver(&self, saved: &RunConfig) -> String {
        match (&saved.driver, self.driver()) {
            (Some(before), Some(now)) if *before != now => {
                format!("; the driver was {before}, so numbers may differ in rounding from here on")
            }
            _ => String::new(),
        }
    }

    /// Takes the kernels of an earlier run on this adapter, which round as it did, unless the command line names some; then it
    /// says so.
    fn keep(&mut self, args: &PlaceArgs, saved: &RunConfig) -> String {
        let (Place::Gpu(gpu), Some(kernels)) = (&self.place, saved.kernels) else { return String::new() };
        match args.kernels.path() {
            Some(ProductPath::Auto) => self.place = Place::Gpu(gpu.with_products(kernels)),
            Some(other) if other == kernels => {}
            _ => return format!("; the run was with {} kernels, others may round differently", kernels.name()),
        }
        String::new()
    }

    /// Computes at `place` from here on, for the reason `words` too.
    pub fn replace(&mut self, place: Place, words: &str) {
        self.place = place;
        self.words += words;
    }

    /// The place itself.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What was chosen and why, for one line.
    pub fn reason(&self) -> &str {
        &self.words
    }

    /// `gpu` or `cpu`.
    pub const fn name(&self) -> &'static str {
        self.place.name()
    }

    fn identity(&self) -> Option<AdapterIdentity> {
        self.place.gpu().map(|gpu| AdapterIdentity::of(&gpu.adapter_info()))
    }

    /// Name of the adapter, if one is used.
    pub fn adapter(&self) -> Option<String> {
        self.identity().map(|identity| identity.name)
    }

    /// The adapter's driver and its version, if one is used.
    pub fn driver(&self) -> Option<String> {
        self.identity().map(|identity| identity.driver)
    }

    /// What reaches the adapter (`Vulkan`, …), if one is used.
    pub fn api(&self) -> Option<String> {
        self.identity().map(|identity| identity.api)
    }

    /// Which kernels compute networks, if an adapter is used.
    pub fn kernels(&self) -> Option<ProductPath> {
        self.place.gpu().map(Gpu::products)
    }
}

fn described(place: &Place, why: &str) -> String {
    format!("{} ({why})", place.describe())
}

/// Why it is that place, with the option that changes it.
fn in_words(reason: &Reason) -> String {
    match reason {
        Reason::OnlySoftware { handle, .. } => format!("{reason}; --adapter {} takes it", quoted(handle)),
        other => other.to_string(),
    }
}

/// The index of the adapter that a run was on, or its name where the run does not say what reached it. Of several the one behind the same
/// driver, if it is still there.
fn same_adapter(saved: &RunConfig) -> Result<Option<String>> {
    let (Some(name), Some(api)) = (&saved.adapter, &saved.api) else { return Ok(saved.adapter.clone()) };
    let (name, api, driver) = (name.clone(), api.clone(), saved.driver.clone().unwrap_or_default());
    let identity = AdapterIdentity { name, api, driver };
    match identity.find(&adapters()?) {
        Some(found) => Ok(Some(found.index.to_string())),
        None => bail!("it was on {} through {}, which is not available here", identity.name, identity.api),
    }
}

/// Where `wgpo bench` runs, by the same rules as every command, with the device's clock where it has one; and why there.
/// `bytes` is the largest buffer that will be needed.
pub fn bench_place(args: &PlaceArgs, bytes: u64) -> Result<(Place, String)> {
    one_for_all(args)?;
    let ChosenPlace { place, words, .. } = ChosenPlace::choose(args)?;
    let place = match &place {
        Place::Gpu(gpu) => {
            let binding_bytes = Some(bytes).filter(|bytes| *bytes > gpu.limits().max_storage_buffer_binding_size);
            Place::Gpu(reopen(gpu, &GpuOptions { timestamps: true, binding_bytes, ..GpuOptions::default() })?)
        }
        Place::Cpu => Place::Cpu,
    };
    Ok((place, words))
}

/// An error where kernels are to be tuned for one net, and there are several.
pub fn one_for_all(args: &PlaceArgs) -> Result<()> {
    if args.kernels == Kernels::Tuned {
        bail!("--kernels tuned is for one net, and this command has several; name the kernels instead");
    }
    Ok(())
}
