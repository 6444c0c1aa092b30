//! Gradient steps of off-policy algorithms.

use super::data::{SEED, waves, wide};
use super::verdicts::chain;
use super::{Case, Prepared, Table};
use crate::agent::OffPolicy;
use crate::algo::GpuOffPolicy;
use crate::check::{CheckRow, EPS, Report, Work};
use crate::config::{Algorithm, AlgorithmKind, Config, Dqn, Replay, Sac, Td3};
use crate::cpu::CpuOffPolicy;
use crate::data::{Actions, EnvStep};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::policy::{Activation, Bounds, Branch, Head, LayerRange, PolicySpec, Std};
use crate::state::LearnerState;
use ndarray::{Array1, Array2};

/// Observations and actions, as the MuJoCo walkers have them.
const OBS: usize = 17;
const ACTIONS: usize = 6;
/// Transitions in the memory: so many environments and steps.
const ENVS: usize = 64;
const STEPS: usize = 40;
/// Steps that are compared: TD3's actor moves in the second.
const COMPARED: u64 = 2;
/// Dispatches that a step of SAC with two hidden layers may take.
const SAC_DISPATCHES: usize = 24;

/// An algorithm, its networks and the rows of its batch.
#[derive(Debug, Clone)]
struct Step {
    kind: AlgorithmKind,
    spec: PolicySpec,
    config: Config,
    rows: usize,
}

pub(super) fn cases(table: &Table) -> Vec<Case> {
    let kinds = [AlgorithmKind::Sac, AlgorithmKind::Td3, AlgorithmKind::Dqn];
    let of_kind = |kind| table.critics.iter().map(move |(name, hidden, rows)| case(kind, name, hidden, *rows));
    kinds.into_iter().flat_map(of_kind).collect()
}

/// One gradient step that moves everything: a batch from the memory, targets, losses, backward, Adam, the targets' step.
fn case(kind: AlgorithmKind, name: &str, hidden: &[usize], rows: usize) -> Case {
    let replay = Replay { buffer_size: ENVS * STEPS, batch_size: rows, ..Sac::sb3().replay };
    let own = match kind {
        AlgorithmKind::Dqn => Algorithm::Dqn(Dqn { replay, tau: 0.005, target_network_frequency: 1, ..Dqn::sb3() }),
        AlgorithmKind::Td3 => Algorithm::Td3(Td3 { replay, policy_lr: 1e-5, ..Td3::sb3() }),
        _ => Algorithm::Sac(Sac { replay, policy_lr: 1e-5, alpha_lr: 1e-5, ..Sac::sb3() }),
    };
    let base = match kind {
        AlgorithmKind::Dqn => Config::dqn_sb3(),
        AlgorithmKind::Td3 => Config::td3_sb3(),
        _ => Config::sac_sb3(),
    };
    // Small steps: what is timed is the same however often it ran.
    let config = Config { num_envs: ENVS, learning_rate: 1e-5, ..base }.with_algorithm(own);
    let head = match kind {
        AlgorithmKind::Dqn => Head::categorical(ACTIONS),
        _ => Head::TanhGaussian { dims: ACTIONS, std: Std::FREE, bounds: Bounds::uniform(ACTIONS, -1.0, 1.0) },
    };
    let spec = kind.fitted(PolicySpec::separate(OBS, hidden, Activation::Relu, head));
    let step = Step { kind, spec, config, rows };
    let (cpu, work) = (step.clone(), step.work());
    let widths: Vec<_> = hidden.iter().map(ToString::to_string).collect();
    let shape = format!("{OBS} obs, {} hidden, {ACTIONS} actions, {rows} rows", widths.join("-"));
    Case::new(format!("{}_update/{name}", kind.name()), shape, work)
        .on_gpu(async move |gpu| step.on_gpu(gpu).await)
        .on_cpu(move || cpu.on_cpu())
}

impl Step {
    async fn on_gpu(&self, gpu: &Gpu) -> Result<Prepared> {
        let mut learner = GpuOffPolicy::new(gpu, self.spec.clone(), self.config.clone(), SEED)?;
        self.fill(&mut learner)?;
        learner.learn_async(COMPARED).await?;
        let after = learner.state_async(true).await?;
        let mut check = self.verdict(&after)?;
        let (calls, slot) = learner.gradient_step()?;
        let hidden = self.spec.hidden(Branch::POLICY).len();
        if self.kind == AlgorithmKind::Sac && hidden <= 2 && calls.len() > SAC_DISPATCHES {
            check.passed = false;
            check.fault = Some(format!("a step is {} dispatches, allowed are {SAC_DISPATCHES}", calls.len()));
        }
        Ok(Prepared::calls_of(check, calls, slot))
    }

