//! Many environments side by side, on threads, into rollouts.

use super::slot::{Slot, caught};
use super::threads::Threads;
use super::{HostAction, HostEnv, RolloutRecorder, Spaces, Start, StepOutcome};
use crate::agent::{ActMode, Agent, OnPolicy};
use crate::data::{Actions, Autoreset, Rollout};
use crate::error::{Error, Result};
use crate::solved::evaluation_seed;
use crate::state::EpisodeStats;
use ndarray::{Array2, ArrayView2};

/// N of your own environments that step side by side, each in its own episodes; see [`HostEnv`] and the [module](super).
///
/// They run on the calling thread unless [`with_threads`](Self::with_threads) says otherwise, with the same bits either way, and are
/// reset in the same step unless [`with_autoreset`](Self::with_autoreset) says otherwise.
pub struct Collector {
    slots: Vec<Slot>,
    spaces: Spaces,
    seed: u64,
    autoreset: Autoreset,
    threads: Threads,
    recorder: Option<RolloutRecorder>,
    /// Steps that each environment has taken.
    step: u64,
    /// Whether all environments must begin new episodes: at the start, and after a fault.
    stale: bool,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("Collector");
        f.field("envs", &self.slots.len()).field("spaces", &self.spaces).field("seed", &self.seed);
        f.field("autoreset", &self.autoreset).field("step", &self.step).finish_non_exhaustive()
    }
}

impl Collector {
    /// `envs`, whose start states are drawn from `seed`. The first [`collect`](Self::collect) resets them.
    ///
    /// # Errors
    /// [`Error::Config`] without an environment, for more than 2³² − 1 of them, for spaces without an observation or an action, or where two
    /// environments' differ; [`Error::Environment`] if asking for the spaces fails.
    pub fn new(envs: Vec<Box<dyn HostEnv>>, seed: u64) -> Result<Self> {
        if u32::try_from(envs.len()).is_err() {
            return Err(Error::config("num_envs", format!("is {}, may be 2³² − 1 at most", envs.len())));
        }
        let mut all: Option<Spaces> = None;
        for (env, own) in envs.iter().enumerate() {
            let spaces = caught("spaces", || Ok(own.spaces()));
            let spaces = spaces.map_err(|message| Error::Environment { env, step: 0, message })?;
            match &all {
                None => all = Some(spaces),
                Some(first) if *first == spaces => (),
                Some(first) => {
                    let message = format!("of environment {env} are {spaces:?}, those of environment 0 {first:?}");
                    return Err(Error::config("spaces", message));
                }
            }
        }
        let Some(spaces) = all else { return Err(Error::config("num_envs", "is 0, must be at least 1")) };
        spaces.policy(&[]).validate()?;
        let slots = envs.into_iter().map(|env| Slot::new(env, spaces.obs_dim)).collect();
        let (autoreset, threads, recorder) = (Autoreset::SameStep, Threads::default(), None);
        Ok(Self { slots, spaces, seed, autoreset, threads, recorder, step: 0, stale: true })
    }

