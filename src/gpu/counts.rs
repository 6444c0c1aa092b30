//! What a device was given to do.

/// What has been recorded, submitted and read back so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Dispatches recorded.
    pub dispatches: u64,
    /// Submissions made by wgpo itself (an embedder's own are not seen).
    pub submissions: u64,
    /// Buffers read back.
    pub readbacks: u64,
    /// Buffers, bind groups and pipelines made. A plan makes none once it is there.
    pub created: u64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            dispatches: self.dispatches - earlier.dispatches,
            submissions: self.submissions - earlier.submissions,
            readbacks: self.readbacks - earlier.readbacks,
            created: self.created - earlier.created,
        }
    }
}
