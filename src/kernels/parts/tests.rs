//! Functions of the parts over grids, on the device against f64: the errors that the parts' comments state.

use super::{BETA, GAMMA, MATH, SQUASH};
use crate::gpu::{Access, Bind, Binding, Gpu, GpuOptions, Grid, KernelDef, ParamField, Part, Slot, Variant};
use crate::reference::squash;
use statrs::function::gamma::{digamma, ln_gamma};

/// A kernel that maps `vec4` to `vec4` by one expression in `v`.
macro_rules! probe {
    ([$($part:ident),*], $expression:literal) => {
        KernelDef {
            name: "probe",
            source: concat!(
                "struct Params { count: u32, a: u32, b: u32, c: u32 }
                @group(0) @binding(0) var<uniform> params: Params;
                @group(0) @binding(1) var<storage, read> input: array<vec4<f32>>;
                @group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;
                override WG: u32 = 64u;
                @compute @workgroup_size(WG)
                fn probe(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                    @builtin(local_invocation_index) lane: u32) {
                    let i = (workgroup.y * groups.x + workgroup.x) * WG + lane;
                    if (i >= params.count) { return; }
                    let v = input[i];
                    output[i] = ", $expression, ";
                }"
            ),
            parts: const { &[$($part),*] as &[Part] },
            ring: 0,
            choices: &[],
            options: &[],
            invocations: 64,
            table: None,
            for_hardware: false,
            bindings: &[
                Binding { name: "input", access: Access::Read, element: "vec4<f32>" },
                Binding { name: "output", access: Access::ReadWrite, element: "vec4<f32>" },
            ],
            params: const { &[] as &[ParamField] },
            params_size: 16,
        }
    };
}

mod edges;
mod twofloat;

fn gpu() -> Option<Gpu> {
    match Gpu::new(&GpuOptions { allow_software: true, bounds_checks: true, ..GpuOptions::default() }) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(std::env::var("REQUIRE_GPU").as_deref() != Ok("1"), "REQUIRE_GPU=1, but {error}");
            println!("SKIPPED, no GPU: {error}");
            None
        }
    }
}

/// What a kernel that writes nothing leaves. Not NaN, which some functions are to give.
const UNWRITTEN: f32 = -7.25e33;

fn map(gpu: &Gpu, def: &KernelDef, input: &[[f32; 4]]) -> Vec<[f32; 4]> {
    let (from, to) =
        (gpu.upload("input", input).unwrap(), gpu.upload("output", &vec![[UNWRITTEN; 4]; input.len()]).unwrap());
    let buffers = [Bind::new("input", Access::Read, &from), Bind::new("output", Access::ReadWrite, &to)];
    let calls = [([input.len() as u32, 0, 0, 0], Grid::Items(input.len() as u64))];
    let calls = gpu.bind(def, &Variant::default(), None, &buffers, &calls).unwrap();
    gpu.run("probe", &calls, Slot::default()).unwrap();
    gpu.read(&to).unwrap()
}

/// Largest |got − want| / size, with the input at which it is.
fn worst(input: &[[f32; 4]], got: &[[f32; 4]], column: usize, of: impl Fn([f64; 4]) -> (f64, f64)) -> f64 {
    let mut most = (0.0, [0.0; 4]);
    for (v, got) in input.iter().zip(got) {
        let v = v.map(f64::from);
        let (want, size) = of(v);
        let error = (f64::from(got[column]) - want).abs() / size;
        if error.is_nan() || error > most.0 {
            most = (error, v);
        }
    }
    println!("column {column}: {:e} at {:?}", most.0, most.1);
    most.0
}

/// From 1 to `most`, evenly in the logarithm, and densely from 1 to 4.
fn shapes(most: f64) -> Vec<[f32; 4]> {
    let wide = (0..20_000).map(|i| most.powf(f64::from(i) / 19_999.0));
    wide.chain((0..20_000).map(|i| 1.0 + f64::from(i) * 1.5e-4)).map(|x| [x as f32; 4]).collect()
}

/// What Stirling's series leaves of log Γ, of −ψ and of ψ' (Abramowitz and Stegun 6.1.41, 6.3.18, 6.4.12).
fn remainders(x: f64) -> (f64, f64, f64) {
    let (t, q) = (1.0 / x, 1.0 / (x * x));
    if x > 20.0 {
        let delta = t * (1.0 / 12.0 - q * (1.0 / 360.0 - q * (1.0 / 1260.0 - q * (1.0 / 1680.0 - q / 1188.0))));
        let rho = 0.5 * t + q * (1.0 / 12.0 - q * (1.0 / 120.0 - q * (1.0 / 252.0 - q * (1.0 / 240.0 - q / 132.0))));
        let sigma =
            0.5 * q + q * t * (1.0 / 6.0 - q * (1.0 / 30.0 - q * (1.0 / 42.0 - q * (1.0 / 30.0 - q * 5.0 / 66.0))));
        return (delta, rho, sigma);
    }
    // The recurrences towards larger x, where the series is good.
    let (delta, rho, sigma) = remainders(x + 1.0);
    let grown = t.ln_1p();
    (delta + (x + 0.5) * grown - 1.0, rho - grown + t, sigma + q - t + 1.0 / (x + 1.0))
}

