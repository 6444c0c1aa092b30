//! What the mean KL decides: penalty, learning rate, β.

mod epoch_ends;

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::size::Size;
use super::support::{EPS, Guarded, Random, Report, schedule, wide};
use super::work::Work;
use crate::config::{AdaptiveLr, Algorithm, Config, KlAdaptation, KlDirection, KlHinge, KlPenalty, Ppo};
use crate::error::Result;
use crate::gpu::Gpu;
use crate::kernels::loss_kl::Phase;
use crate::kernels::loss_statistics::TRACE_WIDTH;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{loss_kl, loss_trust_region};
use epoch_ends::RATE;

/// Columns of the trace.
const KL: usize = 13;
const PENALTY: usize = 14;

#[derive(Clone, Copy)]
struct Decision {
    rows: usize,
    phase: Phase,
    direction: KlDirection,
    adaptive: bool,
    adapt: KlAdaptation,
    /// β and learning rate kept from before.
    kept: [f32; 2],
    /// The KL in units of its target.
    kl: f32,
    /// The control word of an early stop.
    stopped: u32,
    /// Minibatch of the update.
    index: usize,
    /// What a row of the minibatch weighs: 0 where none counts, none where all do.
    weight: Option<f32>,
}

/// Element of `samples` with that weight.
const WEIGHT: usize = 1;

fn case(c: Decision) -> Case {
    let shape = format!(
        "{} rows, phase {}, {:?}, adaptive {}, kept {:?}, KL {} × target, stop {}",
        c.rows,
        c.phase.code(),
        c.direction,
        c.adaptive,
        c.kept,
        c.kl,
        c.stopped
    );
    let shape = c.weight.map_or(shape.clone(), |weight| format!("{shape}, rows weigh {weight}"));
    let shape = if c.index == 1 { shape } else { format!("{shape}, minibatch {}", c.index) };
    let shape = if c.adapt == KlAdaptation::PAPER { shape } else { shape + ", RLlib's rule" };
    let tolerance = EPS * (c.groups() as f64 / 64.0 + 6.0 + 16.0);
    let reason = "partial sums in 64 chains and a tree of 6 levels, the mean, a dozen roundings of the rule";
    Case::new(loss_kl::DEF.name, shape, (tolerance, reason), async move |gpu, report| run(gpu, report, c).await)
}

/// What the buffers hold before.
struct Before {
    partials: Vec<[f32; 4]>,
    control: [u32; 8],
    trace: Vec<f32>,
    packed: [[f32; 4]; 4],
    state: [f32; 4],
    /// The mean of the partial sums of its direction.
    kl: f64,
}

/// What some of them hold afterwards.
struct Expected {
    trace: Vec<f64>,
    /// The penalty's weights.
    sample: [f64; 4],
    state: [f64; 4],
}

/// Element of `samples` that gets the penalty's weights.
const PLACE: usize = 3;

impl Decision {
    fn groups(self) -> usize {
        loss_trust_region::groups(self.rows as u32) as usize
    }

    fn penalty(self) -> KlPenalty {
        KlPenalty {
            kl_coef: 0.75,
            adaptive: self.adaptive,
            adapt: self.adapt,
            direction: self.direction,
            hinge: Some(KlHinge { coef: 50.0, factor: 2.0 }),
            ..KlPenalty::adaptive()
        }
    }

    fn config(self) -> Config {
        let ppo = Ppo { kl_penalty: Some(self.penalty()), adaptive_lr: Some(AdaptiveLr::default()), ..Ppo::cleanrl() };
        Config { algorithm: Algorithm::PpoPenalty(ppo), anneal_lr: false, ..Config::ppo_penalty() }
    }

    /// Of a partial sum the number of its direction.
    fn column(self) -> usize {
        if self.direction == KlDirection::OldNew { 1 } else { 2 }
    }

    /// Of the trace the first number of the minibatch.
    fn row(self) -> usize {
        self.index * TRACE_WIDTH as usize
    }

    /// Whether the update stopped before.
    fn is_over(self) -> bool {
        self.stopped != 0 && self.index as u32 + 1 >= self.stopped
    }

