//! Gather and pack: words move, so every comparison is exact.

use super::case::Case;
use super::entry::{Entry, Family, Sweep, Timed, oracle};
use super::support::{Guarded, Random, schedule};
use super::work::Work;
use crate::kernels::per_update::PerUpdate;
use crate::kernels::{batch_gather, batch_pack, words};
use crate::reference::batch_shuffle::BatchShuffle;

const EXACT: (f64, &str) = (0.0, "words are copied; the order is integer arithmetic");
const SEED: u64 = 0x0123_4567_89ab_cdef;

/// Where row j of the result comes from, and the order buffer that says so if it is the caller's.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Shuffled by key; epoch and update.
    Keyed(u32, u64),
    /// The caller's, from this element on.
    Given(u32),
    /// The caller's, with indices beyond the last row.
    Beyond,
    /// As it came.
    InPlace,
}

impl Order {
    fn name(self) -> String {
        match self {
            Self::Keyed(epoch, update) => format!("keyed by epoch {epoch} of update {update}"),
            Self::Given(offset) => format!("given order from {offset}"),
            Self::Beyond => "given order past the end".to_owned(),
            Self::InPlace => "in place".to_owned(),
        }
    }

    /// (order buffer, its first element, source of each row).
    fn make(self, rows: u32) -> (Vec<u32>, u32, Vec<usize>) {
        let mut random = Random::new(u64::from(rows));
        let (order, offset) = match self {
            Self::Keyed(epoch, update) => {
                let sources = BatchShuffle::new(rows, SEED, epoch, update).order();
                return (vec![0], 0, sources.into_iter().map(|row| row as usize).collect());
            }
            Self::InPlace => return (vec![0], 0, (0..rows as usize).collect()),
            Self::Given(offset) => ((0..offset + rows).map(|_| random.below(rows)).collect::<Vec<_>>(), offset),
            Self::Beyond => ((0..rows).map(|_| random.word()).collect(), 0),
        };
        let sources = order[offset as usize..].iter().map(|row| (*row).min(rows - 1) as usize).collect();
        (order, offset, sources)
    }

    fn use_order(self) -> u32 {
        match self {
            Self::Keyed(..) => words::Order::Shuffled,
            Self::Given(_) | Self::Beyond => words::Order::Given,
            Self::InPlace => words::Order::InPlace,
        }
        .code()
    }

    fn schedule(self) -> PerUpdate {
        let update = if let Self::Keyed(_, update) = self { update } else { 0 };
        PerUpdate {
            seed_low: SEED as u32,
            seed_high: (SEED >> 32) as u32,
            update_low: update as u32,
            update_high: (update >> 32) as u32,
            ..PerUpdate::default()
        }
    }

    fn epoch(self) -> u32 {
        if let Self::Keyed(epoch, _) = self { epoch } else { 0 }
    }
}

/// `gap`: words between the rows gathered. `taken`: how many of them there are.
fn gather_case(rows: u32, width: u32, gap: u32, taken: u32, order: Order) -> Case {
    let apart = if gap == 0 { String::new() } else { format!(" and {gap} apart") };
    let first = if taken == rows { String::new() } else { format!("the first {taken} of ") };
    let shape = format!("{first}{rows} rows of {width}{apart}, {}", order.name());
    Case::new(batch_gather::DEF.name, shape, EXACT, async move |gpu, report| {
        let (list, offset, sources) = order.make(rows);
        let width_words = width as usize;
        let data = Random::new(7).words((rows * width) as usize);
        let list = Guarded::holding(gpu, "order", &list)?;
        let source = Guarded::holding(gpu, "source", &data)?;
        let stride = width + gap;
        let gathered = Guarded::output(gpu, "gathered", (taken * stride - gap) as usize)?;
        let (ring, slot) = schedule(gpu, &order.schedule())?;
        let mut p = batch_gather::Params::default();
        (p.rows, p.width, p.stride, p.order_offset, p.epoch) = (rows, width, stride, offset, order.epoch());
        p.use_order = order.use_order();
        p.taken = if taken == rows { 0 } else { taken };
        let io = batch_gather::Io { order: list.io(), source: source.io(), gathered: gathered.io() };
        report.run(gpu, &batch_gather::bind(gpu, &[p], &io, &ring)?, slot)?;
        let got = gathered.read(gpu, report).await?;
        for (row, (source, got)) in sources.iter().zip(got.chunks(stride as usize)).enumerate() {
            report.exact(
                &format!("gathered row {row}"),
                &got[..width_words],
                &data[source * width_words..][..width_words],
            );
            let gap: Vec<f32> = got[width_words..].iter().map(|word| f32::from_bits(*word)).collect();
            report.untouched("gathered (between rows)", gap.iter().enumerate());
        }
        Ok(())
    })
}

