//! Every head over the whole range of its parameters: log-probability, entropy, both divergences, their gradients and Fisher
//! products, of the CPU in f32 and of the device, against f64; divergences of distributions that are near each other; and
//! ratios of 1 where nothing moved. The bounds are those of `docs/heads.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // test code, though not inside a #[test]

use crate::support::gpu as support;

use ndarray::{Array1, Array2, ArrayView1, s};
use wgpo::config::AdvantageNorm;
use wgpo::cpu::CpuLearner;
use wgpo::data::{Actions, Batch};
use wgpo::gpu::{Gpu, Slot};
use wgpo::low_level::kernels::{head_evaluate, head_fisher};
use wgpo::low_level::reference::Real;
use wgpo::low_level::reference::actor_critic::ActorCritic;
use wgpo::low_level::reference::head;
use wgpo::policy::{Activation, Bounds, Branch, Head, PolicySpec, Std, StdLimit};
use wgpo::{ActMode, Config, GpuLearner, OnPolicy};

/// What a side promises. Errors of log-probability and entropy are in units of 1 + their largest term; those of divergences
/// relative; of the gradients of the first two by element, relative or in units of what the score's deviation is (the root of
/// Fisher's diagonal), of those of divergences and a Fisher product relative to the largest element of the row.
#[derive(Debug, Clone, Copy)]
struct Bound {
    logp: f64,
    entropy: f64,
    kl: f64,
    /// Of log-probability and entropy; the unit of each element is at least `floor`.
    gradient: f64,
    floor: f64,
    kl_gradient: f64,
    fisher: f64,
}

/// A rounded number: half a unit in the last place, 6e-8. A Fisher product is one of a rounded matrix.
const CPU: Bound =
    Bound { logp: 1e-7, entropy: 1e-7, kl: 1e-7, gradient: 1e-7, floor: TINY, kl_gradient: 1e-7, fisher: 4e-7 };

struct Range {
    name: &'static str,
    head: Head,
    /// Distribution rows, before and after.
    old: Vec<Vec<f32>>,
    new: Vec<Vec<f32>>,
    /// An action per row, words without masks.
    actions: Vec<Vec<u32>>,
    device: Bound,
}

impl Range {
    fn new(name: &'static str, head: Head, device: Bound) -> Self {
        Self { name, head, old: Vec::new(), new: Vec::new(), actions: Vec::new(), device }
    }

    fn push(&mut self, old: &[f64], new: &[f64], action: Vec<u32>) {
        let single = |row: &[f64]| row.iter().map(|x| *x as f32).collect::<Vec<_>>();
        self.old.push(single(old));
        self.new.push(single(new));
        self.actions.push(action);
    }

    fn rows(&self) -> usize {
        self.old.len()
    }

    fn words(&self) -> Vec<u32> {
        // Of a masked head the second choice is forbidden.
        let mask = self.head.is_masked().then_some(0b1_1101);
        self.actions.iter().flat_map(|words| words.iter().copied().chain(mask)).collect()
    }

    fn actions(&self) -> Actions {
        Actions::from_words(&self.head, self.rows(), &self.words()).unwrap()
    }

    fn array<F: Real>(&self, rows: &[Vec<f32>]) -> Array2<F> {
        let mut dist = Array2::from_shape_fn((rows.len(), self.head.width()), |(r, i)| F::of(f64::from(rows[r][i])));
        head::forbid(&mut dist, &self.actions()).unwrap();
        dist
    }
}

/// In units in which KL is half the square: from none over 1e-4 to far away.
const MOVES: [f64; 7] = [0.0, 1e-4, -1e-3, 1e-2, -0.1, 1.0, -5.0];

fn bounds(dims: usize) -> Bounds {
    Bounds::uniform(dims, -1.0, 1.0)
}

