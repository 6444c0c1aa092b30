//! A row of the table: what has to be done, and how it is prepared and run at a place.

use crate::check::{CheckRow, Work};
use crate::error::{Error, Result};
use crate::gpu::{Call, Gpu, Slot};
use crate::place::Place;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use web_time::Instant;

type Preparing<'a> = Pin<Box<dyn Future<Output = Result<Prepared>> + 'a>>;
type OnGpu = Box<dyn for<'a> Fn(&'a Gpu) -> Preparing<'a> + Send + Sync>;
type OnCpu = Box<dyn Fn() -> Result<Prepared> + Send + Sync>;

/// One row of the table.
pub struct Case {
    /// Kind, what, and size, with slashes between: `ppo_step/ant`, `kernel/mlp_forward/ant`.
    pub name: String,
    /// Its sizes, for people.
    pub shape: String,
    /// What has to be done.
    pub work: Work,
    /// The net that it belongs to.
    pub net: Option<String>,
    /// Whether comparing it with the reference takes so long that it runs only when it is asked for.
    pub heavy: bool,
    gpu: Option<OnGpu>,
    cpu: Option<OnCpu>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.shape)
    }
}

impl Case {
    pub(super) fn new(name: String, shape: String, work: Work) -> Self {
        Self { name, shape, work, net: None, heavy: false, gpu: None, cpu: None }
    }

    pub(super) fn of_net(self, net: &str) -> Self {
        Self { net: Some(net.to_owned()), ..self }
    }

    pub(super) fn heavy(self, heavy: bool) -> Self {
        Self { heavy, ..self }
    }

    pub(super) fn on_gpu(self, prepare: impl AsyncFn(&Gpu) -> Result<Prepared> + Send + Sync + 'static) -> Self {
        let prepare = Arc::new(prepare);
        let gpu = boxed(move |gpu| {
            let prepare = Arc::clone(&prepare);
            Box::pin(async move { prepare(gpu).await })
        });
        Self { gpu: Some(gpu), ..self }
    }

    pub(super) fn on_cpu(self, prepare: impl Fn() -> Result<Prepared> + Send + Sync + 'static) -> Self {
        // A browser has the device's rows alone, and does not load the reference in f32 for the others.
        if cfg!(target_arch = "wasm32") {
            return self;
        }
        Self { cpu: Some(Box::new(prepare)), ..self }
    }

    /// Whether there is something to run at `place`: single kernels are the device's alone.
    pub fn runs_at(&self, place: &Place) -> bool {
        match place {
            Place::Gpu(_) => self.gpu.is_some(),
            Place::Cpu => self.cpu.is_some(),
        }
    }

    /// The kernel, if the case is one alone.
    pub fn kernel(&self) -> Option<&str> {
        self.name.strip_prefix("kernel/")?.split('/').next()
    }

    /// Makes inputs and buffers, runs once and compares with the reference.
    ///
    /// # Errors
    /// A device error, or a case that does not run at `place`. A wrong number is no error: it is in [`Prepared::check`]. In a browser, where
    /// nothing may block, [`Error::Waits`].
    pub fn prepare(&self, place: &Place) -> Result<Prepared> {
        block_on(place, self.prepare_async(place))
    }

    /// [`prepare`](Self::prepare) without blocking.
    ///
    /// # Errors
    /// A device error, or a case that does not run at `place`.
    pub async fn prepare_async(&self, place: &Place) -> Result<Prepared> {
        match (place, &self.gpu, &self.cpu) {
            (Place::Gpu(gpu), Some(prepare), _) => prepare(gpu).await,
            (Place::Cpu, _, Some(prepare)) => prepare(),
            _ => Err(Error::config("bench", format!("has no {} there", self.name))),
        }
    }
}

/// For the compiler, which does not find by itself that this holds for all lifetimes.
fn boxed(prepare: impl for<'a> Fn(&'a Gpu) -> Preparing<'a> + Send + Sync + 'static) -> OnGpu {
    Box::new(prepare)
}

/// The blocking shell of what is measured at `place`. The CPU waits for nobody.
pub(super) fn block_on<T>(place: &Place, future: impl Future<Output = Result<T>>) -> Result<T> {
    match place {
        Place::Gpu(gpu) => gpu.block_on(future),
        Place::Cpu => match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(Error::Waits),
        },
    }
}

