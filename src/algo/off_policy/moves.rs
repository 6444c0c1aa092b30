//! What a gradient step moves.

/// What a gradient step moves besides the critics (or DQN's network): the host knows by its counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moves {
    /// The actor, and SAC's temperature.
    pub actor: bool,
    /// The targets.
    pub targets: bool,
}

impl Moves {
    /// Everything.
    pub(super) const ALL: Self = Self { actor: true, targets: true };
}