fn categorical(head: Head, name: &'static str, device: Bound) -> Range {
    let mut range = Range::new(name, head, device);
    let pattern = [1.0, -0.5, 0.25, 0.0, -1.0];
    for base in [
        [0.0; 5],
        [0.0, 1.0, -2.0, 3.0, 0.5],
        [100.0, 99.5, 98.0, 100.0, 97.0],
        [-100.0, -100.5, -99.0, -100.0, -101.0],
        [10.0, 0.0, 1.0, -1.0, 0.5],
        [-5.0, 0.0, 1.0, 20.0, 0.5],
        [100.0, -100.0, 0.0, 50.0, -50.0],
    ] {
        for (i, by) in MOVES.into_iter().enumerate() {
            let moved: Vec<f64> = base.iter().zip(pattern).map(|(x, p)| f64::from(*x as f32) + by * p).collect();
            let word = |d: usize, count: usize| if d == 0 { [0, 2, 3, 0][i % 4] % count as u32 } else { 1 };
            let choices = range.head.choices();
            let action = choices.iter().enumerate().map(|(d, count)| word(d, *count)).collect();
            range.push(&base, &moved, action);
        }
    }
    range
}

fn bernoulli(device: Bound) -> Range {
    let mut range = Range::new("Bernoulli", Head::bernoulli(1), device);
    for size in [0.0, 0.3, 1.0, 4.0, 10.0, 16.0, 30.0, 60.0, 100.0] {
        for base in [size, -size] {
            for (i, by) in MOVES.into_iter().enumerate() {
                range.push(&[base], &[base + by], vec![u32::from(i % 2 == 0)]);
            }
        }
    }
    range
}

/// (l, deviation) pairs and what moves l by a share of a deviation.
fn gaussian(name: &'static str, head: Head, device: Bound, lengths: &[f64], deviation: impl Fn(f64) -> f64) -> Range {
    let plain = head.free_name() == "std";
    let mut range = Range::new(name, head, device);
    for l in lengths {
        let sigma = deviation(*l);
        for (mean, z) in [(0.0, 0.0), (1.5, 1.0), (-0.3, -3.0)] {
            for by in MOVES {
                for (to_mean, to_l) in [(1.0, 0.0), (0.0, 0.5), (0.3, -0.2)] {
                    let mean = if matches!(range.head, Head::TanhGaussian { .. }) { mean } else { mean * sigma };
                    let to = if plain { l * (1.0 + (by * to_l).max(-0.9)) } else { l + by * to_l };
                    // The action is one of the new row.
                    let at = f64::from((mean + by * to_mean * sigma) as f32);
                    let action = ((at + z * deviation(to)) as f32).to_bits();
                    range.push(&[mean, *l], &[mean + by * to_mean * sigma, to], vec![action]);
                }
            }
        }
    }
    range
}

fn beta(device: Bound) -> Range {
    let mut range = Range::new("Beta", Head::Beta { dims: 1, bounds: bounds(1) }, device);
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    for pair in [
        [-40.0, -40.0],
        [-15.0, -3.0],
        [0.0, 0.0],
        [-1.0, 3.0],
        [9.0, 9.0],
        [100.0, 100.0],
        [1e3, 1e3],
        [1e4, 1e4],
        [1e5, 1e5],
        [1e4, 0.5],
        [-5.0, 1e5],
        [300.0, 3e4],
    ] {
        let shape = pair.map(|x| 1.0 + softplus(x));
        let n = shape[0] + shape[1];
        let sd = (shape[0] * shape[1] / (n + 1.0)).sqrt() / n;
        for z in [0.0, 1.0, -0.7] {
            let x = (shape[0] / n + z * sd).clamp(1e-6, 1.0 - 1e-6);
            for by in MOVES {
                for part in [[1.0, 0.0], [0.5, 0.5], [-0.3, 0.6]] {
                    // KL is about (change of a)² / 4 a for large a alone.
                    let moved = |i: usize| f64::from(pair[i] as f32) + part[i] * by * (2.0 * shape[i]).sqrt();
                    range.push(&pair, &[moved(0), moved(1)], vec![(x as f32).to_bits()]);
                }
            }
        }
    }
    range
}

