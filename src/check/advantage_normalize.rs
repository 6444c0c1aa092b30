//! Normalised advantages.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{EPS, Guarded, Random, wide};
use super::work::Work;
use crate::gpu::Slot;
use crate::kernels::advantage_normalize;
use crate::kernels::reduce_running::pair;
use crate::reference::advantage_normalize::{advantage_center as center_on_mean, advantage_normalize as normalize};
use ndarray::Array1;

#[derive(Clone, Copy)]
struct Normalize {
    rows: usize,
    segment: usize,
    stride: usize,
    offset: usize,
    ddof: u32,
    eps: f32,
    mean: f32,
    /// Least deviation.
    floor: f32,
    /// Segments whose moments come before.
    place: usize,
    /// All advantages the same.
    flat: bool,
    /// Nothing is divided.
    center: bool,
}

fn normalize_case(c: Normalize) -> Case {
    let Normalize { rows, segment, stride, offset, ddof, eps, mean, floor, place, flat, center } = c;
    let equal = if flat { ", equal advantages" } else { "" };
    let alone = if center { ", the mean alone" } else { "" };
    let shape = format!(
        "{rows} rows in segments of {segment}, stride {stride}, ddof {ddof}, ε {eps}, floor {floor}, mean {mean}{equal}{alone}"
    );
    let reason = "given the mean in two f32 and the deviation in one; a subtraction, a root and two divisions of at most 3 ulp each; \
                  scale: the result, and 0.1 where it is small";
    Case::new(advantage_normalize::DEF.name, shape, (16.0 * EPS, reason), async move |gpu, report| {
        let mut random = Random::new((rows * 31 + segment) as u64);
        let mut data = random.normals(rows * stride + offset, 1.0);
        data.iter_mut().for_each(|x| *x += mean);
        if flat {
            data.fill(0.3);
        }
        let mut want = data.clone();
        let mut moments = vec![[7.0, 7.0, 7.0, 7.0]; place];
        let mut sizes = vec![0.0; rows];
        let mut normalized = vec![0.0; rows];
        for first in (0..rows).step_by(segment) {
            let last = rows.min(first + segment);
            let column: Array1<f64> = (first..last).map(|row| f64::from(data[row * stride + offset])).collect();
            let n = column.len() as f64;
            let mean = if flat { column[0] } else { column.sum() / n };
            let squares = column.mapv(|x| (x - mean) * (x - mean)).sum();
            let [first_part, rest] = pair(mean);
            moments.push([n as f32, first_part, (squares / n).sqrt() as f32, rest]);
            let own = match center {
                true => center_on_mean(column.view()),
                false => normalize(column.view(), ddof, f64::from(eps), f64::from(floor))?,
            };
            for (row, value) in (first..last).zip(own) {
                normalized[row] = value;
                sizes[row] = 0.1;
            }
        }
        let moments = Guarded::holding(gpu, "moments", &moments)?;
        let advantages = Guarded::updated(gpu, "advantages", &data)?;
        let mut p = advantage_normalize::Params::default();
        (p.rows, p.segment, p.stride, p.offset) = (rows as u32, segment as u32, stride as u32, offset as u32);
        (p.ddof, p.eps, p.std_floor, p.place) = (ddof, eps, floor, place as u32);
        p.center = center.into();
        let io = advantage_normalize::Io { moments: moments.io(), advantages: advantages.io() };
        report.run(gpu, &advantage_normalize::bind(gpu, &[p], &io)?, Slot::default())?;
        let got = advantages.read(gpu, report).await?;
        let column: Vec<f32> = (0..rows).map(|row| got[row * stride + offset]).collect();
        report.floats("advantages", &column, &normalized, |row| sizes[row]);
        // Everything but the column stays as it was.
        for row in 0..rows {
            want[row * stride + offset] = got[row * stride + offset];
        }
        report.floats("what lies between", &got, &wide(&want), |_| 1e-30);
        Ok(())
    })
}

const USUAL: Normalize = Normalize {
    rows: 65,
    segment: 65,
    stride: 1,
    offset: 0,
    ddof: 1,
    eps: 1e-8,
    mean: 0.0,
    floor: 0.0,
    place: 0,
    flat: false,
    center: false,
};

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &advantage_normalize::DEF,
        about: "advantages with mean 0 and deviation 1, per minibatch or batch, or with mean 0 alone",
        oracle: oracle!(advantage_normalize::advantage_normalize),
        at_size: |s| Some(normalize_case(Normalize { rows: s.rows, segment: s.rows, stride: 4, offset: 1, ..USUAL })),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work: |s| Work::rows(s.rows, 2.0 * s.rows as f64, 8.0 * s.rows as f64),
    }],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for c in [
        USUAL,
        Normalize { rows: 1, segment: 1, ..USUAL },
        Normalize { rows: 2, segment: 2, ..USUAL },
        Normalize { rows: 64, segment: 63, ddof: 0, ..USUAL },
        Normalize { rows: 131, segment: 32, stride: 4, offset: 1, ..USUAL },
        Normalize { rows: 67, segment: 67, stride: 4, offset: 3, ddof: 0, eps: 1e-5, ..USUAL },
        Normalize { mean: 1e7, ..USUAL },
        Normalize { rows: 131, segment: 32, place: 3, floor: 1.0, ..USUAL },
        Normalize { flat: true, floor: 1e-4, eps: 0.0, ..USUAL },
        Normalize { flat: true, ..USUAL },
        Normalize { flat: true, eps: 0.0, ddof: 0, ..USUAL },
        Normalize { center: true, ..USUAL },
        Normalize { rows: 1, segment: 1, center: true, ..USUAL },
        Normalize { rows: 131, segment: 32, stride: 4, offset: 1, mean: 1e7, place: 3, center: true, ..USUAL },
    ] {
        cases.push(normalize_case(c).quick(c.rows == 131));
    }
    cases
}
