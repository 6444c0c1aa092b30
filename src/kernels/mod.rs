//! One file per kernel: parameters, named buffers, grid, and the mathematics in its doc.
//!
//! Each has a stem that is also its WGSL file, entry point and label. `bind` checks lengths, makes the bind group
//! and returns one [`crate::gpu::Call`] per entry of `params`; recording them is then free of allocation.
//!
//! The modules below are the kernels and what they share ([`define`], `limits`, [`parts`], [`per_update`], [`tile`], [`words`]); a stem begins with its stage. docs/kernels.md says in a few words what each computes.
//!
//! # Kernels by stage
//!
//! `ARCHITECTURE.md` in the repository has the flow as a picture, and `docs/kernels.md` says what each kernel computes.
//!
//! - Collect: [`env_step`], [`policy_sample`], or both and the actor in [`rollout_fused`]; put together in
//!   [`crate::algo::RolloutPlan`]. [`reduce_episodes`] sums up the episodes that ended.
//! - Running statistics, if enabled: [`policy_normalize`] for observations; [`advantage_discount`],
//!   [`reduce_running`], [`advantage_rescale`] for rewards and value targets ([`crate::algo::NormalizerBuffers`]).
//! - Advantages: [`advantage_gae`], [`advantage_gae_chunked`], [`advantage_k_step`]; picked by shape in
//!   [`crate::algo::AdvantagePlan`]. Normalised by [`reduce_moments`] and [`advantage_normalize`]. For rollouts of an older
//!   policy [`advantage_log_rho`] ([`crate::algo::LogRhoPlan`]) and [`advantage_vtrace`]. Returns of whole episodes, without a critic:
//!   [`advantage_return`] ([`crate::algo::ReturnPlan`]).
//! - Masked rows, if there are any: [`batch_valid`] ([`crate::algo::ValidPlan`]), [`batch_clean`],
//!   [`batch_count`].
//! - Minibatches: [`batch_gather`], [`batch_pack`].
//! - Off-policy algorithms: [`replay_store`] and [`replay_sample`] for the replay, [`loss_dqn`], [`loss_q`], [`loss_actor`],
//!   [`loss_q_choices`], [`loss_actor_choices`] for the losses,
//!   [`policy_squash`], [`policy_tanh`], [`policy_squash_backward`] for the actors, [`policy_epsilon`] for DQN, [`optim_temperature`], [`optim_polyak`].
//! - Networks: [`mlp_forward`], [`mlp_forward_fused`], [`mlp_backward_input`], [`mlp_backward_weight`],
//!   [`reduce_partials`].
//! - Several networks of one shape: [`mlp_forward_networks`], [`mlp_backward_networks`].
//! - Loss: [`loss_ppo`], [`loss_ppo_fused`], [`loss_statistics`]; [`head_evaluate`] for your own losses.
//! - Many choices: [`policy_sample_wide`], [`head_evaluate_wide`], [`head_fisher_wide`], with a workgroup per row
//!   if one invocation cannot walk it ([`is_wide`]).
//! - Optimiser: [`optim_reduce`], [`optim_decide`], [`optim_clip`], [`optim_adam`], [`optim_rmsprop`];
//!   [`loss_kl`] sets the weight of a KL penalty and the learning rate by KL.
//! - Networks in large tiles: [`mlp_forward_tiled`], [`mlp_backward_input_tiled`],
//!   [`mlp_backward_weight_tiled`], [`mlp_jvp_tiled`].
//! - Trust region: [`mlp_jvp`] and [`head_fisher`] for a Fisher product ([`crate::algo::FisherPlan`]),
//!   [`cg_step`], [`loss_trust_region`], [`optim_line_search`]; put together in
//!   [`crate::algo::TrustRegionUpdate`].