fn ranges() -> Vec<Range> {
    let logs = [-25.0, -20.0, -12.0, -5.0, -1.0, 0.0, 0.01, 2.0, 5.0, 15.0];
    let within = [-25.0, -9.0, -4.0, -1.5, -0.3, 0.0, 0.01, 0.5, 2.0, 5.0, 15.0];
    let near = [-5.0, -2.0, -0.5, 0.0, 1.0, 2.0];
    let sigmas = [1e-6, 1e-4, 0.03, 0.5, 0.999, 1.0, 1.3, 40.0, 1e5];
    let one = |std: Std| Head::Gaussian { dims: 1, std, bounds: None };
    let floor = |l: f64| (-20.0_f64).exp() + l.exp();
    let clamp = StdLimit::Clamp { low: -20.0, high: 2.0 };
    let clamped = |l: f64| l.clamp(-20.0, 2.0).exp();
    let cleanrl = StdLimit::Tanh { low: -5.0, high: 2.0 };
    let softly = |l: f64| (-5.0 + 3.5 * (l.tanh() + 1.0)).exp();
    let squashed = Head::TanhGaussian { dims: 1, std: Std::default(), bounds: bounds(1) };
    let discrete =
        Bound { logp: 1e-6, entropy: 1e-6, kl: 2e-5, gradient: 2e-5, floor: TINY, kl_gradient: 2e-5, fisher: 2e-5 };
    let normal =
        Bound { logp: 2e-5, entropy: 1e-6, kl: 4e-5, gradient: 4e-5, floor: TINY, kl_gradient: 4e-5, fisher: 4e-5 };
    vec![
        categorical(Head::categorical(5), "categorical", discrete),
        categorical(Head::Categorical { actions: 5, masked: true }, "masked", discrete),
        categorical(Head::multi_discrete(vec![3, 2]), "multi-discrete", discrete),
        categorical(Head::Discretised { dims: 1, bins: 5, bounds: bounds(1) }, "discretised", discrete),
        bernoulli(Bound {
            logp: 1e-6,
            entropy: 4e-6,
            kl: 1e-5,
            gradient: 1e-5,
            floor: TINY,
            kl_gradient: 1e-5,
            fisher: 1e-5,
        }),
        gaussian("Gaussian, free", one(Std::FREE), normal, &logs, f64::exp),
        gaussian("Gaussian, soft floor", one(Std::default()), normal, &logs, floor),
        gaussian("Gaussian, clamped", one(Std::FREE.limited(clamp)), normal, &logs, clamped),
        gaussian("Gaussian, tanh-limited", one(Std::FREE.limited(cleanrl)), normal, &within, softly),
        gaussian("Gaussian, state", one(Std { from_state: true, ..Std::FREE }), normal, &logs, f64::exp),
        gaussian("Gaussian, plain", one(Std::SCALAR), normal, &sigmas, |s| s.clamp(1e-6, 1e6)),
        gaussian("tanh-Gaussian", squashed, normal, &near, f64::exp),
        beta(Bound {
            logp: 4e-6,
            entropy: 4e-6,
            kl: 4e-5,
            gradient: 4e-5,
            floor: TINY,
            kl_gradient: 4e-5,
            fisher: 4e-5,
        }),
    ]
}

/// What is compared, of one side: four values per row, a gradient per value, and F t.
struct Seen {
    values: [Array1<f64>; 4],
    gradients: [Array2<f64>; 4],
    fisher: Array2<f64>,
    /// The deviation of each element of the score; of f64 alone.
    units: Array2<f64>,
}

const NAMES: [&str; 4] = ["logp", "entropy", "KL(old‖new)", "KL(new‖old)"];

fn tangent(rows: usize, width: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, width), |(r, i)| [1.0, 0.5, -0.25][(r + i) % 3])
}

fn on_the_cpu<F: Real>(range: &Range) -> Seen {
    let (old, new, actions) = (range.array::<F>(&range.old), range.array::<F>(&range.new), range.actions());
    let (p, q, ones) = (old.view(), new.view(), Array1::ones(range.rows()));
    let head = &range.head;
    let wide = |values: wgpo::Result<Array1<F>>| values.unwrap().mapv(F::as_f64);
    let wide_2 = |values: wgpo::Result<Array2<F>>| values.unwrap().mapv(F::as_f64);
    let t = tangent(range.rows(), head.width()).mapv(|x| F::of(f64::from(x)));
    Seen {
        values: [
            wide(head::log_prob(head, q, &actions)),
            wide(head::entropy(head, q)),
            wide(head::kl(head, p, q)),
            wide(head::kl(head, q, p)),
        ],
        gradients: [
            wide_2(head::log_prob_grad(head, q, &actions, ones.view())),
            wide_2(head::entropy_grad(head, q, ones.view())),
            wide_2(head::kl_old_new_grad(head, p, q, ones.view())),
            wide_2(head::kl_new_old_grad(head, p, q, ones.view())),
        ],
        fisher: wide_2(head::fisher_vector(head, q, t.view())),
        units: Array2::from_shape_fn((range.rows(), head.width()), |(row, j)| {
            let unit = Array2::from_shape_fn((1, head.width()), |(_, i)| if i == j { F::one() } else { F::zero() });
            let own = new.slice(s![row..row + 1, ..]);
            head::fisher_vector(head, own, unit.view()).unwrap()[[0, j]].as_f64().sqrt()
        }),
    }
}

