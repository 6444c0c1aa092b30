//! Distributions over actions, by their rows.

use super::number::{Number, is_double};
use crate::fields::Fields;
use crate::{compute, errors, json, rollouts};
use ndarray::{Array1, Array2};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wgpo::data::Actions;
use wgpo::gpu::Gpu;
use wgpo::low_level::kernels::head_evaluate;
use wgpo::low_level::reference::head;
use wgpo::policy::Head;

pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(log_prob, module)?)?;
    module.add_function(wrap_pyfunction!(entropy, module)?)?;
    module.add_function(wrap_pyfunction!(kl, module)?)
}

/// What is asked of rows.
enum Ask {
    LogProb(Actions),
    Entropy,
    /// KL(p‖q), of q.
    Kl,
}

fn read<F: Number>(name: &str, dist: &Bound<'_, PyAny>, head: &Head) -> PyResult<Array2<F>> {
    let array = F::read(name, dist)?;
    let rows = array.shape().first().copied().unwrap_or(1);
    rollouts::by_rows(dist.py(), name, array, &[rows], head.width())
}

fn on_cpu<F: Number>(head: &Head, p: Array2<F>, q: Option<Array2<F>>, ask: &Ask) -> wgpo::Result<Array1<F>> {
    let (mut p, mut q) = (p, q);
    if let Ask::LogProb(actions) = ask {
        head::forbid(&mut p, actions)?;
    }
    match ask {
        Ask::LogProb(actions) => head::log_prob(head, p.view(), actions),
        Ask::Entropy => head::entropy(head, p.view()),
        Ask::Kl => {
            let q = q.get_or_insert_with(|| p.clone());
            head::kl(head, p.view(), q.view())
        }
    }
}

/// By the kernel: `(logp, entropy, KL(old‖new), KL(new‖old))` of each row.
fn on_device(gpu: &Gpu, head: &Head, p: &Array2<f32>, q: Option<&Array2<f32>>, ask: &Ask) -> wgpo::Result<Array1<f32>> {
    let rows = p.nrows();
    // KL(p‖q): p is the old one.
    let (new, old) = (q.unwrap_or(p), p);
    if new.dim() != old.dim() {
        return Err(wgpo::Error::Shape {
            tensor: "q".to_owned(),
            got: new.shape().to_vec(),
            expected: old.shape().to_vec(),
        });
    }
    let none = || vec![0_u32; rows * head.action_words()];
    let words = match ask {
        Ask::LogProb(actions) => {
            actions.validate(head, rows)?;
            actions.words()
        }
        Ask::Entropy | Ask::Kl => none(),
    };
    let all = |array: &Array2<f32>| array.iter().copied().collect::<Vec<f32>>();
    let count = u32::try_from(rows).map_err(|_| wgpo::Error::Internal("more rows than a device takes"))?;
    let values = gpu.buffer::<[f32; 4]>("row_values", rows as u64)?;
    let io = head_evaluate::Io {
        head_outputs: &gpu.upload("head_outputs", &all(new))?,
        head_outputs_old: &gpu.upload("head_outputs_old", &all(old))?,
        actions: &gpu.upload("actions", &words)?,
        weights: &gpu.buffer("weights", rows as u64)?,
        row_values: &values,
        d_head_outputs: &gpu.buffer("d_head_outputs", p.len() as u64)?,
    };
    let params = head_evaluate::Params { rows: count, ..Default::default() };
    gpu.run("head", &head_evaluate::bind(gpu, head, &[params], &io)?, Default::default())?;
    let which = match ask {
        Ask::LogProb(_) => 0,
        Ask::Entropy => 1,
        Ask::Kl => 2,
    };
    Ok(gpu.read(&values)?.into_iter().map(|row| row[which]).collect())
}

fn run<'py>(
    action: &str,
    p: &Bound<'py, PyAny>,
    q: Option<&Bound<'py, PyAny>>,
    ask: impl FnOnce(&Head, usize) -> PyResult<Ask>,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = p.py();
    let head: Head = json::read(py, "action", action)?;
    head.validate().map_err(|error| errors::raise(py, &error))?;
    let gpu = super::device(py, backend)?;
    if is_double(p, dtype, gpu.is_some())? {
        let (p, q) = (read::<f64>("dist", p, &head)?, q.map(|q| read::<f64>("q", q, &head)).transpose()?);
        let ask = ask(&head, p.nrows())?;
        return Ok(compute::short(py, || on_cpu(&head, p, q, &ask))?.into_pyarray(py).into_any());
    }
    let (p, q) = (read::<f32>("dist", p, &head)?, q.map(|q| read::<f32>("q", q, &head)).transpose()?);
    let ask = ask(&head, p.nrows())?;
    let done = compute::long(py, move || match gpu {
        Some(gpu) => on_device(&gpu, &head, &p, q.as_ref(), &ask),
        None => on_cpu(&head, p, q, &ask),
    })?;
    Ok(done.into_pyarray(py).into_any())
}

/// log π(action), `[rows]`, in nats, summed over action dimensions.
///
/// `action` is the head as JSON (docs/rollout-format.md). `dist` `[rows, width]` are its rows: logits, or means and then the trained numbers of the
/// deviations (log σ before its limit), or a and b of a Beta. `actions` `[rows, action_dims]` are as drawn; `allowed` `[rows, raw outputs]` with a
/// masked head.
///
/// Raises `ShapeError`, `DataError`, `DtypeError` or `ConfigError`.
#[pyfunction]
#[pyo3(signature = (action, dist, actions, allowed = None, backend = "cpu", dtype = None))]
fn log_prob<'py>(
    action: &str,
    dist: &Bound<'py, PyAny>,
    actions: &Bound<'py, PyAny>,
    allowed: Option<&Bound<'py, PyAny>>,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    let given = PyDict::new(dist.py());
    given.set_item("actions", actions)?;
    given.set_item("allowed", allowed)?;
    let ask = |head: &Head, rows: usize| {
        let fields = Fields::new("actions", &given, &["actions", "allowed"])?;
        Ok(Ask::LogProb(rollouts::actions(&fields, head, &[rows])?))
    };
    run(action, dist, None, ask, backend, dtype)
}

/// Entropy of each row, `[rows]`, in nats. Arguments as for `log_prob`.
#[pyfunction]
#[pyo3(signature = (action, dist, backend = "cpu", dtype = None))]
fn entropy<'py>(
    action: &str,
    dist: &Bound<'py, PyAny>,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    run(action, dist, None, |_, _| Ok(Ask::Entropy), backend, dtype)
}

/// KL(p‖q) of each row, `[rows]`, in nats; `p` and `q` are rows as for `log_prob`. `kl(action, old, new)` is the papers' KL(old‖new).
#[pyfunction]
#[pyo3(signature = (action, p, q, backend = "cpu", dtype = None))]
fn kl<'py>(
    action: &str,
    p: &Bound<'py, PyAny>,
    q: &Bound<'py, PyAny>,
    backend: &str,
    dtype: Option<&str>,
) -> PyResult<Bound<'py, PyAny>> {
    run(action, p, Some(q), |_, _| Ok(Ask::Kl), backend, dtype)
}
