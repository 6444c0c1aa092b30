//! Draws, and the most probable actions.

use super::heads::{Walk, actions_of, array, masked, name, rows_of};
use super::wide_sizes::{MARGIN, REASON, Sizes, TOLERANCE, ranges, taken};
use crate::check::case::Case;
use crate::check::head_accuracy::{accuracy, draws};
use crate::check::support::{EPS, Guarded, Random, Report, schedule};
use crate::data::Actions;
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, UniformRing};
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{policy_sample, policy_sample_wide};
use crate::policy::Head;
use crate::reference::head::log_prob;
use crate::reference::head_actions::{draw_margins, greedy, sample, to_env};
use crate::reference::head_categorical::log_softmax;
use crate::rng::{Draw, block, uniform};
use ndarray::{Array2, ArrayView1, s};

// What lies before the numbers of a buffer must stay.
const ACTIONS_OFFSET: usize = 5;
const LOGP_OFFSET: usize = 2;
const ENV_OFFSET: usize = 3;

/// The step of the first draw: its low word overflows when the offset is added.
const FIRST: u64 = (7_u64 << 32) + u32::MAX as u64 - 1;
const STEP_OFFSET: u32 = 3;
const STEP: u64 = FIRST + STEP_OFFSET as u64;

#[derive(Clone)]
struct Sample {
    walk: Walk,
    head: Head,
    rows: usize,
    /// The most probable action instead of a draw.
    mode: bool,
}

struct Inputs {
    dist: Vec<f32>,
    /// Action words of which the masks are there before; none without a mask.
    masks: Vec<u32>,
    /// All words of `actions`: a mark stands for everything but masks.
    initial: Vec<u32>,
    /// The rows as the reference sees them.
    p: Array2<f64>,
}

struct Outputs {
    head_outputs: Guarded<f32>,
    actions: Guarded<u32>,
    env_actions: Guarded<u32>,
    logp: Guarded<f32>,
}

impl Sample {
    fn seed(&self) -> u64 {
        0x1111_2222_3333_4444_u64 + self.rows as u64
    }

    fn inputs(&self) -> Result<Inputs> {
        let Self { head, rows, .. } = self;
        let mut random = Random::new(*rows as u64);
        let dist = rows_of(head, &mut random, *rows, 1.5);
        let (dims, width) = (head.action_dims(), head.action_words());
        let masks = if head.is_masked() { actions_of(head, &mut random, &dist) } else { Vec::new() };
        let before = Actions::from_words(head, masks.len() / width, &masks)?;
        let mut initial = vec![0x7f7f_7f7f; ACTIONS_OFFSET + rows * width];
        for (row, words) in masks.chunks(width).enumerate() {
            let at = ACTIONS_OFFSET + row * width;
            initial[at + dims..at + width].copy_from_slice(&words[dims..]);
        }
        let p = if head.is_masked() { masked(head, &dist, &before)? } else { array(head, &dist) };
        Ok(Inputs { dist, masks, initial, p })
    }

    fn bind(&self, gpu: &Gpu, outputs: &Outputs, ring: &UniformRing) -> Result<Vec<Call>> {
        let (rows, greedy, step_offset) = (self.rows as u32, u32::from(self.mode), STEP_OFFSET);
        let (actions_offset, logp_offset) = (ACTIONS_OFFSET as u32, LOGP_OFFSET as u32);
        let env_actions_offset = ENV_OFFSET as u32;
        let (head_outputs, actions) = (outputs.head_outputs.io(), outputs.actions.io());
        let (logp, env_actions) = (outputs.logp.io(), outputs.env_actions.io());
        match self.walk {
            Walk::Invocation => {
                let mut p = policy_sample::Params::default();
                (p.rows, p.greedy, p.step_offset, p.actions_offset) = (rows, greedy, step_offset, actions_offset);
                (p.logp_offset, p.env_actions_offset) = (logp_offset, env_actions_offset);
                let io = policy_sample::Io { head_outputs, actions, logp, env_actions };
                policy_sample::bind(gpu, &self.head, &[p], &io, ring)
            }
            Walk::Workgroup => {
                let mut p = policy_sample_wide::Params::default();
                (p.rows, p.greedy, p.step_offset, p.actions_offset) = (rows, greedy, step_offset, actions_offset);
                (p.logp_offset, p.env_actions_offset) = (logp_offset, env_actions_offset);
                let io = policy_sample_wide::Io { head_outputs, actions, logp, env_actions };
                policy_sample_wide::bind(gpu, &self.head, &[p], &io, ring)
            }
        }
    }