fn on_the_device(gpu: &Gpu, range: &Range) -> Seen {
    let (rows, width) = (range.rows(), range.head.width());
    let flat = |rows: &[Vec<f32>]| rows.concat();
    let upload = |name: &'static str, numbers: &[f32]| gpu.upload(name, numbers).unwrap();
    let (new, old) = (upload("head_outputs", &flat(&range.new)), upload("head_outputs_old", &flat(&range.old)));
    let actions = gpu.upload("actions", &range.words()).unwrap();
    let mut values = None;
    let gradients = [0, 1, 2, 3].map(|i| {
        let mut w = [0.0_f32; 4];
        w[i] = 1.0;
        let io = head_evaluate::Io {
            head_outputs: &new,
            head_outputs_old: &old,
            actions: &actions,
            weights: &gpu.upload("weights", &vec![w; rows]).unwrap(),
            row_values: &gpu.buffer("row_values", rows as u64).unwrap(),
            d_head_outputs: &gpu.buffer("d_head_outputs", (rows * width) as u64).unwrap(),
        };
        let p = head_evaluate::Params { rows: rows as u32, ..Default::default() };
        gpu.run("range", &head_evaluate::bind(gpu, &range.head, &[p], &io).unwrap(), Slot::default()).unwrap();
        values = Some(gpu.read(io.row_values).unwrap());
        let gradient = gpu.read(io.d_head_outputs).unwrap();
        Array2::from_shape_vec((rows, width), gradient).unwrap().mapv(f64::from)
    });
    let values = values.unwrap();
    let io = head_fisher::Io {
        head_outputs: &new,
        head_tangents: &upload("head_tangents", &tangent(rows, width).into_raw_vec_and_offset().0),
        actions: &actions,
        samples: &gpu.upload("samples", &vec![[0.0_f32; 4]; rows]).unwrap(),
        d_head_outputs: &gpu.buffer("d_head_outputs", (rows * width) as u64).unwrap(),
    };
    let p = head_fisher::Params { rows: rows as u32, row_stride: 1, scale: 1.0, ..Default::default() };
    gpu.run("range", &head_fisher::bind(gpu, &range.head, &[p], &io).unwrap(), Slot::default()).unwrap();
    let fisher = gpu.read(io.d_head_outputs).unwrap();
    Seen {
        values: [0, 1, 2, 3].map(|i| values.iter().map(|row| f64::from(row[i])).collect()),
        gradients,
        fisher: Array2::from_shape_vec((rows, width), fisher).unwrap().mapv(f64::from),
        units: Array2::zeros((0, 0)),
    }
}

/// The terms that log-probability and entropy are sums of: the largest, and 1.
fn terms(range: &Range, row: usize, logp: f64) -> f64 {
    let new = &range.new[row];
    match &range.head {
        // z²/2 and log σ; squashed 2 |u| too.
        Head::Gaussian { .. } | Head::TanhGaussian { .. } => {
            let log_std = if range.head.free_name() == "std" { new[1].clamp(1e-6, 1e6).ln() } else { new[1] };
            let squashed = matches!(range.head, Head::TanhGaussian { .. });
            let u = if squashed { f32::from_bits(range.actions[row][0]).abs() + new[0].abs() } else { 0.0 };
            1.0 + logp.abs() + f64::from(log_std.abs() + 2.0 * u)
        }
        // The distance of an action from the mean is a difference of two products near α β / (α + β): of their rounding, times
        // what the distance is in deviations, the root of α + β is left.
        Head::Beta { .. } => (1.0 + logp.abs()) * (1.0 + f64::from((new[0].max(0.0) + new[1].max(0.0)).sqrt()) / 50.0),
        _ => 1.0 + logp.abs(),
    }
}

