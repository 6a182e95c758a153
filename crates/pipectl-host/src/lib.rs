//! The only door to the clock, randomness, ids, spawning and the process environment.
//!
//! Everything above this crate takes a [`Host`] and asks it. A real host answers from the machine; a simulated one
//! from a seed and a virtual clock that jumps forward whenever every task waits, so that a day of a pipeline passes in
//! seconds and the same seed gives the same run. `clippy.toml` forbids the ways around.
#![allow(clippy::disallowed_methods, reason = "this crate is the door that the ban points to")]

mod rng;
mod signal;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use rng::Rng;
pub use signal::Interrupts;
pub use tokio::task::JoinHandle;

/// Microseconds since 1970-01-01T00:00:00Z; the unit of all times inside pipectl.
pub type Micros = i64;

/// The door. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    seed: u64,
    retries: AtomicU64,
    world: World,
}

#[derive(Debug)]
enum World {
    Real,
    Simulated { epoch: Micros, started: tokio::time::Instant },
}

impl Host {
    /// The machine's own clock, random numbers and environment.
    pub fn real() -> Self {
        let seed = u64::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().unwrap_or([0; 8]));
        Self { inner: Arc::new(Inner { seed, retries: AtomicU64::default(), world: World::Real }) }
    }

    /// A virtual clock that starts at `epoch`, and random numbers that follow from `seed`.
    ///
    /// # Panics
    /// If called outside of [`simulate`].
    pub fn simulated(seed: u64, epoch: Micros) -> Self {
        let world = World::Simulated { epoch, started: tokio::time::Instant::now() };
        Self { inner: Arc::new(Inner { seed, retries: AtomicU64::default(), world }) }
    }

    /// Notes that an outside system was asked again after a refusal or a fault, for the reports of a run.
    pub fn note_retry(&self) {
        self.inner.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// How often an outside system was asked again.
    pub fn retries(&self) -> u64 {
        self.inner.retries.load(Ordering::Relaxed)
    }

    /// Whether time is virtual.
    pub fn is_simulated(&self) -> bool {
        matches!(self.inner.world, World::Simulated { .. })
    }

    /// The current time.
    pub fn now(&self) -> Micros {
        match &self.inner.world {
            World::Real => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_micros() as Micros),
            World::Simulated { epoch, started } => epoch + started.elapsed().as_micros() as Micros,
        }
    }

    /// Waits until the clock shows `at`; returns at once if it already does.
    pub async fn sleep_until(&self, at: Micros) {
        let wait = at.saturating_sub(self.now());
        if wait > 0 {
            self.sleep(Duration::from_micros(wait as u64)).await;
        }
    }

    /// Waits this long.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Random numbers of their own for each `purpose`, so that one more draw in one place changes no other.
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::new(self.inner.seed, purpose)
    }

    /// An id that no other run has; in a simulation it follows from the seed and the purpose.
    pub fn id(&self, purpose: &str) -> String {
        match self.inner.world {
            World::Real => uuid::Uuid::new_v4().simple().to_string(),
            World::Simulated { .. } => format!("{:016x}{:016x}", self.rng(purpose).next_u64(), self.inner.seed),
        }
    }

    /// Starts a task. Only the runtime does so.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }

    /// Runs work that blocks (a disk, a database file) where it does not hold up other tasks. In a simulation it runs
    /// in place, since a second thread would make the order of events depend on chance.
    ///
    /// # Panics
    /// If `work` panics.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if self.is_simulated() {
            return work();
        }
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// The addresses that a name stands for, as the machine's resolver answers; an address stands for itself.
    ///
    /// # Errors
    /// If the name is not known, or nobody can be asked.
    pub async fn resolve(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let name = name.to_owned();
        let found = self.blocking(move || (name.as_str(), 0).to_socket_addrs().map(Iterator::collect)).await;
        found.map(|found: Vec<SocketAddr>| found.into_iter().map(|address| address.ip()).collect())
    }

    /// How this process is called in messages to others: `process 4711 on rack-3`.
    pub fn process_name(&self) -> String {
        let machine = self.variable("HOSTNAME").filter(|name| !name.is_empty());
        let machine = machine.or_else(|| std::fs::read_to_string("/etc/hostname").ok()).unwrap_or_default();
        match machine.trim() {
            "" => format!("process {}", std::process::id()),
            machine => format!("process {} on {machine}", std::process::id()),
        }
    }

    /// A variable of the process environment; simulated hosts see the same ones, since a spec is resolved before it runs.
    pub fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Runs a future on a single thread with a virtual clock, for [`Host::simulated`].
///
/// # Errors
/// If the operating system gives no event queue.
pub fn simulate<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(future))
}

/// Runs a future on `workers` threads of the real machine, for [`Host::real`]; `None` means one for each core.
///
/// # Errors
/// If the operating system gives no threads or event queue.
pub fn run<F: Future>(workers: Option<usize>, future: F) -> std::io::Result<F::Output> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name("pipectl");
    if let Some(workers) = workers {
        builder.worker_threads(workers);
    }
    let runtime = builder.build()?;
    let output = runtime.block_on(future);
    // A read from a terminal cannot be interrupted; do not wait for it.
    runtime.shutdown_background();
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_jumps_and_is_exact() {
        let seen = simulate(async {
            let host = Host::simulated(7, 1_000_000);
            host.sleep(Duration::from_hours(24)).await;
            host.now()
        });
        assert_eq!(seen.ok(), Some(1_000_000 + 86_400_000_000));
    }

    #[test]
    fn a_seed_and_a_purpose_give_the_same_numbers() {
        let draw = |seed, purpose| Rng::new(seed, purpose).next_u64();
        assert_eq!(draw(7, "a"), draw(7, "a"));
        assert_ne!(draw(7, "a"), draw(7, "b"));
        assert_ne!(draw(7, "a"), draw(8, "a"));
    }
}
