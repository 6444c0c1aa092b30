//! `--kernels tuned`: the fastest kernels, from a file or measured.

use super::adapters::with_binding_bytes;
use super::choose::ChosenPlace;
use crate::args::place::{Kernels, PlaceArgs};
use crate::files;
use crate::program::one_line;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wgpo::Config;
use wgpo::bench::{Options, Tuning, Tunings};
use wgpo::place::Place;
use wgpo::policy::PolicySpec;

impl ChosenPlace {
    /// With `--kernels tuned` the fastest kernels for `spec` and the minibatches of a batch of `rows`, from the file of tunings or, where it
    /// does not know, measured and added to it.
    pub fn tune(&mut self, args: &PlaceArgs, spec: &PolicySpec, config: &Config, rows: usize) -> Result<()> {
        let (Place::Gpu(gpu), Kernels::Tuned) = (self.place(), args.kernels) else { return Ok(()) };
        if config.replay().is_some() {
            let name = config.algorithm.name();
            bail!("--kernels tuned measures updates on rollouts, {name} learns from a replay memory; leave it out");
        }
        let rows = config.minibatch_rows(rows);
        // A file that was named must do, and is tried before anything takes its time. Our own spares time, no more.
        let kept = match &args.tuning {
            Some(path) => Some((path.clone(), opened(path)?)),
            None => {
                let own = own_tuning().context("there is no cache folder");
                own.and_then(|path| Ok((path.clone(), opened(&path)?))).map_err(|error| not_kept(&error)).ok()
            }
        };
        let known = kept.as_ref().and_then(|(_, tunings)| tunings.find(gpu, spec, rows));
        let (tuning, known) = match known {
            Some(known) => (known.clone(), true),
            None => {
                let larger = with_binding_bytes(gpu, binding_bytes(spec, rows))?;
                (Tuning::measure(&larger, spec, rows, &Options::default())?, false)
            }
        };
        let Some(fastest) = tuning.fastest() else {
            bail!(
                "no kernels compute this net's minibatch step as the reference does; `wgpo check` says where they differ"
            );
        };
        // What failed may have failed for want of memory, and is tried again next time.
        if let Some((path, _)) = kept.filter(|_| !known && tuning.tried.iter().all(|tried| tried.seconds.is_some())) {
            // As it is by now: measuring took a while.
            let written = Tunings::read(&path).and_then(|mut tunings| {
                tunings.put(tuning.clone());
                tunings.write(&path)
            });
            match written {
                Err(error) if args.tuning.is_none() => not_kept(&error.into()),
                other => other?,
            }
        }
        let times: Vec<String> = tuning.tried.iter().map(in_words).collect();
        let source = if known { "as found earlier" } else { "measured now" };
        let words = format!("; {} kernels, {source}: {}", fastest.name(), times.join(", "));
        self.replace(Place::Gpu(gpu.with_products(fastest)), &words);
        Ok(())
    }
}

/// The tunings in `path`, whose folder is made.
fn opened(path: &Path) -> Result<Tunings> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    files::tidy(path);
    Ok(Tunings::read(path)?)
}

fn not_kept(error: &anyhow::Error) {
    tell!("warning: {}; what --kernels tuned finds is not kept, --tuning names another file", one_line(error));
}

/// Where tunings are kept by default.
fn own_tuning() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("wgpo").join("tuning.json"))
}

/// `fused 1.25 ms`.
fn in_words(tried: &wgpo::bench::Tried) -> String {
    match tried.seconds {
        Some(seconds) => format!("{} {:.2} ms", tried.path.name(), 1e3 * seconds),
        None => format!("{} wrong or failed", tried.path.name()),
    }
}

/// Bytes of the largest buffer that a minibatch of `rows` needs: a layer's outputs, or observations.
pub fn binding_bytes(spec: &PolicySpec, rows: usize) -> u64 {
    (rows as u64).saturating_mul(spec.widest().max(spec.head.width()).max(4) as u64).saturating_mul(4)
}
