//! Whether trainers can be made: of a policy that suits an environment, and with the memory for them.

use crate::config::Config;
use crate::env::Env;
use crate::error::Result;
use crate::memory::require;
use crate::policy::PolicySpec;

/// That `spec` suits `env`, and both it and `config` are in range.
pub(super) fn check_env(env: Env, spec: &PolicySpec, config: &Config) -> Result<()> {
    env.check_policy(spec)?;
    spec.validate()?;
    config.validate()
}

/// That there is memory for `count` learners of `learner` bytes, of which each thread has one at work on an iteration that takes `iteration` more;
/// `each` says what one does.
pub(super) fn check_memory(count: usize, learner: u128, iteration: u128, each: impl Fn() -> String) -> Result<()> {
    let at_work = if count > 1 { count.min(crate::parallel::current_num_threads()) } else { 1 };
    let all = learner.saturating_mul(count as u128).saturating_add(iteration.saturating_mul(at_work as u128));
    let what = || {
        let each = each();
        if count > 1 { format!("{each}, of {count} seeds, {at_work} of them at once,") } else { each }
    };
    require(what, all)
}
