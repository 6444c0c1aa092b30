//! Pairs of f32 against f64, which holds every one of them to 2⁻⁵³.

use super::super::TWOFLOAT;
use super::{gpu, map};
use crate::gpu::{Access, Binding, KernelDef, ParamField, Part};

/// 2⁻⁴⁸, the unit of the part's promises.
const UNIT: f64 = 1.0 / (1_u64 << 48) as f64;

/// Pairs a = (x, y), b = (z, w) with |y| at most half a unit in the last place of x, of all sizes from `least` to `most` and of both signs,
/// also nearly equal and nearly opposite ones, from a fixed sequence.
fn pairs(least: f64, most: f64) -> Vec<[f32; 4]> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let split = |x: f64| [x as f32, (x - f64::from(x as f32)) as f32];
    (0..40_000)
        .map(|i| {
            let mut number = || {
                let size = least * (most / least).powf(next());
                if next() < 0.5 { -size } else { size }
            };
            let (a, mut b) = (number(), number());
            if i % 3 == 0 {
                b = a * (1.0 + (next() - 0.5) * 2_f64.powi(-(i % 40))) * if i % 2 == 0 { -1.0 } else { 1.0 };
            }
            let ([x, y], [z, w]) = (split(a), split(b));
            [x, y, z, w]
        })
        .collect()
}

/// On a device of its own, as pipelines are kept by the kernel's name, which all probes share.
fn on_its_own(def: &KernelDef, input: &[[f32; 4]]) -> Option<Vec<[f32; 4]>> {
    gpu().map(|gpu| map(&gpu, def, input))
}

fn both(v: [f64; 4]) -> (f64, f64) {
    (v[0] + v[1], v[2] + v[3])
}

/// Largest error of the pair in `columns` in units of 2⁻⁴⁸ of `size`.
fn worst(input: &[[f32; 4]], got: &[[f32; 4]], columns: [usize; 2], of: impl Fn([f64; 4]) -> (f64, f64)) -> f64 {
    let mut most = 0.0_f64;
    for (v, got) in input.iter().zip(got) {
        let (want, size) = of(v.map(f64::from));
        let error = (f64::from(got[columns[0]]) + f64::from(got[columns[1]]) - want).abs() / (size * UNIT);
        assert!(!error.is_nan(), "{v:?}: {got:?}");
        most = most.max(error);
    }
    println!("columns {columns:?}: {most}");
    most
}

#[test]
fn sums_and_products_of_two_floats_are_exact() {
    let def = probe!([TWOFLOAT], "vec4<f32>(twofloat_sum(v.x, v.z, params.a), twofloat_product(v.x, v.z, params.a))");
    // Sums of numbers as far apart as f64 can add without rounding.
    let input = pairs(1.0, 1e8);
    let Some(got) = on_its_own(&def, &input) else { return };
    for (v, got) in input.iter().zip(&got) {
        let v = v.map(f64::from);
        let [a, b, c, d] = got.map(f64::from);
        assert_eq!((a + b, c + d), (v[0] + v[2], v[0] * v[2]), "{v:?}");
        assert_eq!((got[0], got[2]), ((v[0] + v[2]) as f32, (v[0] * v[2]) as f32), "the first is the whole, rounded");
    }
    // Whoever is larger comes first.
    let ordered: Vec<[f32; 4]> =
        input.iter().map(|v| if v[0].abs() < v[2].abs() { [v[2], v[3], v[0], v[1]] } else { *v }).collect();
    let def = probe!([TWOFLOAT], "vec4<f32>(twofloat_quick_sum(v.x, v.z, params.a), twofloat_fit(v.xy))");
    let Some(got) = on_its_own(&def, &ordered) else { return };
    for (v, got) in ordered.iter().zip(&got) {
        let v = v.map(f64::from);
        assert_eq!(f64::from(got[0]) + f64::from(got[1]), v[0] + v[2]);
        assert_eq!(f64::from(got[2]) + f64::from(got[3]), v[0] + v[1], "53 bits are as they were");
    }
    // Further bits are cut off: f64 has what is left, and gives it back.
    let long: Vec<[f32; 4]> = (0..60).map(|i| [1.5, 1.999_999_9 * 2_f32.powi(-25 - i), 0.0, 0.0]).collect();
    let Some(got) = on_its_own(&def, &long) else { return };
    for (v, got) in long.iter().zip(&got) {
        let sum = f64::from(got[2]) + f64::from(got[3]);
        assert_eq!([sum as f32, (sum - f64::from(sum as f32)) as f32], [got[2], got[3]], "{v:?}");
        assert!((sum - f64::from(v[0]) - f64::from(v[1])).abs() <= f64::EPSILON, "{v:?}");
    }
}

#[test]
fn arithmetic_of_pairs_has_48_bits() {
    let input = pairs(1e-6, 1e6);
    let def =
        probe!([TWOFLOAT], "vec4<f32>(twofloat_add(v.xy, v.zw, params.a), twofloat_multiply(v.xy, v.zw, params.a))");
    let Some(got) = on_its_own(&def, &input) else { return };
    let sum = |v| (both(v).0 + both(v).1, both(v).0.abs() + both(v).1.abs());
    assert!(worst(&input, &got, [0, 1], sum) < 4.0);
    let product = |v| (both(v).0 * both(v).1, (both(v).0 * both(v).1).abs());
    assert!(worst(&input, &got, [2, 3], product) < 8.0);
    let def = probe!([TWOFLOAT], "vec4<f32>(twofloat_divide(v.xy, v.zw, params.a), twofloat_sqrt(v.xy, params.a))");
    let Some(got) = on_its_own(&def, &input) else { return };
    let quotient = |v| (both(v).0 / both(v).1, (both(v).0 / both(v).1).abs());
    assert!(worst(&input, &got, [0, 1], quotient) < 16.0);
    let root = |v| (both(v).0.max(0.0).sqrt(), both(v).0.abs().sqrt());
    assert!(worst(&input, &got, [2, 3], root) < 16.0);
    // A difference rounded once, whatever cancels.
    let def = probe!([TWOFLOAT], "vec4<f32>(twofloat_less(v.z, v.xy, params.a), 0.0, 0.0, 0.0)");
    let Some(got) = on_its_own(&def, &input) else { return };
    for (v, got) in input.iter().zip(&got) {
        let v = v.map(f64::from);
        let want = v[2] - v[0] - v[1];
        assert!((f64::from(got[0]) - want).abs() <= 1.2e-7 * want.abs() + UNIT * v[0].abs(), "{v:?}");
    }
}
