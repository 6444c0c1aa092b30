//! The ranks of `MPI_COMM_WORLD`.

use mpi::Threading;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use std::fmt::{self, Debug, Formatter};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wgpo::collective::Collective;
use wgpo::{Error, Result};

/// Elements of a sum up to which all ranks send each other everything; above, each adds up a part of the elements for all.
const SMALL: usize = 2048;

/// This process' end of MPI, from the start of MPI to its end when it is dropped.
///
/// No sum is MPI's own: `MPI_Allreduce` and `MPI_Reduce` add up in orders that depend on the operation and on the vector's length (both
/// seen with Open MPI 4.1.4). Ranks send each other the terms, and add them in rank order. Up to some thousand elements that is one
/// `MPI_Allgather`. Above, rank r gets every rank's r-th part (`MPI_Alltoall`), adds it up, and sends the sums to all (`MPI_Allgather`): 2 (R − 1) / R
/// of the vector leave and reach a rank, as many bytes as in a ring.
///
/// A call in which a rank is gone ends the process, as MPI's own error handler does it; `mpirun` ends the others.
pub struct Mpi {
    /// For the messages of a call, one at a time.
    rooms: Mutex<Rooms>,
    rank: usize,
    size: usize,
    local: (usize, usize),
    /// Last, so that it is dropped last: its end is that of MPI.
    _universe: Universe,
}

/// Memory that is kept from call to call.
#[derive(Default)]
struct Rooms {
    narrow: [Vec<f32>; 2],
    wide: [Vec<f64>; 2],
}

/// A number that ranks add up.
trait Term: Copy + Default + Into<f64> + mpi::traits::Equivalence {
    fn rounded(sum: f64) -> Self;
}

impl Term for f32 {
    fn rounded(sum: f64) -> Self {
        sum as Self
    }
}

impl Term for f64 {
    fn rounded(sum: f64) -> Self {
        sum
    }
}

impl Mpi {
    /// Starts MPI. From here on a panic of this process ends all ranks.
    ///
    /// # Errors
    /// [`Error::Rank`] if MPI was started before in this process.
    pub fn start() -> Result<Self> {
        let message = || "has started MPI before; a process can do so once".to_owned();
        let (universe, _) = mpi::initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| Error::Rank { rank: 0, message: message() })?;
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let here = world.split_shared(world.rank());
        let local = (here.rank() as usize, here.size() as usize);
        drop(here);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |words| {
            before(words);
            end(rank, "panicked");
        }));
        Ok(Self { rooms: Mutex::default(), rank, size, local, _universe: universe })
    }

    /// This rank's number among those of its machine, and how many those are.
    pub const fn local(&self) -> (usize, usize) {
        self.local
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum<T: Term>(&self, values: &mut [T], [sent, received]: &mut [Vec<T>; 2])
    where
        [T]: mpi::traits::Buffer + mpi::traits::BufferMut,
    {
        let (size, len, world) = (self.size, values.len(), SimpleCommunicator::world());
        if size == 1 || len == 0 {
            return;
        }
        if len <= SMALL {
            received.resize(len * size, T::default());
            world.all_gather_into(&*values, &mut received[..]);
            return add(values, received, len);
        }
        let part = len.div_ceil(size);
        sent.clear();
        sent.extend_from_slice(values);
        sent.resize(part * size, T::default());
        received.resize(part * size, T::default());
        world.all_to_all_into(&sent[..], &mut received[..]);
        add(&mut sent[..part], received, part);
        world.all_gather_into(&sent[..part], &mut received[..]);
        values.copy_from_slice(&received[..len]);
    }
}

/// Sums of the ranks' vectors of `len`, which follow each other in `all`, in rank order and in f64.
fn add<T: Term>(sums: &mut [T], all: &[T], len: usize) {
    // A few hundred elements at a time, so that their f64 sums stay in the nearest cache.
    let mut wide = [0_f64; 512];
    for (index, sums) in sums.chunks_mut(wide.len()).enumerate() {
        let (start, wide) = (index * 512, &mut wide[..sums.len()]);
        wide.iter_mut().zip(&all[start..]).for_each(|(sum, first)| *sum = (*first).into());
        for terms in all.chunks(len).skip(1) {
            wide.iter_mut().zip(&terms[start..]).for_each(|(sum, term)| *sum += (*term).into());
        }
        sums.iter_mut().zip(&*wide).for_each(|(to, sum)| *to = T::rounded(*sum));
    }
}

/// Says why on standard error, and ends all ranks.
fn end(rank: usize, message: &str) -> ! {
    // Nobody may be listening; the end comes all the same.
    let _ = writeln!(std::io::stderr(), "error: rank {rank}: {message}; all ranks end");
    SimpleCommunicator::world().abort(1)
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<()> {
        let (got, want) = (all.len(), own.len() * self.size);
        if got != want {
            return Err(Error::Shape { tensor: "all".into(), got: vec![got], expected: vec![want] });
        }
        if !own.is_empty() {
            SimpleCommunicator::world().all_gather_into(own, all);
        }
        Ok(())
    }

    fn sum_f64(&self, values: &mut [f64]) -> Result<()> {
        self.sum(values, &mut self.rooms().wide);
        Ok(())
    }

    fn sum_f32(&self, values: &mut [f32]) -> Result<()> {
        self.sum(values, &mut self.rooms().narrow);
        Ok(())
    }

    /// Says so on standard error and ends all ranks, this one too.
    fn fail(&self, message: &str) {
        end(self.rank, message);
    }
}

impl Debug for Mpi {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Mpi(rank {} of {})", self.rank, self.size)
    }
}
