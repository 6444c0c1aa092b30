//! Which environments and rows are a rank's.

/// Which of the environments a rank steps: those from `first` on, `own` of `all`. Rank after rank has the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The first of its environments, counted over all ranks.
    pub first: usize,
    /// How many it has.
    pub own: usize,
    /// How many all ranks have.
    pub all: usize,
}

impl Share {
    /// The share of `rank` of `size` ranks in `all` environments, as even as can be: from ⌊all · rank / size⌋ on.
    pub fn even(rank: usize, size: usize, all: usize) -> Self {
        let begin = |rank: usize| (all as u128 * rank as u128 / size.max(1) as u128) as usize;
        let (first, end) = (begin(rank), begin(rank + 1));
        Self { first, own: end - first, all }
    }

    /// Where row `own` of this rank's window, t · own + n, lies in the window of all: t · all + first + n.
    pub const fn row(&self, own: usize) -> usize {
        let envs = if self.own == 0 { 1 } else { self.own };
        own / envs * self.all + self.first + own % envs
    }

    /// This rank's row that is row `row` of the window of all, if it is one of its own.
    pub const fn own_row(&self, row: usize) -> Option<usize> {
        let (step, env) = (row / self.all, row % self.all);
        if env < self.first || env >= self.first + self.own { None } else { Some(step * self.own + env - self.first) }
    }

    /// Rows of the window of all, where this rank's has `own`.
    pub fn rows(&self, own: usize) -> usize {
        own.checked_div(self.own).unwrap_or(0) * self.all
    }
}
