//! How this process comes to be a rank.

use anyhow::{Result, bail};
use std::sync::Arc;
use wgpo::collective::Collective;

/// The ranks that this process is one of; with how many there are on this machine.
pub struct Ranks {
    pub collective: Arc<dyn Collective>,
    pub here: usize,
}

/// How many ranks this process is one of, by the variables that the launchers of Open MPI, of MPICH and its relatives, and of Slurm set.
fn by_environment() -> usize {
    let of = |name: &str| std::env::var(name).ok()?.parse().ok();
    let slurm = || {
        // Slurm sets its own for a shell of one process, too; with PMI's beside it, this process is a rank.
        let is_rank = ["PMIX_RANK", "PMI_RANK"].into_iter().any(|name| std::env::var_os(name).is_some());
        of("SLURM_STEP_NUM_TASKS").filter(|_| is_rank)
    };
    let names = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"];
    names.into_iter().find_map(of).or_else(slurm).unwrap_or(1)
}

/// Joins the other ranks; `None` for a process that is alone.
pub fn start() -> Result<Option<Ranks>> {
    let count = by_environment();
    if count < 2 {
        return Ok(None);
    }
    #[cfg(feature = "mpi")]
    {
        let world = wgpo_mpi::Mpi::start()?;
        let here = world.local().1;
        if world.size() < 2 {
            bail!("mpirun started {count} ranks, and each finds itself alone: it is of another MPI than this wgpo is");
        }
        Ok(Some(Ranks { collective: Arc::new(world), here }))
    }
    #[cfg(not(feature = "mpi"))]
    bail!("this is one of {count} ranks, and this wgpo is built without MPI: build it with --features mpi");
}

/// Threads of this rank: what RAYON_NUM_THREADS says, or its share of the cores. mpirun may have bound it to fewer already.
pub fn threads(here: usize) -> Result<usize> {
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let free = std::thread::available_parallelism().map_or(1, usize::from);
        let cores = std::fs::read_to_string("/proc/cpuinfo").map_or(0, |text| text.matches("processor\t").count());
        // Bound by mpirun, these are its own; else they are everybody's.
        let own = if free < cores { free } else { (free / here.max(1)).max(1) };
        rayon::ThreadPoolBuilder::new().num_threads(own).build_global()?;
    }
    Ok(rayon::current_num_threads())
}