#[test]
fn stirling_remainders() {
    let Some(gpu) = gpu() else { return };
    let input = shapes(1e8);
    let def = probe!([MATH, GAMMA], "vec4<f32>(gamma_delta(v.x), gamma_rho(v.x), gamma_sigma(v.x), math_log(v.x))");
    let got = map(&gpu, &def, &input);
    let relative = |x: f64| (x, x.abs());
    assert!(worst(&input, &got, 0, |v| relative(remainders(v[0]).0)) < 3e-7);
    assert!(worst(&input, &got, 1, |v| relative(remainders(v[0]).1)) < 2e-7);
    assert!(worst(&input, &got, 2, |v| relative(remainders(v[0]).2)) < 5e-7);
    assert!(worst(&input, &got, 3, |v| (v[0].ln(), v[0].ln().abs().max(1e-30))) < 3e-7);
}

#[test]
fn log_gamma_and_its_derivatives() {
    let Some(gpu) = gpu() else { return };
    let input = shapes(1e8);
    let def = probe!([MATH, GAMMA], "vec4<f32>(gamma_lgamma(v.x), gamma_digamma(v.x), gamma_trigamma(v.x), 0.0)");
    let got = map(&gpu, &def, &input);
    // Near its zeros at 1 and 2 relative to what an f32 says of x there.
    let lgamma = |v: [f64; 4]| (ln_gamma(v[0]), ln_gamma(v[0]).abs().max(1e-9));
    assert!(worst(&input, &got, 0, lgamma) < 8e-7);
    let psi = |v: [f64; 4]| (digamma(v[0]), digamma(v[0]).abs().max(1.0));
    assert!(worst(&input, &got, 1, psi) < 4e-7);
    let tri = |v: [f64; 4]| (1.0 / v[0] + remainders(v[0]).2, 1.0 / v[0] + remainders(v[0]).2);
    assert!(worst(&input, &got, 2, tri) < 3e-7);
}

/// Differences of the remainders between near and far arguments: x, a change, and what the device has for x + change.
#[test]
fn changes_of_remainders_do_not_cancel() {
    let Some(gpu) = gpu() else { return };
    let mut input = Vec::new();
    for i in 0..400 {
        let x = 1e4_f64.powf(f64::from(i) / 399.0);
        for part in [1e-5, 1e-3, 0.1, 0.5, 1.0, 3.0, -1e-4, -0.05, -0.4] {
            if x * (1.0 + part) >= 1.0 {
                input.push([x as f32, (part * x) as f32, 0.0, 0.0]);
            }
        }
    }
    let def = probe!(
        [MATH, GAMMA],
        "vec4<f32>(gamma_delta_bend(v.x, v.x + v.y, v.y), gamma_rho_change(v.x, v.x + v.y, v.y),
            gamma_excess(v.y / v.x, 1.0 + v.y / v.x), 0.0)"
    );
    let got = map(&gpu, &def, &input);
    // delta' = 1 / (2 x) − rho. For small changes half of delta'' = sigma − 1 / (2 x²), and a third of its slope.
    let bend = |v: [f64; 4]| {
        let (x, y) = (v[0], v[0] + v[1]);
        let ((dx, rho, sigma), (dy, ..)) = (remainders(x), remainders(y));
        let whole = dy - dx - (0.5 / x - rho) * v[1];
        let h = 1e-4 * x;
        let second = |x: f64, sigma: f64| sigma - 0.5 / (x * x);
        let third = (second(x + h, remainders(x + h).2) - second(x, sigma)) / h;
        let small = v[1] * v[1] * (0.5 * second(x, sigma) + third * v[1] / 6.0);
        let want = if v[1].abs() < 3e-3 * x { small } else { whole };
        // Beside it a divergence always has the 1 / x of the trigamma.
        (want, 0.5 * v[1] * v[1] * (1.0 / x).max(1.0 / y))
    };
    assert!(worst(&input, &got, 0, bend) < 2e-6);
    let change = |v: [f64; 4]| {
        let want = remainders(v[0] + v[1]).1 - remainders(v[0]).1;
        (want, want.abs() + 1e-13)
    };
    assert!(worst(&input, &got, 1, change) < 2e-6);
    let excess = |v: [f64; 4]| {
        let d = v[1] / v[0];
        let want = if d.abs() < 1e-4 { d * d * (0.5 - d / 3.0 + d * d / 4.0) } else { d - d.ln_1p() };
        (want, want)
    };
    assert!(worst(&input, &got, 2, excess) < 2e-6);
}