fn pack_case(rows: u32, taken: u32, order: Order) -> Case {
    let first = if taken == rows { String::new() } else { format!("the first {taken} of ") };
    let shape = format!("{first}{rows} rows, {}", order.name());
    Case::new(batch_pack::DEF.name, shape, EXACT, async move |gpu, report| {
        let (list, offset, sources) = order.make(rows);
        let mut random = Random::new(8);
        let mut column = || random.normals(rows as usize, 1.0);
        let data = [column(), column(), column(), column()];
        let list = Guarded::holding(gpu, "order", &list)?;
        let [logp_old, advantages, returns, values_old] = [
            Guarded::holding(gpu, "logp_old", &data[0])?,
            Guarded::holding(gpu, "advantages", &data[1])?,
            Guarded::holding(gpu, "returns", &data[2])?,
            Guarded::holding(gpu, "values_old", &data[3])?,
        ];
        let samples = Guarded::<[f32; 4]>::output(gpu, "samples", taken as usize)?;
        let (ring, slot) = schedule(gpu, &order.schedule())?;
        let p = batch_pack::Params {
            rows,
            use_order: order.use_order(),
            order_offset: offset,
            epoch: order.epoch(),
            taken: if taken == rows { 0 } else { taken },
            ..Default::default()
        };
        let io = batch_pack::Io {
            order: list.io(),
            logp_old: logp_old.io(),
            advantages: advantages.io(),
            returns: returns.io(),
            values_old: values_old.io(),
            samples: samples.io(),
        };
        report.run(gpu, &batch_pack::bind(gpu, &[p], &io, &ring)?, slot)?;
        let want: Vec<[f32; 4]> =
            sources[..taken as usize].iter().map(|&row| [0, 1, 2, 3].map(|i| data[i][row])).collect();
        report.exact("samples", &samples.read(gpu, report).await?, &want);
        Ok(())
    })
}

pub(super) const FAMILY: Family = Family {
    cases,
    rows: &[
        Entry {
            def: &batch_gather::DEF,
            about: "rows of a minibatch, in the order of a keyed shuffle or a given one",
            oracle: oracle!(batch_shuffle::BatchShuffle),
            at_size: |s| Some(gather_case(s.rows as u32, s.obs_dim as u32, 0, s.rows as u32, Order::Keyed(0, 0))),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, 0.0, 8.0 * s.rows as f64 * s.obs_dim as f64),
        },
        Entry {
            def: &batch_pack::DEF,
            about: "the four numbers per row that a loss needs, in the same order",
            oracle: oracle!(batch_shuffle::BatchShuffle),
            at_size: |s| Some(pack_case(s.rows as u32, s.rows as u32, Order::Keyed(0, 0))),
            sweep: Sweep::Nets,
            timed: Timed::Last,
            work: |s| Work::rows(s.rows, 0.0, 32.0 * s.rows as f64),
        },
    ],
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for rows in [1, 2, 3, 63, 64, 65, 127, 1000, 4096, 4099] {
        let order = Order::Keyed(rows % 5, 3 + (u64::from(rows) << 32));
        cases.push(gather_case(rows, [1, 3, 4, 33][rows as usize % 4], rows % 4, rows, order).quick(rows == 1000));
        if rows > 1 {
            cases.push(gather_case(rows, 3, rows % 2, rows.div_ceil(4), order).quick(rows == 65));
            cases.push(pack_case(rows, rows.div_ceil(4), order));
        }
        cases.push(pack_case(rows, rows, order).quick(rows == 1000));
    }
    for (rows, width, order) in [
        (1, 1, Order::Given(0)),
        (65, 7, Order::Given(130)),
        (64, 65, Order::Given(1)),
        (63, 2, Order::Beyond),
        (65, 3, Order::InPlace),
    ] {
        cases.push(gather_case(rows, width, 0, rows, order).quick(rows == 65));
        if rows > 1 {
            cases.push(gather_case(rows, width, 0, rows.div_ceil(3), order));
            cases.push(pack_case(rows, rows.div_ceil(3), order));
        }
        cases.push(pack_case(rows, rows, order).quick(rows == 65));
    }
    cases
}
