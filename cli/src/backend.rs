//! The one place that makes concrete learners, trainers and devices: which backend, and why.

use crate::adapters::{adapter_choice, again, api, roomy, same_adapter, why_no_gpu};
use crate::args::{BackendArgs, BackendChoice, KernelsChoice};
use crate::files;
use crate::settings::RunConfig;
use anyhow::{Context, Result, bail};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wgpo::algo::{GpuLearner, GpuTrainer, GpuTrainerGroup};
use wgpo::bench::{Options, Place, Tuning, Tunings};
use wgpo::env::Env;
use wgpo::gpu::{Gpu, GpuOptions, ProductPath};
use wgpo::policy::{Network, PolicySpec};
use wgpo::reference::{CpuLearner, CpuTrainer};
use wgpo::trainer::{IterationStats, Trainer, TrainerState};
use wgpo::{Learner, LearnerState, PpoConfig};

/// Where the numbers are computed, and why there.
pub struct Backend {
    place: Place,
    reason: String,
}

/// The backend that the command line insists on, if it does.
pub fn forced(args: &BackendArgs) -> Option<&'static str> {
    match (args.backend, &args.adapter) {
        (BackendChoice::Gpu, _) | (BackendChoice::Auto, Some(_)) => Some("gpu"),
        (BackendChoice::Cpu, _) => Some("cpu"),
        (BackendChoice::Auto, None) => None,
    }
}

impl Backend {
    /// The backend that the command line asks for; with `auto`, a hardware GPU if there is one.
    pub fn choose(args: &BackendArgs) -> Result<Self> {
        if args.backend == BackendChoice::Cpu && args.adapter.is_some() {
            bail!("--adapter names a GPU, --backend cpu uses none; leave one of them out");
        }
        if args.backend == BackendChoice::Cpu && args.kernels != KernelsChoice::Auto {
            bail!("--kernels is about a GPU, --backend cpu uses none; leave one of them out");
        }
        if args.tuning.is_some() && args.kernels != KernelsChoice::Tuned {
            bail!("--tuning names the file of --kernels tuned, which is not asked for; leave it out");
        }
        let products = args.kernels.path().unwrap_or_default();
        match forced(args) {
            Some("gpu") => {
                let adapter = adapter_choice(args.adapter.as_deref());
                let gpu = Gpu::new(&GpuOptions { adapter, products, ..GpuOptions::default() });
                let gpu = gpu.with_context(|| match args.adapter {
                    Some(_) => "--adapter wants an index or a name, as `wgpo info` writes it",
                    None => {
                        "--backend gpu takes a hardware GPU; --adapter NAME takes a software one, --backend cpu the CPU"
                    }
                })?;
                Ok(Self::gpu(gpu, "as asked for"))
            }
            Some(_) => Ok(Self::cpu("as asked for")),
            None => Ok(match Gpu::new(&GpuOptions { products, ..GpuOptions::default() }) {
                Ok(gpu) => Self::gpu(gpu, "the best hardware GPU here"),
                Err(error) if args.kernels != KernelsChoice::Auto => {
                    bail!("--kernels is about a GPU: {}", why_no_gpu(&error));
                }
                Err(error) => Self::cpu(&why_no_gpu(&error)),
            }),
        }
    }

    /// With `--kernels tuned` the fastest kernels for `spec` and minibatches of `rows`, from the file of tunings or, where it
    /// does not know, measured and added to it.
    pub fn tune(&mut self, args: &BackendArgs, spec: &PolicySpec, rows: usize) -> Result<()> {
        let (Place::Gpu(gpu), KernelsChoice::Tuned) = (&self.place, args.kernels) else { return Ok(()) };
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
                let roomy = roomy(gpu, binding_bytes(spec, rows))?;
                (Tuning::measure(&roomy, spec, rows, &Options::default())?, false)
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
        let times: Vec<String> = tuning.tried.iter().map(told).collect();
        let source = if known { "as found earlier" } else { "measured now" };
        self.place = Place::Gpu(gpu.with_products(fastest));
        self.reason += &format!("; {} kernels, {source}: {}", fastest.name(), times.join(", "));
        Ok(())
    }