/// The logarithm of a density at its mean and a few deviations off, for shapes up to a million.
#[test]
fn large_shapes_keep_their_digits() {
    let Some(gpu) = gpu() else { return };
    let mut input = Vec::new();
    for i in 0..60 {
        for j in 0..60 {
            let [a, b] = [i, j].map(|k| 10_f64.powf(f64::from(k) / 10.0));
            let (mean, deviation) = (a / (a + b), (a * b / (a + b + 1.0)).sqrt() / (a + b));
            for z in [-3.0, -1.0, 0.0, 0.5, 2.0, 4.0] {
                let x = (mean + z * deviation).clamp(1e-6, 1.0 - 1e-6);
                input.push([(a - 1.0) as f32, (b - 1.0) as f32, x as f32, 0.0]);
            }
        }
    }
    let def = probe!(
        [MATH, GAMMA, BETA],
        "vec4<f32>(beta_logp(v.xy, v.z), beta_entropy(v.xy), beta_logp_gradient(1.0 + v.xy, v.z).x, beta_entropy_gradient(v.xy).x)"
    );
    let got = map(&gpu, &def, &input);
    // Stirling's formula in f64 loses nothing that matters here.
    let logp = |v: [f64; 4]| {
        let (a, b, x) = (1.0 + v[0], 1.0 + v[1], v[2]);
        let logp = v[0] * x.ln() + v[1] * (-x).ln_1p() - (ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b));
        // What the rounding of α, β and x themselves may do.
        let by_x = (v[0] / x - v[1] / (1.0 - x)).abs() * x.min(1.0 - x);
        let by_a = (x.ln() - digamma(a) + digamma(a + b)).abs() * a;
        let by_b = ((-x).ln_1p() - digamma(b) + digamma(a + b)).abs() * b;
        (logp, logp.abs().max(1.0) + by_x + by_a + by_b)
    };
    assert!(worst(&input, &got, 0, logp) < 2e-6);
    let entropy = |v: [f64; 4]| {
        let (a, b) = (1.0 + v[0], 1.0 + v[1]);
        let log_beta = ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
        let entropy = log_beta - v[0] * digamma(a) - v[1] * digamma(b) + (v[0] + v[1]) * digamma(a + b);
        (entropy, entropy.abs().max(1.0))
    };
    assert!(worst(&input, &got, 1, entropy) < 2e-6);
    let by_alpha = |v: [f64; 4]| {
        let (a, n) = (1.0 + v[0], 2.0 + v[0] + v[1]);
        let want = v[2].ln() - digamma(a) + digamma(n);
        // An f32 says of x / mean no more than 6e-8, whatever the shapes.
        (want, want.abs().max(1.0))
    };
    assert!(worst(&input, &got, 2, by_alpha) < 5e-7);
    let entropy_by_alpha = |v: [f64; 4]| {
        let (a, n) = (1.0 + v[0], 2.0 + v[0] + v[1]);
        // −(α − 1) ψ'(α) + (n − 2) ψ'(n) with the 1 of both taken out.
        let part = |x: f64, one: f64| -one / x + (x - one) * remainders(x).2;
        (part(n, 2.0) - part(a, 1.0), 1.0 / a)
    };
    assert!(worst(&input, &got, 3, entropy_by_alpha) < 2e-6);
}

#[test]
fn squashed_entropy() {
    let Some(gpu) = gpu() else { return };
    let mut input = Vec::new();
    for i in 0..=60 {
        for j in 0..=70 {
            let (mean, log_std) = (-5.0 + f64::from(i) / 6.0, -5.0 + f64::from(j) / 10.0);
            input.push([mean as f32, log_std.exp() as f32, 0.0, 0.0]);
        }
    }
    let def = probe!([MATH, SQUASH], "vec4<f32>(squash_entropy(v.x, v.y), squash_log_slope(v.x * v.y))");
    let got = map(&gpu, &def, &input);
    let size = |v: [f64; 4]| 1.0 + v[0].abs() + v[1];
    assert!(worst(&input, &got, 0, |v| (squash::entropy(v[0], v[1]), size(v))) < 1e-6);
    assert!(worst(&input, &got, 1, |v| (squash::entropy_grad(v[0], v[1]).0, size(v))) < 1e-6);
    assert!(worst(&input, &got, 2, |v| (squash::entropy_grad(v[0], v[1]).1, size(v))) < 1e-6);
    assert!(worst(&input, &got, 3, |v| (squash::log_slope(v[0] * v[1]), 1.0 + (v[0] * v[1]).abs())) < 4e-7);
}
