//! Whether a policy suits an environment.

use crate::config::Config;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::policy::PolicySpec;

/// That `spec` suits `env`, and both it and `config` are in range.
pub(super) fn check_env(env: Env, spec: &PolicySpec, config: &Config) -> Result<()> {
    if spec.obs_dim() != env.obs_dim() {
        let (got, want) = (spec.obs_dim(), env.obs_dim());
        return Err(Error::config("obs_dim", format!("is {got}, {} has {want}", env.name())));
    }
    env.check_head(&spec.head)?;
    spec.validate()?;
    config.validate()
}