    /// Which kernels compute networks, if an adapter is used.
    pub fn kernels(&self) -> Option<ProductPath> {
        match &self.place {
            Place::Gpu(gpu) => Some(gpu.products()),
            Place::Cpu => None,
        }
    }

    /// The backend of an earlier run, unless the command line insists on another.
    pub fn choose_again(args: &BackendArgs, saved: &RunConfig) -> Result<Self> {
        let Some(_) = forced(args) else {
            let elsewhere = "the run cannot go on where it was; --backend or --adapter takes it elsewhere";
            let backend = if saved.backend == "cpu" { BackendChoice::Cpu } else { BackendChoice::Gpu };
            let adapter = same_adapter(saved).context(elsewhere)?;
            let mut backend = Self::choose(&BackendArgs { backend, adapter, ..args.clone() }).context(elsewhere)?;
            let other = backend.keep(args, saved);
            backend.reason = backend.described("as before") + &other + &backend.other_driver(saved);
            return Ok(backend);
        };
        let mut backend = Self::choose(args)?;
        let other_api = saved.api.is_some() && backend.api() != saved.api;
        if backend.name() != saved.backend || backend.adapter() != saved.adapter || other_api {
            let before = match (&saved.adapter, &saved.api) {
                (Some(adapter), Some(api)) => format!("{adapter} ({api})"),
                (Some(adapter), None) => adapter.clone(),
                (None, _) => "the CPU reference".to_owned(),
            };
            backend.reason += &format!("; the run was on {before}, so its numbers differ in rounding from here on");
        } else {
            let other = backend.keep(args, saved) + &backend.other_driver(saved);
            backend.reason += &other;
        }
        Ok(backend)
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
    fn keep(&mut self, args: &BackendArgs, saved: &RunConfig) -> String {
        let (Place::Gpu(gpu), Some(kernels)) = (&self.place, saved.kernels) else { return String::new() };
        match args.kernels.path() {
            Some(ProductPath::Auto) => self.place = Place::Gpu(gpu.with_products(kernels)),
            Some(other) if other == kernels => {}
            _ => return format!("; the run was with {} kernels, others may round differently", kernels.name()),
        }
        String::new()
    }

    fn gpu(gpu: Gpu, why: &str) -> Self {
        let mut backend = Self { place: Place::Gpu(gpu), reason: String::new() };
        backend.reason = backend.described(why);
        backend
    }

    fn cpu(why: &str) -> Self {
        let mut backend = Self { place: Place::Cpu, reason: String::new() };
        backend.reason = backend.described(why);
        backend
    }

    fn described(&self, why: &str) -> String {
        match &self.place {
            Place::Gpu(gpu) => format!("GPU {} ({why})", gpu.describe()),
            Place::Cpu => format!("CPU reference in f32 ({why})"),
        }
    }

    /// What was chosen and why, for one line.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// `gpu` or `cpu`.
    pub fn name(&self) -> &'static str {
        match &self.place {
            Place::Gpu(_) => "gpu",
            Place::Cpu => "cpu",
        }
    }

    /// Name of the adapter, if one is used.
    pub fn adapter(&self) -> Option<String> {
        match &self.place {
            Place::Gpu(gpu) => Some(gpu.adapter_info().name),
            Place::Cpu => None,
        }
    }

    /// The adapter's driver and its version, if one is used.
    pub fn driver(&self) -> Option<String> {
        match &self.place {
            Place::Gpu(gpu) => Some(gpu.driver()),
            Place::Cpu => None,
        }
    }

    /// What reaches the adapter (`Vulkan`, …), if one is used.
    pub fn api(&self) -> Option<String> {
        match &self.place {
            Place::Gpu(gpu) => Some(api(&gpu.adapter_info())),
            Place::Cpu => None,
        }
    }

    /// A trainer at the beginning of the run.
    pub fn trainer(&self, run: &RunConfig) -> Result<Box<dyn Trainer>> {
        let (env, spec, config) = (run.env, run.policy.clone(), run.ppo.clone());
        Ok(match &self.place {
            Place::Gpu(gpu) => {
                let gpu = roomy(gpu, GpuTrainer::binding_bytes(&spec, &config))?;
                Box::new(GpuTrainer::new(&gpu, env, spec, config, run.seed)?)
            }
            Place::Cpu => Box::new(CpuTrainer::new(env, spec, config, run.seed)?),
        })
    }