/// A function of the host that says how long it took.
pub(super) trait Host {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = Result<Duration>> + '_>>;
}

impl<F: AsyncFnMut() -> Result<Duration>> Host for F {
    fn run(&mut self) -> Pin<Box<dyn Future<Output = Result<Duration>> + '_>> {
        Box::pin(self())
    }
}

type Restore = Box<dyn Fn(&Gpu) -> Result<()>>;
type Start = Box<dyn Fn(&mut wgpu::CommandEncoder)>;

/// A case that has run once and was compared; ready to run again on the same buffers.
pub struct Prepared {
    /// What the comparison found.
    pub check: CheckRow,
    pub(super) body: Body,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {} dispatches", self.check, self.calls().len())
    }
}

pub(super) enum Body {
    /// Recorded dispatches.
    Calls {
        calls: Vec<Call>,
        slot: Slot,
        /// Recorded before them.
        start: Option<Start>,
        /// Puts back what running changes, before a time is taken.
        restore: Option<Restore>,
    },
    /// A function of the host; `calls` are what it submits, if it does.
    Host { run: Box<dyn Host>, calls: Vec<Call> },
}

impl Prepared {
    pub(super) fn calls_of(check: CheckRow, calls: Vec<Call>, slot: Slot) -> Self {
        Self { check, body: Body::Calls { calls, slot, start: None, restore: None } }
    }

    pub(super) fn host(check: CheckRow, mut run: impl FnMut() -> Result<()> + 'static) -> Self {
        Self::host_timed(check, move || {
            let begun = Instant::now();
            run().map(|()| begun.elapsed())
        })
    }

    pub(super) fn host_timed(check: CheckRow, mut run: impl FnMut() -> Result<Duration> + 'static) -> Self {
        Self { check, body: Body::Host { run: Box::new(async move || run()), calls: Vec::new() } }
    }

    /// A function that waits for the device.
    pub(super) fn host_async(check: CheckRow, mut run: impl AsyncFnMut() -> Result<()> + 'static) -> Self {
        let run = async move || {
            let begun = Instant::now();
            run().await.map(|()| begun.elapsed())
        };
        Self { check, body: Body::Host { run: Box::new(run), calls: Vec::new() } }
    }

    /// With the dispatches that a function of the host submits.
    pub(super) fn submitting(mut self, submitted: Vec<Call>) -> Self {
        if let Body::Host { calls, .. } = &mut self.body {
            *calls = submitted;
        }
        self
    }

    pub(super) fn starting(mut self, begin: impl Fn(&mut wgpu::CommandEncoder) + 'static) -> Self {
        if let Body::Calls { start, .. } = &mut self.body {
            *start = Some(Box::new(begin));
        }
        self
    }

    pub(super) fn restoring(mut self, back: impl Fn(&Gpu) -> Result<()> + 'static) -> Self {
        if let Body::Calls { restore, .. } = &mut self.body {
            *restore = Some(Box::new(back));
        }
        self
    }

    /// The dispatches of one run, in order; none on the CPU.
    pub fn calls(&self) -> &[Call] {
        match &self.body {
            Body::Calls { calls, .. } | Body::Host { calls, .. } => calls,
        }
    }

    /// Runs once, waits for it, and says how long that took by the host's clock.
    ///
    /// # Errors
    /// A device error; [`Error::Waits`] in a browser.
    pub fn run(&mut self, place: &Place) -> Result<Duration> {
        block_on(place, self.run_async(place))
    }

    /// [`run`](Self::run) without blocking.
    ///
    /// # Errors
    /// A device error.
    pub async fn run_async(&mut self, place: &Place) -> Result<Duration> {
        let begun = Instant::now();
        match (&mut self.body, place) {
            (Body::Host { run, .. }, _) => run.run().await,
            (Body::Calls { calls, slot, start, .. }, Place::Gpu(gpu)) => {
                let mut encoder = gpu.encoder("bench");
                if let Some(start) = start {
                    start(&mut encoder);
                }
                gpu.record(&mut encoder, "bench", calls, *slot);
                gpu.submit(encoder)?;
                gpu.wait_async().await?;
                Ok(begun.elapsed())
            }
            (Body::Calls { .. }, Place::Cpu) => Err(Error::config("bench", "has a device's calls, but no device")),
        }
    }
}