/// Below it f32 has no more numbers of full length, and a square of one is 0.
const TINY: f64 = 1e-30;

fn largest(row: ArrayView1<'_, f64>) -> f64 {
    row.iter().fold(0.0, |most, x| f64::max(most, x.abs()))
}

fn compare(side: &str, range: &Range, got: &Seen, want: &Seen, bound: Bound) -> Vec<String> {
    let mut faults = Vec::new();
    let mut worst = [0.0_f64; 9];
    let mut note = |which: usize, row: usize, what: &str, error: f64, bound: f64, numbers: String| {
        worst[which] = worst[which].max(error);
        if error > bound || error.is_nan() {
            faults.push(format!(
                "{side}, {}: {what} at {:?} → {:?}: {numbers}, error {error:.1e}",
                range.name, range.old[row], range.new[row]
            ));
        }
    };
    for row in 0..range.rows() {
        let nothing = range.old[row] == range.new[row];
        for (i, name) in NAMES.into_iter().enumerate() {
            let (g, w) = (got.values[i][row], want.values[i][row]);
            let numbers = format!("{g:e}, not {w:e}");
            let (error, limit) = match i {
                0 => ((g - w).abs() / terms(range, row, w), bound.logp),
                1 => ((g - w).abs() / terms(range, row, w), bound.entropy),
                // Of what did not move it is 0 except for rounding.
                _ if nothing => (g.abs(), 1e-13),
                _ => ((g - w).abs() / w.abs().max(TINY), bound.kl),
            };
            note(if nothing && i > 1 { 8 } else { i }, row, name, error, limit, numbers);
            if nothing && i > 1 {
                continue;
            }
            let (g, w) = (got.gradients[i].row(row), want.gradients[i].row(row));
            let unit =
                |j: usize| if i < 2 { w[j].abs().max(want.units[[row, j]]).max(bound.floor) } else { largest(w) };
            let limit = if i < 2 { bound.gradient } else { bound.kl_gradient };
            let error = (0..w.len()).map(|j| (g[j] - w[j]).abs() / unit(j).max(TINY)).fold(0.0, f64::max);
            note(4 + i / 2, row, &format!("gradient of {name}"), error, limit, format!("{g}, not {w}"));
        }
        let (g, w) = (got.fisher.row(row), want.fisher.row(row));
        let error = largest((&g - &w).view()) / largest(w).max(TINY);
        note(7, row, "Fisher", error, bound.fisher, format!("{g}, not {w}"));
    }
    let [logp, entropy, a, b, by, by_kl, _, fisher, still] = worst;
    println!(
        "{side:7} {:22} logp {logp:.1e}, entropy {entropy:.1e}, KL {:.1e}, their gradients {by:.1e}, {by_kl:.1e}, Fisher \
         {fisher:.1e}, KL of nothing {still:.0e}",
        range.name,
        a.max(b)
    );
    faults
}

fn hold(faults: Vec<String>) {
    faults.iter().take(20).for_each(|fault| println!("{fault}"));
    assert!(faults.is_empty(), "{} faults, the first: {}", faults.len(), faults[0]);
}

#[test]
fn the_cpu_in_f32_is_f64_rounded() {
    hold(ranges().iter().flat_map(|r| compare("CPU", r, &on_the_cpu::<f32>(r), &on_the_cpu::<f64>(r), CPU)).collect());
}

#[test]
fn the_device_is_near_f64() {
    let Some(gpu) = support::gpu(true) else { return };
    let of = |r: &Range| compare("device", r, &on_the_device(&gpu, r), &on_the_cpu::<f64>(r), r.device);
    hold(ranges().iter().flat_map(of).collect());
}

/// A policy whose distribution is `row` except for a little of the observation.
fn around(head: &Head, row: &[f32]) -> (PolicySpec, Vec<f32>) {
    let spec = PolicySpec::separate(2, &[3], Activation::Tanh, head.clone());
    let layout = spec.layout();
    let mut parameters = wgpo::policy::initial_parameters(&spec, 3);
    let raw = head.raw_outputs();
    let last = *layout.layers(Branch::POLICY).last().unwrap();
    parameters[last.bias..last.bias + raw].copy_from_slice(&row[..raw]);
    if let Some(at) = layout.log_std() {
        parameters[at..].copy_from_slice(&row[raw..]);
    }
    (spec, parameters)
}