pub mod advantage_discount;
pub mod advantage_gae;
pub mod advantage_gae_chunked;
pub mod advantage_k_step;
pub mod advantage_log_rho;
pub mod advantage_normalize;
pub mod advantage_rescale;
pub mod advantage_return;
pub mod advantage_vtrace;
pub mod batch_clean;
pub mod batch_count;
pub mod batch_gather;
pub mod batch_pack;
pub mod batch_valid;
pub mod cg_step;
pub mod define;
pub mod env_step;
pub mod head_evaluate;
pub mod head_evaluate_wide;
pub mod head_fisher;
pub mod head_fisher_wide;
pub(crate) mod limits;
pub mod loss_actor;
pub mod loss_actor_choices;
pub mod loss_dqn;
pub mod loss_kl;
pub mod loss_ppo;
pub mod loss_ppo_fused;
pub mod loss_q;
pub mod loss_q_choices;
pub mod loss_statistics;
pub mod loss_trust_region;
pub mod mlp_backward_input;
pub mod mlp_backward_input_tiled;
pub mod mlp_backward_networks;
pub mod mlp_backward_weight;
pub mod mlp_backward_weight_tiled;
pub mod mlp_forward;
pub mod mlp_forward_fused;
pub mod mlp_forward_networks;
pub mod mlp_forward_tiled;
pub mod mlp_jvp;
pub mod mlp_jvp_tiled;
pub mod optim_adam;
pub mod optim_clip;
pub mod optim_decide;
pub mod optim_line_search;
pub mod optim_polyak;
pub mod optim_reduce;
pub mod optim_rmsprop;
pub mod optim_temperature;
pub mod parts;
pub mod per_update;
pub mod policy_epsilon;
pub mod policy_normalize;
pub mod policy_sample;
pub mod policy_sample_wide;
pub mod policy_squash;
pub mod policy_squash_backward;
pub mod policy_tanh;
pub mod reduce_episodes;
pub mod reduce_moments;
pub mod reduce_partials;
pub mod reduce_running;
pub mod replay_sample;
pub mod replay_store;
pub mod rollout_fused;
pub(crate) mod text;
pub mod tile;
pub mod words;

pub use limits::{WORKGROUP, is_wide};
pub(crate) use limits::{check_row, check_wide_row, head_iterations, span, tile_iterations, tiles};

use crate::env::Env;
use crate::gpu::{KernelDef, Part, Variant};
use define::{ENV, HEAD};

/// Hands the stem of every kernel to the macro `$with`, in alphabetical order: a list, a test for each.
#[doc(hidden)]
#[macro_export]
macro_rules! for_every_kernel {
    ($with:ident) => {
        $with! {
            advantage_discount,
            advantage_gae,
            advantage_gae_chunked,
            advantage_k_step,
            advantage_log_rho,
            advantage_normalize,
            advantage_rescale,
            advantage_return,
            advantage_vtrace,
            batch_clean,
            batch_count,
            batch_gather,
            batch_pack,
            batch_valid,
            cg_step,
            env_step,
            head_evaluate,
            head_evaluate_wide,
            head_fisher,
            head_fisher_wide,
            loss_actor,
            loss_actor_choices,
            loss_dqn,
            loss_kl,
            loss_ppo,
            loss_ppo_fused,
            loss_q,
            loss_q_choices,
            loss_statistics,
            loss_trust_region,
            mlp_backward_input,
            mlp_backward_input_tiled,
            mlp_backward_networks,
            mlp_backward_weight,
            mlp_backward_weight_tiled,
            mlp_forward,
            mlp_forward_fused,
            mlp_forward_networks,
            mlp_forward_tiled,
            mlp_jvp,
            mlp_jvp_tiled,
            optim_adam,
            optim_clip,
            optim_decide,
            optim_line_search,
            optim_polyak,
            optim_reduce,
            optim_rmsprop,
            optim_temperature,
            policy_epsilon,
            policy_normalize,
            policy_sample,
            policy_sample_wide,
            policy_squash,
            policy_squash_backward,
            policy_tanh,
            reduce_episodes,
            reduce_moments,
            reduce_partials,
            reduce_running,
            replay_sample,
            replay_store,
            rollout_fused,
        }
    };
}

macro_rules! all {
    ($($stem:ident),* $(,)?) => {
        /// Every kernel, in order of name.
        pub const ALL: &[KernelDef] = &[$($stem::DEF),*];
    };
}
for_every_kernel!(all);

/// Every text that a kernel may have: each head that it takes, each environment, or, where it takes both, every head in one
/// environment and every environment with its own head. Overrides are left at their defaults, the head's table is empty.
pub fn variants(def: &KernelDef) -> Vec<Variant> {
    let variant = |chosen: Vec<Part>| Variant { chosen, ..Variant::default() };
    let part = parts::env;
    let heads = || if def.options.is_empty() { parts::HEADS } else { def.options }.iter().copied();
    let envs = || Env::ALL.into_iter();
    match def.choices {
        [HEAD, ENV] => {
            let all = heads().map(|head| variant(vec![head, part(Env::Pendulum)]));
            let others = envs().filter(|env| *env != Env::Pendulum);
            all.chain(others.map(|env| variant(vec![parts::head(&env.head()), part(env)]))).collect()
        }
        [HEAD] => heads().map(|head| variant(vec![head])).collect(),
        [ENV] => envs().map(|env| variant(vec![part(env)])).collect(),
        [] => vec![Variant::default()],
        // No kernel has others: [`define::choices`] makes these alone.
        _ => Vec::new(),
    }
}