    fn before(self) -> Before {
        let mut random = Random::new((self.rows * 10 + self.phase.code() as usize) as u64);
        let groups = self.groups();
        let size = self.kl * 0.01 * self.rows as f32 / groups as f32;
        let mut each = || size * random.range(0.9, 1.1);
        let partials: Vec<[f32; 4]> = (0..groups).map(|_| [f32::NAN, each(), 3.0 * each(), 0.0]).collect();
        let kl = partials.iter().map(|partial| f64::from(partial[self.column()])).sum::<f64>() / self.rows as f64;
        let mut trace = vec![0.0_f32; (self.index + 2) * TRACE_WIDTH as usize];
        trace[self.row() + KL] = if self.phase == Phase::Rate { kl as f32 } else { 0.0 };
        // What the weights of the last minibatch left.
        let met = if self.phase == Phase::CoefficientOfLast { kl as f32 } else { 0.0 };
        let mut packed = [[0.0_f32; 4]; 4];
        packed[WEIGHT][0] = self.weight.unwrap_or(0.0);
        let (control, state) = ([self.stopped, 0, 0, 5, 0, 0, 0, 0], [self.kept[0], self.kept[1], met, 0.0]);
        Before { partials, control, trace, packed, state, kl }
    }

    fn expected(self, before: &Before) -> Expected {
        let (penalty, kl, row) = (self.penalty(), before.kl, self.row());
        let kl_coef = self.kl_coef();
        let (mut trace, mut sample) = (wide(&before.trace), [0.0; 4]);
        let mut state = before.state.map(f64::from);
        match self.phase {
            Phase::Weights => {
                let over = (kl - 2.0 * penalty.target_kl).max(0.0);
                sample[self.column() - 1] = kl_coef + 100.0 * over;
                if !self.is_over() {
                    (trace[row + KL], trace[row + PENALTY]) = (kl, kl_coef * kl + 50.0 * over * over);
                    if self.weight != Some(0.0) {
                        state[2] = kl;
                    }
                }
            }
            Phase::Rate if self.is_over() => {}
            Phase::Rate => {
                let last = if self.kept[1] > 0.0 { self.kept[1] } else { RATE };
                state[1] = AdaptiveLr::default().next(last.into(), kl);
            }
            _ => {
                state[2] = kl;
                if self.adaptive {
                    state[0] = penalty.next_kl_coef(kl_coef, kl);
                }
            }
        }
        Expected { trace, sample, state }
    }

    /// β that is in force.
    fn kl_coef(self) -> f64 {
        if self.adaptive && self.kept[0] > 0.0 { f64::from(self.kept[0]) } else { self.penalty().kl_coef }
    }
}

async fn run(gpu: &Gpu, report: &Report, c: Decision) -> Result<()> {
    let before = c.before();
    let buffers = (
        Guarded::holding(gpu, "trust_partials", &before.partials)?,
        Guarded::updated(gpu, "control", &before.control)?,
        Guarded::updated(gpu, "trace", &before.trace)?,
        Guarded::updated(gpu, "samples", &before.packed)?,
        Guarded::updated(gpu, "kl_state", &before.state)?,
    );
    let io = loss_kl::Io {
        trust_partials: buffers.0.io(),
        control: buffers.1.io(),
        trace: buffers.2.io(),
        samples: buffers.3.io(),
        kl_state: buffers.4.io(),
    };
    let (ring, slot) = schedule(gpu, &PerUpdate { learning_rate: RATE, ..PerUpdate::default() })?;
    let (index, phase, kl_sample) = (c.index as u32, c.phase.code(), PLACE as u32);
    let valid_sample = if c.weight.is_some() { WEIGHT as u32 } else { 0 };
    let params = loss_kl::Params { index, phase, kl_sample, valid_sample, ..loss_kl::Params::new(&c.config()) };
    report.run(gpu, &loss_kl::bind(gpu, &[(params, c.rows as u32)], &io, &ring)?, slot)?;

    let Expected { trace, sample, state } = c.expected(&before);
    let (kl, mut words) = (before.kl, before.control);
    let mut got = buffers.4.read(gpu, report).await?;
    if c.phase == Phase::Weights && !c.is_over() && c.weight == Some(0.0) && c.index == 0 {
        report.exact("kl_state (no row counts)", &[got[2].is_nan()], &[true]);
        got[2] = 0.0;
    }
    if c.phase == Phase::Rate && !c.is_over() {
        words[6] = got[1].to_bits();
    }
    report.floats("kl_state", &got, &state, |_| 1e-30);
    // Of the hinge two numbers near the target are subtracted.
    report.floats("trace", &buffers.2.read(gpu, report).await?, &trace, |_| kl * (1.0 + c.kl_coef()));
    let samples: Vec<f32> = buffers.3.read(gpu, report).await?.into_iter().flatten().collect();
    let mut want: Vec<f64> = [vec![0.0; 4 * PLACE], sample.to_vec()].concat();
    want[4 * WEIGHT] = f64::from(c.weight.unwrap_or(0.0));
    report.floats("samples", &samples, &want, |_| 1.0 + 100.0 * kl);
    report.exact("control", &buffers.1.read(gpu, report).await?, &words);
    Ok(())
}