    /// A trainer that goes on from `state`, which is of the run's policy and task; nothing is drawn that it then replaces.
    pub fn trainer_from(&self, run: &RunConfig, state: &TrainerState) -> Result<Box<dyn Trainer>> {
        let (spec, config) = (run.policy.clone(), run.ppo.clone());
        Ok(match &self.place {
            Place::Gpu(gpu) => {
                let gpu = roomy(gpu, GpuTrainer::binding_bytes(&spec, &config))?;
                Box::new(GpuTrainer::from_state(&gpu, spec, config, state)?)
            }
            Place::Cpu => Box::new(CpuTrainer::from_state(spec, config, state)?),
        })
    }

    /// A trainer per seed, which advance together.
    pub fn group(&self, env: Env, spec: &PolicySpec, config: &PpoConfig, seeds: &[u64]) -> Result<Group> {
        Ok(match &self.place {
            Place::Gpu(gpu) => {
                let gpu = roomy(gpu, GpuTrainer::binding_bytes(spec, config))?;
                Group::Gpu(GpuTrainerGroup::new(&gpu, env, spec, config, seeds)?)
            }
            Place::Cpu => Group::Cpu(CpuTrainer::group(env, spec, config, seeds)?),
        })
    }

    /// A trainer for each of `starts`, with the settings of `run`, which advance together. Nothing is drawn that a state then replaces.
    pub fn group_from(&self, run: &RunConfig, starts: &[Start<'_>]) -> Result<Group> {
        let (env, spec, config) = (run.env, &run.policy, &run.ppo);
        Ok(match &self.place {
            Place::Gpu(gpu) => {
                let gpu = roomy(gpu, GpuTrainer::binding_bytes(spec, config))?;
                let trainer = |start: &Start<'_>| {
                    Ok(match start {
                        Start::Seed(seed) => GpuTrainer::new(&gpu, env, spec.clone(), config.clone(), *seed)?,
                        Start::State(state) => GpuTrainer::from_state(&gpu, spec.clone(), config.clone(), state)?,
                    })
                };
                let trainers = starts.iter().map(trainer).collect::<Result<_>>()?;
                Group::Gpu(GpuTrainerGroup::of(&gpu, trainers)?)
            }
            Place::Cpu => {
                CpuTrainer::check_group(env, spec, config, starts.len())?;
                let trainer = |start: &Start<'_>| {
                    Ok(match start {
                        Start::Seed(seed) => CpuTrainer::new(env, spec.clone(), config.clone(), *seed)?,
                        Start::State(state) => CpuTrainer::from_state(spec.clone(), config.clone(), state)?,
                    })
                };
                Group::Cpu(starts.iter().map(trainer).collect::<Result<_>>()?)
            }
        })
    }

    /// A learner that goes on from `state`.
    pub fn learner_from(&self, spec: PolicySpec, config: PpoConfig, state: &LearnerState) -> Result<Box<dyn Learner>> {
        Ok(match &self.place {
            Place::Gpu(gpu) => Box::new(GpuLearner::from_state(gpu, spec, config, state)?),
            Place::Cpu => Box::new(CpuLearner::<f32>::from_state(spec, config, state)?),
        })
    }
}

/// Where a trainer of a group begins.
pub enum Start<'s> {
    /// With drawn weights.
    Seed(u64),
    /// Where its run was when it saved this.
    State(&'s TrainerState),
}

/// Several trainers: on the device in one submission, on the CPU spread over its cores.
pub enum Group {
    Gpu(GpuTrainerGroup),
    Cpu(Vec<CpuTrainer>),
}

