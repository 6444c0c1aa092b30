// Nonlinearities and their derivatives by number, in the order of `Activation::ALL`. Needs part math.

const ACTIVATION_IDENTITY: u32 = 0u;
const ACTIVATION_TANH: u32 = 1u;
const ACTIVATION_RELU: u32 = 2u;
const ACTIVATION_ELU: u32 = 3u;
const ACTIVATION_SILU: u32 = 4u;
const ACTIVATION_GELU_TANH: u32 = 5u;
const ACTIVATION_GELU_ERF: u32 = 6u;

// gelu_tanh(x) = x sigmoid(2 u): the same as 0.5 x (1 + tanh u), without its cancellation at negative x. Clamped, since
// beyond it the sigmoid is 0 or 1 and the cube may overflow.
fn activation_gelu_argument(x: f32) -> f32 {
    let c = math_clamp(x, -20.0, 20.0);
    return 1.5957691 * (c + 0.044715 * c * c * c);
}

// NaN goes through, also where a compiler takes a comparison for a min or a max, which may swallow it.
fn activation_apply(code: u32, x: f32) -> f32 {
    switch code {
        case ACTIVATION_TANH: { return math_tanh(x); }
        case ACTIVATION_RELU: { return select(select(x, 0.0, x <= 0.0), x, math_is_nan(x)); }
        case ACTIVATION_ELU: { return select(x, math_expm1(min(x, 0.0)), x <= 0.0); }
        case ACTIVATION_SILU: { return x * math_sigmoid(x); }
        case ACTIVATION_GELU_TANH: { return x * math_sigmoid(activation_gelu_argument(x)); }
        case ACTIVATION_GELU_ERF: { return 0.5 * x * math_erfc(-0.70710678 * x); }
        default: { return x; }
    }
}

fn activation_apply_4(code: u32, x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(
        activation_apply(code, x.x), activation_apply(code, x.y), activation_apply(code, x.z), activation_apply(code, x.w));
}

// Derivative at a point of which `kept` is known: the output for identity, tanh, relu and elu; the input for silu and both
// gelu, whose derivative is not a function of the output.
fn activation_slope(code: u32, kept: f32) -> f32 {
    switch code {
        case ACTIVATION_TANH: { return 1.0 - kept * kept; }
        case ACTIVATION_RELU: { return select(0.0, 1.0, kept > 0.0); }
        case ACTIVATION_ELU: { return select(kept + 1.0, 1.0, kept > 0.0); }
        case ACTIVATION_SILU: {
            return math_sigmoid(kept) * (1.0 + kept * math_sigmoid(-kept));
        }
        case ACTIVATION_GELU_TANH: {
            let c = math_clamp(kept, -20.0, 20.0);
            let u = activation_gelu_argument(kept);
            let s = math_sigmoid(u);
            return s + c * s * math_sigmoid(-u) * 1.5957691 * (1.0 + 0.134145 * c * c);
        }
        case ACTIVATION_GELU_ERF: {
            let c = math_clamp(kept, -20.0, 20.0);
            return 0.5 * math_erfc(-0.70710678 * kept) + c * 0.39894228 * math_exp(-0.5 * c * c);
        }
        default: { return 1.0; }
    }
}
