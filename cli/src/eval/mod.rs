//! What a saved policy does: `wgpo eval` and `wgpo play`.

pub mod play;
mod policy;
pub mod run;
mod scene;