    async fn run(&self, gpu: &Gpu, report: &Report) -> Result<()> {
        let (head, inputs) = (&self.head, self.inputs()?);
        let outputs = Outputs {
            head_outputs: Guarded::holding(gpu, "head_outputs", &inputs.dist)?,
            actions: Guarded::holding(gpu, "actions", &inputs.initial)?,
            env_actions: Guarded::output(gpu, "env_actions", ENV_OFFSET + self.rows * head.action_dims())?,
            logp: Guarded::output(gpu, "logp", LOGP_OFFSET + self.rows)?,
        };
        let values = PerUpdate {
            seed_low: self.seed() as u32,
            seed_high: (self.seed() >> 32) as u32,
            policy_step_low: FIRST as u32,
            policy_step_high: (FIRST >> 32) as u32,
            ..PerUpdate::default()
        };
        let (ring, slot) = schedule(gpu, &values)?;
        report.run(gpu, &self.bind(gpu, &outputs, &ring)?, slot)?;

        let got = outputs.actions.read(gpu, report).await?;
        if got[..ACTIONS_OFFSET] != inputs.initial[..ACTIONS_OFFSET] {
            report.fault("\"actions\" was written before its offset".to_owned());
            return Ok(());
        }
        let words = &got[ACTIONS_OFFSET..];
        let are_drawn = match self.walk {
            Walk::Invocation => self.is_drawn(report, &inputs, words)?,
            Walk::Workgroup => self.is_within(report, &inputs, words)?,
        };
        if !are_drawn {
            return Ok(());
        }
        let (dims, width) = (head.action_dims(), head.action_words());
        for (row, (words, before)) in words.chunks(width).zip(inputs.masks.chunks(width)).enumerate() {
            if words[dims..] != before[dims..] {
                report.fault(format!("the mask of row {row} was changed"));
            }
        }
        let (env_actions, logp) = (outputs.env_actions.read(gpu, report).await?, outputs.logp.read(gpu, report).await?);
        self.follows(report, &inputs, words, &env_actions, &logp)
    }

    /// The uniform number that a choice is drawn by.
    fn uniform(&self, row: usize, d: usize) -> f64 {
        f64::from(uniform(block(self.seed(), Draw::Action, row as u32, d as u32, STEP)[0]))
    }

    /// Whether the actions are those that the reference draws, except for what lies on an edge.
    fn is_drawn(&self, report: &Report, inputs: &Inputs, words: &[u32]) -> Result<bool> {
        let Self { head, rows, mode, .. } = self;
        let (p, dims, width) = (&inputs.p, head.action_dims(), head.action_words());
        let want = if *mode { greedy(head, p.view())? } else { sample(head, p.view(), self.seed(), STEP)? };
        if let Some(want) = want.indices() {
            let mut first_logit = 0;
            for (d, count) in head.choices().into_iter().enumerate() {
                let span = if matches!(head, Head::Bernoulli { .. }) { 1 } else { count };
                for (row, want) in want.column(d).iter().enumerate() {
                    let got = words[row * width + d];
                    let u = self.uniform(row, d);
                    let logits = p.row(row).to_vec()[first_logit..first_logit + span].to_vec();
                    if got >= count as u32 || (got != *want && (*mode || !on_edge(head, &logits, u, 1e-6))) {
                        report.fault(format!("\"actions\"[{row}, {d}] is {got}, expected {want}"));
                        return Ok(false);
                    }
                }
                first_logit += span;
            }
        } else if let Actions::Continuous(want) = &want {
            let floats: Vec<f32> = words.iter().map(|word| f32::from_bits(*word)).collect();
            let bounds = draws(head, p, want);
            // A rejection that rounding may turn round gives another draw.
            let margins = draw_margins(head, p.view(), self.seed(), STEP)?;
            let edge: Vec<bool> = margins.iter().map(|margin| !mode && *margin < 2e-5).collect();
            let count = edge.iter().filter(|edge| **edge).count();
            if count > 1 + rows / 500 {
                report.fault(format!("{count} of {rows} draws lie on the edge of a rejection"));
            }
            let on_edge = |i: usize, got: f32, want: f32| if edge[i / dims] && got.is_finite() { got } else { want };
            let pairs = floats.iter().zip(want).enumerate();
            let want: Vec<f64> = pairs.map(|(i, (got, want))| f64::from(on_edge(i, *got, *want))).collect();
            report.floats("actions", &floats, &want, |i| bounds[[i / dims, i % dims]] / EPS);
        }
        Ok(true)
    }