impl Group {
    /// One iteration of those that are `active`, each followed by `after`: its run, its trainer, what came out, and the seconds that
    /// it took (on the device, those of all together). After an error in one the others are whole.
    pub fn advance<R: Send>(
        &mut self,
        runs: &mut [R],
        active: &[bool],
        after: impl Fn(&mut R, &mut dyn Trainer, &IterationStats, f64) -> Result<()> + Sync,
    ) -> Result<()> {
        let start = Instant::now();
        match self {
            Self::Gpu(group) => {
                let all = group.iterate_where(active)?;
                let elapsed = start.elapsed().as_secs_f64();
                let each = runs.iter_mut().zip(group.trainers_mut()).zip(all);
                every(each.filter_map(|((run, trainer), stats)| Some(after(run, trainer, &stats?, elapsed))))
            }
            Self::Cpu(trainers) => {
                let each = runs.par_iter_mut().zip(trainers.par_iter_mut()).zip(active.par_iter());
                let outcomes: Vec<Result<()>> = each
                    .filter(|(_, active)| **active)
                    .map(|((run, trainer), _)| {
                        let start = Instant::now();
                        let stats = trainer.iterate()?;
                        after(run, trainer, &stats, start.elapsed().as_secs_f64())
                    })
                    .collect();
                every(outcomes.into_iter())
            }
        }
    }

    /// The trainer at `index`, in the order of the seeds.
    pub fn trainer(&mut self, index: usize) -> Result<&mut dyn Trainer> {
        let trainer = match self {
            Self::Gpu(group) => group.trainers_mut().get_mut(index).map(|trainer| trainer as &mut dyn Trainer),
            Self::Cpu(trainers) => trainers.get_mut(index).map(|trainer| trainer as &mut dyn Trainer),
        };
        trainer.with_context(|| format!("there is no trainer {index}"))
    }

    /// One iteration of each.
    pub fn iterate(&mut self) -> Result<Vec<IterationStats>> {
        Ok(match self {
            Self::Gpu(group) => group.iterate()?,
            Self::Cpu(trainers) => trainers.par_iter_mut().map(Trainer::iterate).collect::<Result<_, _>>()?,
        })
    }
}

/// Takes all steps, also those after one that fails; the first error.
pub fn every(steps: impl Iterator<Item = Result<()>>) -> Result<()> {
    let mut first = Ok(());
    for step in steps {
        first = first.and(step);
    }
    first
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
    tell!("warning: {}; what --kernels tuned finds is not kept, --tuning names another file", crate::one_line(error));
}

/// Where tunings are kept by default.
fn own_tuning() -> Option<PathBuf> {
    Some(dirs::cache_dir()?.join("wgpo").join("tuning.json"))
}

/// `fused 1.25 ms`.
fn told(tried: &wgpo::bench::Tried) -> String {
    match tried.seconds {
        Some(seconds) => format!("{} {:.2} ms", tried.path.name(), 1e3 * seconds),
        None => format!("{} wrong or failed", tried.path.name()),
    }
}

/// Bytes of the largest buffer that a minibatch of `rows` needs: a layer's outputs, or observations.
pub fn binding_bytes(spec: &PolicySpec, rows: usize) -> u64 {
    let widest = Network::ALL.into_iter().flat_map(|network| spec.sizes(network)).max().unwrap_or(1);
    (rows as u64).saturating_mul(widest.max(spec.head.width()).max(4) as u64).saturating_mul(4)
}

/// Where `wgpo bench` runs, by the same rules as every command, with the device's clock where it has one; and why there.
/// `bytes` is the largest buffer that will be needed.
pub fn bench_place(args: &BackendArgs, bytes: u64) -> Result<(Place, String)> {
    one_for_all(args)?;
    let backend = Backend::choose(args)?;
    let place = match &backend.place {
        Place::Gpu(gpu) => {
            let binding_bytes = Some(bytes).filter(|bytes| *bytes > gpu.limits().max_storage_buffer_binding_size);
            Place::Gpu(again(gpu, GpuOptions { timestamps: true, binding_bytes, ..GpuOptions::default() })?)
        }
        Place::Cpu => Place::Cpu,
    };
    Ok((place, backend.reason))
}

/// An error where kernels are to be tuned for one net, and there are several.
pub fn one_for_all(args: &BackendArgs) -> Result<()> {
    if args.kernels == KernelsChoice::Tuned {
        bail!("--kernels tuned is for one net, and this command has several; name the kernels instead");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_keeps_none_from_being_taken() {
        let mut taken = Vec::new();
        let outcome = every([1, 2, 3, 4].into_iter().map(|step| {
            taken.push(step);
            if step % 2 == 0 { bail!("step {step}") } else { Ok(()) }
        }));
        assert_eq!((outcome.unwrap_err().to_string().as_str(), taken), ("step 2", vec![1, 2, 3, 4]));
        every(std::iter::empty()).unwrap();
    }
}
