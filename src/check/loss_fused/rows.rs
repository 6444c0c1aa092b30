//! The table of cases.

use super::run::Fused;
use crate::check::case::Case;
use crate::check::entry::{Entry, Family, Sweep, Timed, oracle};
use crate::check::head::{CLAMP, TANH, beta, deviating, masked_choices, name};
use crate::check::loss::{Loss, usual};
use crate::check::size::Size;
use crate::check::support::EPS;
use crate::check::work::Work;
use crate::config::{Surrogate, ValueLoss};
use crate::kernels::{loss_ppo_fused, mlp_backward_weight};
use crate::policy::{Activation, Branch, Head, PolicySpec};

/// Of standard deviations.
const TOLERANCE: f64 = 8.0 * EPS;

const REASON: &str = "8 standard deviations; scale: roundings of every sum (the root of its length), what activations and the loss's own formulas are known to, carried forward and back by weights and slopes, in units of 2⁻²⁴";

fn fused_case(c: Fused) -> Case {
    let Fused { spec, loss, slice_rows } = &c;
    let sizes = |network| spec.sizes(network).iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let shape = format!(
        "{} × {} {:?}, {}, critic {}, {:?}{}, slices of {slice_rows}{}{}",
        loss.rows,
        sizes(Branch::POLICY),
        spec.activation,
        name(&spec.head),
        sizes(Branch::VALUE),
        loss.value_loss,
        ["", ", unclipped", ", no ratio"][loss.surrogate.code() as usize % 3],
        if loss.padded { ", every third row masked" } else { "" },
        if loss.broken { ", not finite" } else { "" },
    );
    Case::new(loss_ppo_fused::DEF.name, shape, (TOLERANCE, REASON), async move |gpu, report| c.run(gpu, report).await)
}

/// One minibatch of two networks of 64-64; observations and heads that are too wide for the kernel give none.
fn sized(rows: usize, obs_dim: usize, head: &Head) -> Option<Case> {
    let spec = PolicySpec::separate(obs_dim, &[64, 64], Activation::Tanh, head.clone());
    let slice_rows = mlp_backward_weight::slice_rows(rows as u32, spec.layout().len() as u64) as usize;
    let loss = usual(head.clone(), rows);
    loss_ppo_fused::fits(&spec).then(|| fused_case(Fused { spec, loss, slice_rows }))
}

/// Two networks of 64-64, forward, by inputs and by weights; loss and head as in loss_ppo.
fn work(s: &Size) -> Work {
    let (n, d, p) = (s.rows as f64, s.obs_dim as f64, s.parameters as f64);
    let (width, words) = (s.head.width() as f64, s.head.action_words() as f64);
    let weights = 2.0 * (d * 64.0 + 64.0 * 64.0) + 64.0 * (width + 1.0);
    let inputs = 2.0 * 64.0 * 64.0 + 64.0 * (width + 1.0);
    let bytes = 4.0 * n * (d + words + 4.0) + 4.0 * p * (1.0 + s.slices as f64);
    Work::rows(s.rows, n * (2.0 * (2.0 * weights + inputs) + 16.0 * width + 40.0), bytes)
}

pub(in crate::check) const FAMILY: Family = Family {
    cases,
    rows: &[Entry {
        def: &loss_ppo_fused::DEF,
        about: "a minibatch from observations to partial gradients of all parameters, for separate networks up to 64 wide",
        oracle: oracle!(ppo_update::minibatch_gradient),
        at_size: |s| sized(s.rows, s.obs_dim, &s.head),
        sweep: Sweep::Nets,
        timed: Timed::Last,
        work,
    }],
};

fn cases() -> Vec<Case> {
    let case = |obs, hidden: &[usize], activation, head: Head, rows, slice_rows| Fused {
        spec: PolicySpec::separate(obs, hidden, activation, head.clone()),
        loss: usual(head, rows),
        slice_rows,
    };
    let cartpole = case(4, &[64, 64], Activation::Tanh, Head::categorical(2), 131, 64);
    let cheetah = case(17, &[64, 64], Activation::Tanh, Head::gaussian(6), 200, 128);
    let mut cases = vec![fused_case(cartpole.clone()).quick(true), fused_case(cheetah.clone()).quick(true)];
    for rows in [1, 15, 16, 17, 63, 64, 65] {
        cases.push(fused_case(case(5, &[33, 18], Activation::Tanh, Head::gaussian(2), rows, 64)));
    }
    for value_loss in [ValueLoss::ClipMax, ValueLoss::Huber { delta: 1.2 }] {
        let loss = Loss { value_loss, dual_clip: Some(3.0), row_offset: 67, padded: true, ..cartpole.loss.clone() };
        cases.push(fused_case(Fused { loss, ..cartpole.clone() }));
        let loss = Loss { value_loss, broken: true, ..cheetah.loss.clone() };
        cases.push(fused_case(Fused { loss, ..cheetah.clone() }).quick(true));
    }
    for surrogate in [Surrogate::Ratio, Surrogate::LogProb] {
        cases.push(fused_case(Fused { loss: Loss { surrogate, ..cheetah.loss.clone() }, ..cheetah.clone() }));
    }
    for activation in Activation::ALL {
        cases.push(fused_case(case(7, &[9, 34], activation, Head::categorical(3), 50, 64)));
    }
    let heads = [
        Head::bernoulli(5),
        beta(3),
        masked_choices(&[3, 20, 2]),
        deviating(2, true, CLAMP),
        deviating(3, true, TANH),
        Head::gaussian(16),
    ];
    for head in heads {
        let many = head.raw_outputs() == 16;
        let case = fused_case(case(32, &[20], Activation::Tanh, head, 70, 64));
        let sum = "16 means, each known to 8 deviations after two layers, add up by their sizes in one log-probability and so in its ratio";
        cases.push(if many { case.loose(sum) } else { case });
    }
    let mut unequal = case(1, &[1], Activation::Tanh, Head::categorical(1), 40, 64);
    unequal.spec = unequal.spec.with_hidden(Branch::VALUE, &[64, 63]);
    cases.push(fused_case(unequal));
    cases
}