    /// Whether each uniform lies within what the choice has of the distribution function, except for rounding.
    fn is_within(&self, report: &Report, inputs: &Inputs, words: &[u32]) -> Result<bool> {
        let (head, p, width) = (&self.head, &inputs.p, self.head.action_words());
        let best = greedy(head, p.view())?;
        for row in 0..self.rows {
            for (d, range) in ranges(head).into_iter().enumerate() {
                let word = words[row * width + d] as usize;
                let logits = p.slice(s![row, range]).to_vec();
                let u = self.uniform(row, d);
                let right = if self.mode {
                    best.indices().is_some_and(|best| best[[row, d]] as usize == word)
                } else {
                    let sums = running(&logits);
                    let start = if word == 0 { 0.0 } else { sums.get(word - 1).copied().unwrap_or(f64::INFINITY) };
                    let none = logits.iter().all(|l| *l == f64::NEG_INFINITY);
                    let allowed = none || logits[word.min(logits.len() - 1)].is_finite();
                    allowed && start - MARGIN <= u && sums.get(word).is_some_and(|end| u < end + MARGIN)
                };
                if !right {
                    report.fault(format!("\"actions\"[{row}, {d}] is {word} for the uniform {u}"));
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// What the environment gets and the log-probability belong to the action that was stored.
    fn follows(&self, report: &Report, inputs: &Inputs, words: &[u32], env: &[u32], logp: &[f32]) -> Result<()> {
        let (head, p) = (&self.head, &inputs.p);
        let actions = Actions::from_words(head, self.rows, words)
            .map_err(|_| Error::shape("actions", &[words.len()], &[self.rows]))?;
        let floats = |words: &[u32]| words.iter().map(|word| f32::from_bits(*word)).collect::<Vec<_>>();
        report.untouched("env_actions (before)", floats(&env[..ENV_OFFSET]).iter().enumerate());
        let wide = self.walk == Walk::Workgroup;
        match to_env(head, &actions)? {
            Actions::Continuous(want) => {
                let want: Vec<f64> = want.iter().map(|x| f64::from(*x)).collect();
                // Part math's tanh (2e-7 and a device's exp and quotient, 11 roundings in all) or a quotient of bins, times bounds that in the
                // checks are 1.5 wide; a Gaussian without bounds has the action itself.
                let size = |i: usize| if wide { 1.0 } else { 3.0 * want[i].abs() + 10.0 * 1.5 };
                report.floats("env_actions", &floats(&env[ENV_OFFSET..]), &want, size);
            }
            other => report.exact("env_actions", &env[ENV_OFFSET..], &other.words()),
        }
        report.untouched("logp (before)", logp[..LOGP_OFFSET].iter().enumerate());
        let want = log_prob(head, p.view(), &actions)?.to_vec();
        let own = if wide {
            let (sizes, taken) = (Sizes::new(head, p), taken(head, words));
            (0..self.rows).map(|row| sizes.logp(head, row, &taken[row])).collect()
        } else {
            let [own, ..] = accuracy(head, p, None, &actions).values;
            own.into_iter().map(|own| own / EPS).collect::<Vec<f64>>()
        };
        report.floats("logp", &logp[LOGP_OFFSET..], &want, |row| own[row]);
        Ok(())
    }
}

/// Whether the running sum up to some choice is so near to the drawn number that rounding may decide.
pub(in crate::check) fn on_edge(head: &Head, row: &[f64], u: f64, margin: f64) -> bool {
    if let (Head::Bernoulli { .. }, [logit]) = (head, row) {
        return (1.0 / (1.0 + (-logit).exp()) - u).abs() < margin;
    }
    if row.iter().all(|l| *l == f64::NEG_INFINITY) {
        return on_edge(head, &vec![0.0; row.len()], u, margin);
    }
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|l| (l - most).exp()).sum();
    let mut running = 0.0;
    row.iter().any(|l| {
        running += (l - most).exp() / total;
        (running - u).abs() < margin
    })
}

/// Sums of weights up to and with each choice of one dimension, as shares of all.
fn running(logits: &[f64]) -> Vec<f64> {
    let p = log_softmax(ArrayView1::from(logits)).mapv(f64::exp);
    let mut sum = 0.0;
    p.iter()
        .map(|p| {
            sum += p;
            sum
        })
        .collect()
}

pub(in crate::check) fn sample_case(walk: Walk, head: Head, rows: usize, mode: bool) -> Case {
    let (name, what) = (name(&head), if mode { "greedy" } else { "drawn" });
    let case = Sample { walk, head, rows, mode };
    let body = async move |gpu: &Gpu, report: &Report| case.run(gpu, report).await;
    if walk == Walk::Workgroup {
        let shape = format!("{rows} rows, wide {name}, {what}");
        return Case::new(policy_sample_wide::DEF.name, shape, (TOLERANCE, REASON), body);
    }
    let reason = "categorical: the same choice, unless the draw lies within 1e-6 of an edge; floats: a normal's quantile (1.3e-6 and a \
                  device's log, root and division), a deviation's exp; log-probability as in head_evaluate";
    Case::new(policy_sample::DEF.name, format!("{rows} rows, {name}, {what}"), (EPS, reason), body)
}
