//! What drivers do not agree on: our functions at 0, at what is large, and of what is no number. Exactly, on any driver.

use super::{UNWRITTEN, gpu, map};
use crate::gpu::{Access, Binding, KernelDef, ParamField, Part};
use crate::kernels::parts::{ACTIVATION, MATH, SURROGATE, VALUE};

/// Equal except for two roundings of a division, or both no number.
fn same(got: f32, want: f32) -> bool {
    got == want || (got.is_nan() && want.is_nan()) || (got - want).abs() <= 3e-7 * want.abs()
}

fn compare(what: &str, input: &[[f32; 4]], got: &[[f32; 4]], want: &[[f32; 4]]) {
    for ((v, got), want) in input.iter().zip(got).zip(want) {
        assert!(
            got.iter().zip(want).all(|(got, want)| same(*got, *want)),
            "{what} of {v:?}: {got:?}, expected {want:?}"
        );
    }
}

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

#[test]
fn logarithms_and_exponentials() {
    let Some(gpu) = gpu() else { return };
    let def = probe!([MATH], "vec4<f32>(math_log(v.x), math_log1p(v.y), math_probability(v.z), math_exp(v.w))");
    let input = [
        [0.0, -1.0, -1e30, NAN],
        [-0.0, -1.0, -88.0, 0.0],
        [INF, INF, -INF, 0.0],
        [NAN, NAN, NAN, NAN],
        [1.0, 0.0, 0.0, 0.0],
    ];
    let want = [
        [-INF, -INF, 0.0, NAN],
        [-INF, -INF, 0.0, 1.0],
        [INF, INF, 0.0, 1.0],
        [NAN, NAN, NAN, NAN],
        [0.0, 0.0, 1.0, 1.0],
    ];
    compare("log, log1p, probability, exp", &input, &map(&gpu, &def, &input), &want);
    let def = probe!([MATH], "vec4<f32>(math_expm1(v.x), math_k3(v.x), math_softplus(v.x), math_sigmoid(v.x))");
    let input = [[NAN; 4], [-1e30; 4]];
    let got = map(&gpu, &def, &input);
    assert!(got[0].iter().all(|x| x.is_nan()), "{:?}", got[0]);
    let [expm1, _, softplus, sigmoid] = got[1];
    assert!(expm1 == -1.0 && (0.0..2e-38).contains(&softplus) && sigmoid == 0.0, "{:?}", got[1]);
    // Below 0 a logarithm is not finite, whichever way.
    let def = probe!([MATH], "vec4<f32>(math_log(v.x), math_log1p(v.x), math_log(v.x), math_log_far(v.x))");
    let input = [[-2.0; 4], [-1e30; 4]];
    let got = map(&gpu, &def, &input);
    assert!(got.iter().flatten().all(|x| !x.is_finite()), "{got:?}");
}

#[test]
fn limits_let_go_through_what_is_no_number() {
    let Some(gpu) = gpu() else { return };
    let def =
        probe!([MATH], "vec4<f32>(math_clamp(v.x, -2.0, 3.0), math_tanh(v.x), math_at_most(v.x, 3.0), math_erf(v.x))");
    let input = [[NAN; 4], [100.0; 4], [-1e30; 4], [INF; 4], [-INF; 4]];
    let want =
        [[NAN; 4], [3.0, 1.0, 3.0, 1.0], [-2.0, -1.0, -1e30, -1.0], [3.0, 1.0, 3.0, 1.0], [-2.0, -1.0, -INF, -1.0]];
    compare("clamp, tanh, capped, erf", &input, &map(&gpu, &def, &input), &want);
}