/// What rounding does to a log-ratio: a unit in the last place of every distribution parameter, and the log-probability's own
/// error, twice.
fn rounding(head: &Head, dist: &Array2<f64>, actions: &Actions, range: &Range, row: usize, logp: f64) -> f64 {
    let unit = 2.0_f64.powi(-23);
    let logps = head::log_prob(head, dist.view(), actions).unwrap();
    let slopes = head::log_prob_grad(head, dist.view(), actions, Array1::ones(dist.nrows()).view()).unwrap();
    let of_row = |r: usize| {
        let moved: f64 = dist.row(r).iter().zip(slopes.row(r)).map(|(x, slope)| (x * slope).abs()).sum();
        4.0 * unit * moved + 2.0 * logp.max(unit) * terms(range, row, logps[r])
    };
    (0..dist.nrows()).map(of_row).fold(0.0, f64::max)
}

/// Act, then the first minibatch: nothing has moved, so every ratio is 1, and every divergence 0.
#[test]
fn ratios_are_one_where_nothing_moved() {
    let gpu = support::gpu(true);
    let rows = 64;
    let obs = Array2::from_shape_fn((rows, 2), |(r, i)| ((7 * r + 3 * i) % 11) as f32 * 0.1 - 0.5);
    let obs_wide = obs.mapv(f64::from);
    for range in ranges().into_iter().filter(|range| !range.head.is_masked()) {
        let head = &range.head;
        // Every distribution once.
        let mut starts: Vec<usize> = (0..range.rows()).collect();
        starts.dedup_by_key(|row| range.old[*row].clone());
        for row in starts {
            let (spec, parameters) = around(head, &range.old[row]);
            let layout = spec.layout();
            let config = Config {
                update_epochs: 1,
                num_minibatches: 1,
                minibatch_size: None,
                norm_adv: AdvantageNorm::Batch,
                anneal_lr: false,
                ..Config::ppo_penalty()
            };
            let cpu = CpuLearner::<f32>::new(spec.clone(), config.clone(), 7).unwrap();
            let mut sides: Vec<(&str, Box<dyn OnPolicy>)> = vec![("CPU", Box::new(cpu))];
            if let Some(gpu) = &gpu {
                sides.push(("device", Box::new(GpuLearner::new(gpu, spec.clone(), config, 7).unwrap())));
            }
            for (side, learner) in &mut sides {
                learner.set_parameters(&parameters).unwrap();
                let acted = learner.act(obs.view(), ActMode::Sample).unwrap();
                let batch = Batch {
                    obs: obs.clone(),
                    actions: acted.actions.clone(),
                    logp_old: acted.logp,
                    advantages: Array1::from_shape_fn(rows, |r| (r % 5) as f32 - 2.0),
                    returns: acted.values.clone(),
                    values_old: acted.values,
                    old_dist: None,
                    valid: None,
                };
                let first = learner.update_batch(&batch, None).unwrap().minibatches[0];
                let wide: Vec<f64> = parameters.iter().map(|x| f64::from(*x)).collect();
                let dist = ActorCritic::new(&spec, &layout, &wide).unwrap().forward(obs_wide.view()).unwrap().dist;
                let logp = if *side == "CPU" { CPU.logp } else { range.device.logp };
                let bound = rounding(head, &dist, &batch.actions, &range, row, logp);
                let name = format!("{side}, {} at {:?}", range.name, range.old[row]);
                let off = (first.ratio_max - 1.0).abs().max((first.ratio_min - 1.0).abs());
                assert!(off <= bound, "{name}: ratio off by {off:e}, bound {bound:e}");
                assert!(first.approx_kl <= bound * bound, "{name}: approx_kl {:e}", first.approx_kl);
                // Distributions have the same bits, or differ by a unit in the last place.
                assert!(first.kl <= bound * bound + 1e-13, "{name}: KL {:e}, {bound:e}", first.kl);
            }
        }
    }
}
