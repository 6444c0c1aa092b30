//! Every kernel alone, at the sizes that the nets and windows of a table give it.

use super::{Case, Prepared, Table, Window};
use crate::check::{Entry, Size, Submitted, Sweep, Timed, registry};
use crate::env::Env;
use crate::gpu::{Call, Gpu, Slot};
use crate::kernels::{advantage_gae, mlp_backward_weight};
use crate::policy::{Branch, PolicySpec};

pub(super) fn cases(table: &Table) -> Vec<Case> {
    let mut all = Vec::new();
    for row in registry() {
        let sizes = match row.sweep {
            Sweep::Layers => layers(table),
            Sweep::LaterLayers => layers(table).into_iter().filter(|(_, _, size)| !size.first).collect(),
            Sweep::Windows { chunked } => windows(table, chunked),
            Sweep::Rollout => rollout(table),
            Sweep::Nets => nets(table),
            Sweep::Wide => wide(),
        };
        all.extend(sizes.into_iter().filter_map(|(name, net, size)| one(row, &name, net, &size)));
    }
    all
}

type Named = (String, Option<String>, Size);

pub(super) fn size(spec: &PolicySpec, rows: usize) -> Size {
    let parameters = spec.layout().len();
    let slice = mlp_backward_weight::slice_rows(rows as u32, parameters as u64) as usize;
    Size {
        rows,
        steps: 1,
        envs: rows,
        layer: (spec.obs_dim(), spec.head.raw_outputs()),
        first: false,
        last: false,
        head: spec.head.clone(),
        obs_dim: spec.obs_dim(),
        parameters,
        slices: rows.div_ceil(slice),
        env: Env::CartPole,
    }
}

/// The largest product of each net's actor, and the first and last of those whose hidden layers no net before had.
fn layers(table: &Table) -> Vec<Named> {
    let (mut named, mut seen) = (Vec::new(), Vec::new());
    for (net, spec, rows) in &table.nets {
        let layout = spec.layout();
        let layers = layout.layers(Branch::POLICY);
        let of = |index: usize, name: String| {
            let layer = &layers[index];
            let (first, last) = (index == 0, index + 1 == layers.len());
            let layer = (layer.inputs, layer.outputs);
            (name, Some(net.clone()), Size { layer, first, last, ..size(spec, *rows) })
        };
        let widest = (0..layers.len()).max_by_key(|index| layers[*index].inputs * layers[*index].outputs).unwrap_or(0);
        let shape = (layers[widest].inputs, layers[widest].outputs, *rows);
        if layers.len() > 1 && !seen.contains(&shape) {
            seen.push(shape);
            named.push(of(widest, net.clone()));
            named.push(of(0, format!("{net}-first")));
            named.push(of(layers.len() - 1, format!("{net}-last")));
        }
    }
    named
}

/// Each net; of several, the smallest and the largest.
fn nets(table: &Table) -> Vec<Named> {
    let mut nets: Vec<_> = table.nets.iter().collect();
    nets.sort_by_key(|(_, spec, rows)| spec.layout().len() * rows);
    let chosen = [nets.first(), if nets.len() > 1 { nets.last() } else { None }];
    chosen.into_iter().flatten().map(|(net, spec, rows)| (net.clone(), Some(net.clone()), size(spec, *rows))).collect()
}

/// Rows that only a workgroup can walk.
fn wide() -> Vec<Named> {
    let spec = PolicySpec::separate(1, &[1], crate::policy::Activation::Tanh, crate::policy::Head::categorical(65_536));
    vec![("choices-65536".to_owned(), None, size(&spec, 8))]
}

fn of_window(table: &Table, window: &Window) -> Option<Named> {
    let (_, spec, _) = table.nets.first()?;
    let (steps, envs) = (window.steps, window.envs);
    Some((window.name.clone(), None, Size { steps, envs, ..size(spec, steps * envs) }))
}

fn windows(table: &Table, chunked: bool) -> Vec<Named> {
    let prefers = |window: &Window| advantage_gae::prefers_chunks(window.steps as u32, window.envs as u32);
    let fits = table.windows.iter().filter(|window| prefers(window) == chunked);
    let mut named: Vec<Named> = fits.filter_map(|window| of_window(table, window)).collect();
    // No window may ask for this form; every kernel has a row all the same.
    if named.is_empty() {
        named.extend(table.windows.first().and_then(|window| of_window(table, window)));
    }
    named
}

fn rollout(table: &Table) -> Vec<Named> {
    let shape = table.rollout.or_else(|| table.windows.first().map(|window| (window.steps, window.envs)));
    let (Some((net, spec, _)), Some((steps, envs))) = (table.nets.first(), shape) else { return Vec::new() };
    vec![(net.clone(), Some(net.clone()), Size { steps, envs, ..size(spec, steps * envs) })]
}

fn one(row: Entry, name: &str, net: Option<String>, size: &Size) -> Option<Case> {
    let check = (row.at_size)(size)?;
    let kernel = row.def.name;
    let shape = check.shape.clone();
    let prepare = async move |gpu: &Gpu| {
        let (found, submitted) = check.replay(gpu).await?;
        let (calls, slot) = timed(row, submitted);
        Ok(Prepared::calls_of(found, calls, slot))
    };
    let case = Case::new(format!("kernel/{kernel}/{name}"), shape, (row.work)(size)).on_gpu(prepare);
    Some(match net {
        Some(net) => case.of_net(&net),
        None => case,
    })
}

/// Of all that a case submitted, what is timed.
fn timed(row: Entry, submitted: Vec<Submitted>) -> (Vec<Call>, Slot) {
    let slot = submitted.last().map(|(_, slot)| *slot).unwrap_or_default();
    let range = match row.timed {
        Timed::Last => submitted.len().saturating_sub(1)..submitted.len(),
        Timed::First(count) => 0..count,
        Timed::All => 0..submitted.len(),
    };
    let (calls, slots): (Vec<Vec<Call>>, Vec<Slot>) = submitted.into_iter().skip(range.start).take(range.len()).unzip();
    let own = calls.into_iter().flatten().filter(|call| call.kernel() == row.def.name).collect();
    (own, slots.first().copied().unwrap_or(slot))
}
