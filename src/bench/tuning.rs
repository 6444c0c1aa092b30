//! Which kernels are the fastest for one net on one device, found out there and kept in a file.

use super::{Options, Place, pieces, run};
use crate::checkpoint;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, ProductPath};
use crate::kernels::loss_ppo_fused;
use crate::policy::PolicySpec;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a path came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Which kernels.
    pub path: ProductPath,
    /// Median seconds of a minibatch step; `None` where its numbers were not those of the reference, or where it failed.
    pub seconds: Option<f64>,
}

/// The paths of one net on one device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The device: name, API, driver and its version.
    pub adapter: String,
    /// wgpo's version: other versions have other kernels.
    pub wgpo: String,
    /// The net.
    pub spec: PolicySpec,
    /// Rows of a minibatch.
    pub rows: usize,
    /// Every path that there is for such a net, slow ones included.
    pub tried: Vec<Tried>,
}

impl Tuning {
    /// Runs a PPO minibatch step of `spec` on `rows` rows with each path, compares it with the f64 reference, and times it as
    /// [`run`](super::run) does, each for `options.seconds`. A path whose numbers are wrong on this device is not timed, so it is
    /// never the fastest.
    ///
    /// # Errors
    /// A spec that is not valid.
    pub fn measure(gpu: &Gpu, spec: &PolicySpec, rows: usize, options: &Options) -> Result<Self> {
        spec.validate()?;
        let case = pieces::ppo_step("tuning", spec, rows);
        let options = Options { parts: false, ..options.clone() };
        let tried = ProductPath::ALL
            .into_iter()
            .filter(|path| *path != ProductPath::Fused || loss_ppo_fused::fits(spec))
            .map(|path| {
                let row = run(&case, &Place::Gpu(gpu.with_products(path)), &options);
                Tried { path, seconds: row.found.map(|timing| timing.seconds.median) }
            })
            .collect();
        Ok(Self { adapter: gpu.describe(), wgpo: VERSION.to_owned(), spec: spec.clone(), rows, tried })
    }

    /// The path that took least; `None` where none was right.
    pub fn fastest(&self) -> Option<ProductPath> {
        let timed = self.tried.iter().filter_map(|tried| Some((tried.path, tried.seconds?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(path, _)| path)
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A JSON file of tunings, of any number of devices and nets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Tunings {
    /// In the order in which they were made.
    pub tunings: Vec<Tuning>,
}

impl Tunings {
    /// Reads `path`; there are none where there is no such file.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Format`] where it is no file of tunings.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Format { path: path.into(), message: format!("no file of tunings: {error}") }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(Error::Io { path: path.into(), source }),
        }
    }

    /// The tuning of this net on this device by this version of wgpo, if there is one.
    pub fn find(&self, gpu: &Gpu, spec: &PolicySpec, rows: usize) -> Option<&Tuning> {
        let adapter = gpu.describe();
        self.tunings.iter().find(|t| t.adapter == adapter && t.wgpo == VERSION && t.spec == *spec && t.rows == rows)
    }

    /// Adds a tuning in place of the one that [`find`](Self::find) would return, and of those by other versions of wgpo.
    pub fn put(&mut self, tuning: Tuning) {
        let same = |t: &Tuning| t.adapter == tuning.adapter && t.spec == tuning.spec && t.rows == tuning.rows;
        self.tunings.retain(|t| t.wgpo == VERSION && !same(t));
        self.tunings.push(tuning);
    }

    /// Writes the file, whole or not at all. Its folder must be there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Format { path: path.into(), message: format!("cannot be written: {error}") })?;
        checkpoint::write_atomically(path, text.as_bytes())
    }
}
