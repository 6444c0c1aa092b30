//! Actors of off-policy algorithms: their actions, the gradient through them, and SAC's temperature.

mod backward;
mod rows;
mod sample;
mod support;
mod tanh;
mod temperature;

pub(super) use rows::FAMILY;