    fn on_cpu(&self) -> Result<Prepared> {
        let mut learner = CpuOffPolicy::<f32>::new(self.spec.clone(), self.config.clone(), SEED)?;
        let check = self.verdict(&self.first_steps(&mut learner)?)?;
        Ok(Prepared::host(check, move || learner.learn(1).map(|_| ())))
    }

    /// Fills the memory.
    fn fill(&self, learner: &mut dyn OffPolicy) -> Result<()> {
        (0..STEPS).try_for_each(|number| learner.store(&self.transitions(number)))
    }

    /// Fills the memory and takes the steps that are compared.
    fn first_steps(&self, learner: &mut dyn OffPolicy) -> Result<LearnerState> {
        self.fill(learner)?;
        learner.learn(COMPARED)?;
        learner.state()
    }

    /// A step of all environments, with other numbers for each `number`.
    fn transitions(&self, number: usize) -> EnvStep {
        let phase = number as f32;
        let discrete = self.spec.head.is_discrete();
        EnvStep {
            obs: waves(ENVS, OBS, phase + 0.1),
            actions: if discrete {
                Actions::Discrete(Array2::from_shape_fn((ENVS, 1), |(n, _)| ((n * 7 + number) % ACTIONS) as u32))
            } else {
                Actions::Continuous(waves(ENVS, ACTIONS, phase + 0.3))
            },
            rewards: waves(ENVS, 1, phase + 0.5).column(0).to_owned(),
            next_obs: waves(ENVS, OBS, phase + 0.7),
            terminated: Array1::from_shape_fn(ENVS, |n| u32::from((n + number).is_multiple_of(100))),
            truncated: Array1::zeros(ENVS),
        }
    }

    /// Against the same steps in f64.
    fn verdict(&self, after: &LearnerState) -> Result<CheckRow> {
        let mut oracle = CpuOffPolicy::<f64>::new(self.spec.clone(), self.config.clone(), SEED)?;
        let want = self.first_steps(&mut oracle)?;
        let reason = "forward and backward chains of actor and critics, one behind the other (see forward), √rows of a sum over rows; scale: the \
                      largest element, of the parameters and targets 1 + the steps that Adam may have taken the other way";
        let tolerance = 8.0 * chain(&self.spec) + EPS * (64.0 + (self.rows as f64).sqrt());
        let report = Report::new(self.kind.name(), "", tolerance, reason);
        // First moments are what gradients were: no step divides them by their own size.
        let moments = wide(&want.exp_avg);
        let most = moments.iter().fold(1e-30, |most: f64, value| most.max(value.abs()));
        report.floats("exp_avg", &after.exp_avg, &moments, |_| most);
        report.floats("parameters", &after.parameters, &wide(&want.parameters), |_| 1.0);
        if let (Some(got), Some(want)) = (&after.off_policy, &want.off_policy) {
            report.floats("targets", &got.targets, &wide(&want.targets), |_| 1.0);
        }
        Ok(report.row())
    }

    /// A forward pass is 2 operations a multiply-add, and so is each of the two products of a backward pass; a row of the batch is two observations, an
    /// action and three numbers; parameters, both moments and targets are read and written.
    fn work(&self) -> Work {
        let layout = self.spec.layout();
        let of = |layer: &LayerRange| (layer.inputs * layer.outputs) as f64;
        let macs = |name: &str| layout.layers(name).iter().map(of).sum::<f64>();
        let first = |name: &str| layout.layers(name).first().map_or(0.0, of);
        let (actor, actor_first) = (macs(Branch::POLICY), first(Branch::POLICY));
        let (critic, critic_first) = (macs(Branch::CRITICS[0]), first(Branch::CRITICS[0]));
        // Forward, both products backward less the one to the observations.
        let learns = |all: f64, first: f64| 3.0 * all - first;
        let row = match self.kind {
            AlgorithmKind::Dqn => actor + learns(actor, actor_first),
            // The actor's loss goes through one critic, or through both.
            AlgorithmKind::Td3 => {
                actor + 2.0 * critic + 2.0 * learns(critic, critic_first) + 2.0 * critic + learns(actor, actor_first)
            }
            _ => actor + 2.0 * critic + 2.0 * learns(critic, critic_first) + 4.0 * critic + learns(actor, actor_first),
        };
        let n = self.rows as f64;
        let words = self.spec.head.action_words() as f64;
        let bytes = 4.0 * (n * (2.0 * OBS as f64 + words + 3.0) + 8.0 * layout.len() as f64);
        Work::rows(self.rows, 2.0 * n * row, bytes)
    }
}