#[test]
fn losses_of_what_is_no_number_are_none() {
    let Some(gpu) = gpu() else { return };
    // logp, logp_old, advantage; each form.
    let def = probe!(
        [MATH, SURROGATE],
        "vec4<f32>(surrogate_loss(0u, 0.2, 0.0, v.x, v.y, v.z).loss, surrogate_loss(1u, 0.2, 0.0, v.x, v.y, v.z).loss,
            surrogate_loss(0u, 0.2, 3.0, v.x, v.y, v.z).loss, surrogate_loss(0u, 0.2, 0.0, v.x, v.y, v.z).ratio)"
    );
    let input = [[NAN, -1.0, 1.0, 0.0], [-1.0, NAN, -1.0, 0.0], [-1.0, -1.0, 2.0, 0.0]];
    let want = [[NAN; 4], [NAN; 4], [-2.0, -2.0, -2.0, 1.0]];
    compare("surrogate", &input, &map(&gpu, &def, &input), &want);
    // v, target, v_old; each form of the error.
    let def = probe!(
        [MATH, VALUE],
        "vec4<f32>(value_error(0u, 0.2, v.x, v.y, v.z).x, value_error(1u, 0.2, v.x, v.y, v.z).x,
            value_error(2u, 0.2, v.x, v.y, v.z).x, value_error(4u, 0.2, v.x, v.y, v.z).x)"
    );
    // An error of 1, in the part's unit; the last form's limit is 0.2.
    let one = 2_f32.powi(-24);
    let input = [[NAN, 1.0, 1.0, 0.0], [1.0, NAN, 1.0, 0.0], [2.0, 1.0, 2.0, 0.0]];
    let want = [[NAN; 4], [NAN; 4], [one, one, one, 0.2 * one]];
    compare("value", &input, &map(&gpu, &def, &input), &want);
}

#[test]
fn activations_of_what_is_large_and_of_none() {
    let Some(gpu) = gpu() else { return };
    let def = probe!(
        [MATH, ACTIVATION],
        "vec4<f32>(activation_apply(ACTIVATION_ELU, v.x), activation_apply(ACTIVATION_SILU, v.x) + activation_apply(ACTIVATION_RELU, v.y),
            activation_apply(ACTIVATION_GELU_TANH, v.x), activation_apply(ACTIVATION_GELU_ERF, v.x))"
    );
    let input = [[NAN; 4], [3e38, 0.0, 0.0, 0.0], [-3e38; 4], [0.0, NAN, 0.0, 0.0]];
    let want = [[NAN; 4], [3e38; 4], [-1.0, 0.0, 0.0, 0.0], [0.0, NAN, 0.0, 0.0]];
    compare("elu, silu and relu, gelu", &input, &map(&gpu, &def, &input), &want);
    let def = probe!(
        [MATH, ACTIVATION],
        "vec4<f32>(activation_slope(ACTIVATION_TANH, v.x), activation_slope(ACTIVATION_SILU, v.x),
            activation_slope(ACTIVATION_GELU_TANH, v.x), activation_slope(ACTIVATION_GELU_ERF, v.x))"
    );
    let input = [[NAN; 4], [0.0; 4]];
    compare("slopes", &input, &map(&gpu, &def, &input), &[[NAN; 4], [1.0, 0.5, 0.5, 0.5]]);
}

/// Not a promise: what the driver makes of what WGSL leaves open, for the table in ARCHITECTURE.md.
#[test]
fn what_wgsl_leaves_open() {
    let Some(gpu) = gpu() else { return };
    let def = probe!([], "vec4<f32>(log(v.x), tanh(v.y), exp(v.z), min(1.0, v.w))");
    let input = [[0.0, 100.0, -1e30, NAN], [INF, 1e30, -100.0, NAN], [NAN, NAN, NAN, NAN], [-1.0, 10.0, 100.0, NAN]];
    let got = map(&gpu, &def, &input);
    assert!(got.iter().flatten().all(|x| *x != UNWRITTEN), "{got:?}");
    for (v, got) in input.iter().zip(got) {
        println!("log, tanh, exp, min(1, w) of {v:?}: {got:?}");
    }
    let def = probe!([], "vec4<f32>(min(v.x, 1.0), max(v.x, 1.0), clamp(v.x, -2.0, 3.0), max(1.0, v.x))");
    println!("min(NaN, 1), max(NaN, 1), clamp(NaN, -2, 3), max(1, NaN): {:?}", map(&gpu, &def, &[[NAN; 4]]));
    println!("by {}", gpu.adapter_info().name);
}