/// The penalty of a minibatch.
fn sized(rows: usize) -> Case {
    let (direction, adapt) = (KlDirection::OldNew, KlAdaptation::PAPER);
    case(Decision {
        rows,
        phase: Phase::Weights,
        direction,
        adaptive: true,
        adapt,
        kept: [0.0, 0.0],
        kl: 4.0,
        stopped: 0,
        index: 1,
        weight: None,
    })
}

/// Three sums of a partial, of 64 rows each.
fn work(s: &Size) -> Work {
    let n = s.rows as f64;
    Work::rows(s.rows, 3.0 * n / 64.0, 16.0 * n / 64.0)
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_kl::DEF,
        about: "the KL penalty's weight, learning rate by KL, the next update's β",
        oracle: oracle!(surrogate::kl_penalty),
        at_size: |s| Some(sized(s.rows)),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for direction in [KlDirection::OldNew, KlDirection::NewOld] {
        for (rows, phase, adaptive, kept, kl, stopped) in [
            (65, Phase::Weights, false, [0.0, 0.0], 0.8, 0),
            (65, Phase::Weights, true, [3.0, 0.0], 4.0, 0),
            (1, Phase::Weights, true, [0.0, 0.0], 1.0, 2),
            (10_007, Phase::Weights, true, [0.0, 0.0], 4.0, 3),
            (64, Phase::Rate, true, [0.0, 0.0], 4.0, 0),
            (64, Phase::Rate, true, [0.0, 2e-3], 0.1, 0),
            (64, Phase::Rate, true, [0.0, 1.1e-5], 9.0, 0),
            (64, Phase::Rate, true, [0.0, 9e-3], 0.1, 3),
            (64, Phase::Rate, true, [0.0, 2e-3], 4.0, 2),
            (64, Phase::Rate, true, [0.0, 2e-3], 0.0, 0),
            (4097, Phase::Coefficient, true, [0.0, 0.0], 2.5, 0),
            (4097, Phase::Coefficient, true, [5.0, 0.0], 0.1, 1),
            (63, Phase::Coefficient, true, [5.0, 0.0], 0.0, 0),
            (63, Phase::Coefficient, true, [5e7, 0.0], 9.0, 0),
            (63, Phase::Coefficient, false, [5.0, 0.0], 9.0, 0),
        ] {
            let adapt = KlAdaptation::PAPER;
            let c = Decision { rows, phase, direction, adaptive, adapt, kept, kl, stopped, index: 1, weight: None };
            cases.push(case(c).quick(rows > 4000));
            if phase == Phase::Coefficient {
                cases.push(case(Decision { adapt: KlAdaptation::RLLIB, ..c }));
                cases.push(case(Decision { adapt: KlAdaptation::RLLIB, phase: Phase::CoefficientOfLast, ..c }));
            }
            if phase == Phase::Weights {
                cases.push(case(Decision { weight: Some(0.0), ..c }));
                cases.push(case(Decision { weight: Some(0.0), index: 0, ..c }));
                cases.push(case(Decision { weight: Some(1.5), ..c }));
            }
        }
    }
    cases.extend(epoch_ends::cases());
    cases
}