    /// `count` environments, each as `make` makes it from its index.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of<E: HostEnv + 'static>(count: usize, seed: u64, mut make: impl FnMut(usize) -> E) -> Result<Self> {
        Self::new((0..count).map(|index| Box::new(make(index)) as Box<dyn HostEnv>).collect(), seed)
    }

    /// Steps the environments on `threads` threads of the collector's own; 1 is the calling thread, 0 as many as the machine has cores.
    /// No result depends on it. Handing a step to threads takes some 10 µs, so it pays where a step of all environments takes longer.
    /// Without the crate's feature `cpu` threads are started for each step, which takes longer.
    ///
    /// # Errors
    /// [`Error::Config`] if the threads cannot be started.
    pub fn with_threads(mut self, threads: usize) -> Result<Self> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads }.min(self.slots.len());
        self.threads = Threads::new(threads)?;
        Ok(self)
    }

    /// Resets in another of Gymnasium's three ways. With [`Autoreset::Disabled`] an environment whose episode has ended stays as it is to
    /// the end of the window, and begins anew with the next one.
    #[must_use]
    pub fn with_autoreset(mut self, autoreset: Autoreset) -> Self {
        (self.autoreset, self.recorder, self.stale) = (autoreset, None, true);
        self
    }

    /// Environments.
    pub fn envs(&self) -> usize {
        self.slots.len()
    }

    /// What they show and take.
    pub fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// Steps that each environment has taken, those that only reset or stayed included, and one more for each fault: a start that led to
    /// it is not drawn again.
    pub fn steps_taken(&self) -> u64 {
        self.step
    }

    /// New episodes in all environments with the next window, as after `step` steps.
    pub fn restart(&mut self, step: u64) {
        (self.step, self.stale) = (step, true);
    }

    /// A window of `steps` steps of all environments, and the episodes that ended in it. Actions are drawn by `learner`; it goes to
    /// [`OnPolicy::update`]. Episodes that have not ended go on in the next window.
    ///
    /// # Errors
    /// [`Error::Config`] if the policy does not suit the environments, or as [`RolloutRecorder::new`] and [`RolloutRecorder::act`] say;
    /// [`Error::Memory`] if there is no room for the window; whatever the learner returns.
    /// [`Error::Environment`] for the first environment, by index, that failed, panicked or gave a number that is not finite. What was
    /// recorded is lost then, and the next window begins with a reset of all environments, from other start states. The learner has
    /// acted, so its draws and its running statistics of observations have moved on by the steps that were taken; its weights have not.
    pub fn collect(&mut self, learner: &mut dyn OnPolicy, steps: usize) -> Result<(Rollout, EpisodeStats)> {
        self.spaces.check(learner.spec())?;
        self.ask(learner)?;
        let mut recorder = match self.recorder.take() {
            Some(recorder) if recorder.head() == &learner.spec().head => recorder,
            other => {
                // What another policy's episodes had recorded so far is no part of this one's.
                self.stale |= other.is_some();
                RolloutRecorder::new(learner.spec(), steps, self.envs(), self.autoreset)?
            }
        };
        if self.stale {
            recorder.restart();
        }
        let window = recorder.set_steps(steps).and_then(|()| self.window(&mut recorder, learner));
        self.stale |= window.is_err();
        self.recorder = Some(recorder);
        window
    }

    fn window(
        &mut self,
        recorder: &mut RolloutRecorder,
        learner: &mut dyn OnPolicy,
    ) -> Result<(Rollout, EpisodeStats)> {
        if self.stale {
            self.begin(self.seed, |_| true)?;
            self.stale = false;
        } else if self.autoreset == Autoreset::Disabled {
            self.begin(self.seed, |slot| slot.ended)?;
        }
        while !recorder.is_full() {
            let (obs, allowed) = (self.obs()?, self.allowed()?);
            let actions = recorder.act(learner, obs.view(), allowed.as_ref().map(|flags| flags.view()))?;
            self.advance(self.seed, &actions, self.autoreset)?;
            let of = |flag: fn(&Slot) -> bool| self.slots.iter().map(flag).collect::<Vec<_>>();
            let last_obs = self.rows(|slot| &slot.last_obs)?;
            let outcome = StepOutcome {
                rewards: &self.slots.iter().map(|slot| slot.outcome.reward).collect::<Vec<_>>(),
                terminated: &of(|slot| slot.outcome.terminated),
                truncated: &of(|slot| slot.outcome.truncated),
                last_obs: last_obs.view(),
            };
            recorder.outcome(learner, &outcome)?;
        }
        recorder.finish(learner, self.obs()?.view())
    }

    /// Returns and lengths of `episodes` episodes. Environment n plays as many of them as every other, or one more if n is below the
    /// remainder: it is not the quick ones that are counted. Start states follow from the collector's seed alone, so every call sees the
    /// same, and none that [`collect`](Self::collect) has: the seed in [`Start`] is the [`evaluation_seed`] of the
    /// collector's, as in [`evaluate`](crate::cpu::evaluate()) with that seed.
    ///
    /// [`ActMode::Greedy`] leaves the learner as it was; [`ActMode::Sample`] advances its draws and its running statistics of
    /// observations. An environment that has played its part continues until all have, so the learner sees the same batch size throughout.
    /// This collector's next window begins with a reset of all environments.
    ///
    /// If an episode never ends, neither does this: [`HostEnv::time_limit`].
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    pub fn evaluate(&mut self, learner: &mut dyn Agent, episodes: usize, mode: ActMode) -> Result<EpisodeStats> {
        self.spaces.check(learner.spec())?;
        self.ask(learner)?;
        let step = self.step;
        let outcome = self.play(learner, episodes, mode);
        self.restart(step);
        outcome
    }

    fn play(&mut self, learner: &mut dyn Agent, episodes: usize, mode: ActMode) -> Result<EpisodeStats> {
        let envs = self.envs();
        let share = |n: usize| episodes / envs + usize::from(n < episodes % envs);
        let mut played: Vec<EpisodeStats> = vec![EpisodeStats::NONE; envs];
        let mut now: Vec<(f64, u64)> = vec![(0.0, 0); envs];
        // Not where training begins.
        let seed = evaluation_seed(self.seed);
        self.step = 0;
        self.begin(seed, |_| true)?;
        while played.iter().enumerate().any(|(n, stats)| stats.count < share(n) as u64) {
            let (obs, allowed) = (self.obs()?, self.allowed()?);
            let acted = learner.act_masked(obs.view(), allowed.as_ref().map(|flags| flags.view()), mode)?;
            self.advance(seed, &acted.env_actions, Autoreset::SameStep)?;
            for (n, ((slot, now), stats)) in self.slots.iter().zip(&mut now).zip(&mut played).enumerate() {
                *now = (now.0 + f64::from(slot.outcome.reward), now.1 + 1);
                if slot.outcome.terminated || slot.outcome.truncated {
                    let (total, length) = std::mem::take(now);
                    if stats.count < share(n) as u64 {
                        *stats = stats.merge(EpisodeStats::of(total, length));
                    }
                }
            }
        }
        Ok(played.into_iter().fold(EpisodeStats::NONE, EpisodeStats::merge))
    }

    /// Masks from now on where the policy's head has them.
    fn ask(&mut self, learner: &dyn Agent) -> Result<()> {
        let head = &learner.spec().head;
        let choices = if head.is_masked() { head.raw_outputs() } else { 0 };
        // Asked at the reset.
        self.stale |= self.slots.iter().any(|slot| slot.allowed.len() != choices);
        self.slots.iter_mut().for_each(|slot| slot.ask(choices));
        Ok(())
    }

    /// New episodes in the environments that `which` names.
    fn begin(&mut self, seed: u64, which: impl Fn(&Slot) -> bool + Sync) -> Result<()> {
        let step = self.step;
        let outcome = self.each(move |index, slot| {
            if which(slot) {
                slot.begin(Start { seed, env: index as u32, step });
            }
        });
        self.step = self.step.saturating_add(outcome.is_err().into());
        outcome
    }

    /// One step of all environments.
    fn advance(&mut self, seed: u64, actions: &Actions, autoreset: Autoreset) -> Result<()> {
        let start = Start { seed, env: 0, step: self.step.saturating_add(1) };
        let indices = actions.indices().map(|all| all.as_standard_layout());
        let floats = match actions {
            Actions::Continuous(all) => Some(all.as_standard_layout()),
            _ => None,
        };
        let outcome = self.each(|index, slot| {
            let action = HostAction {
                indices: indices.as_ref().and_then(|all| all.row(index).to_slice()).unwrap_or_default(),
                floats: floats.as_ref().and_then(|all| all.row(index).to_slice()).unwrap_or_default(),
            };
            slot.step(action, autoreset, Start { env: index as u32, ..start });
        });
        // After a fault two: that of the reset inside the step, if it was at fault, is not drawn again either.
        self.step = self.step.saturating_add(1 + u64::from(outcome.is_err()));
        outcome
    }

    /// `work` on every slot, on the threads; then the first fault, by index.
    fn each(&mut self, work: impl Fn(usize, &mut Slot) + Sync) -> Result<()> {
        self.threads.each(&mut self.slots, work);
        let step = self.step;
        let fault = |(env, slot): (usize, &mut Slot)| {
            slot.fault.take().map(|message| Error::Environment { env, step, message })
        };
        // All are taken, so that none is left for a later call.
        let faults: Vec<Error> = self.slots.iter_mut().enumerate().filter_map(fault).collect();
        faults.into_iter().next().map_or(Ok(()), Err)
    }

    fn obs(&self) -> Result<Array2<f32>> {
        self.rows(|slot| &slot.obs)
    }

    fn rows<T: Copy>(&self, row: impl Fn(&Slot) -> &[T]) -> Result<Array2<T>> {
        let width = self.slots.first().map_or(0, |slot| row(slot).len());
        let all: Vec<T> = self.slots.iter().flat_map(row).copied().collect();
        let view = ArrayView2::from_shape((self.slots.len(), width), &all);
        view.map(|rows| rows.to_owned()).map_err(|_| Error::shape("obs", &[all.len()], &[self.slots.len(), width]))
    }

    /// `None` where nobody asks for masks.
    fn allowed(&self) -> Result<Option<Array2<bool>>> {
        let asked = self.slots.first().is_some_and(|slot| !slot.allowed.is_empty());
        asked.then(|| self.rows(|slot| &slot.allowed)).transpose()
    }
}
