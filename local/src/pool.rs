//! Worker threads, and results in the order of their jobs.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use crate::LocalError;

type Job = Box<dyn FnOnce() + Send>;

/// A pool of worker threads, one for each core of the machine. Jobs must not wait for other jobs.
pub struct Pool {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// A result that a worker will deliver.
pub struct Pending<T> {
    arriving: Receiver<T>,
    arrived: Option<T>,
}

/// Starts a thread beside those of a pool. The system may refuse it.
pub fn spawn_scoped<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, LocalError> {
    Builder::new().name("regrow".into()).spawn_scoped(scope, work).map_err(LocalError::Threads)
}

/// Makes sure that this many more threads can be started. Some libraries start threads of their own, and panic if
/// they cannot.
///
/// # Errors
/// [`LocalError::Threads`].
pub fn check_threads(count: usize) -> Result<(), LocalError> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
    let wait = |_| {
        let gate = Arc::clone(&gate);
        Builder::new().name("regrow".into()).spawn(move || drop(gate.lock()))
    };
    let threads: Result<Vec<_>, _> = (0..count).map(wait).collect();
    drop(closed);
    threads.map_err(LocalError::Threads)?.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

impl<T> Pending<T> {
    /// Waits for the result.
    pub fn wait(self) -> Result<T, LocalError> {
        self.arrived.map_or_else(|| self.arriving.recv(), Ok).map_err(|_| LocalError::Worker)
    }

    /// Whether [`Pending::wait`] would return at once. It does so too if the worker died.
    fn is_ready(&mut self) -> bool {
        if self.arrived.is_none() {
            match self.arriving.try_recv() {
                Ok(result) => self.arrived = Some(result),
                Err(ended) => return ended == TryRecvError::Disconnected,
            }
        }
        true
    }
}

/// Waits for the next job. The result is `None` once the pool is dropped.
fn next_job(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Pool {
    /// Makes a pool for this machine.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let work = |queue: Arc<Mutex<_>>| move || std::iter::from_fn(|| next_job(&queue)).for_each(|job| job());
        let spawn = |_| Builder::new().name("regrow-worker".into()).spawn(work(Arc::clone(&queue)));
        // If no thread at all could be started, jobs run where they are submitted.
        let threads = (0..cores).filter_map(|n| spawn(n).ok()).collect();
        Self { jobs: Some(jobs), threads }
    }

    /// Runs `job` on some thread. The caller must limit the number of waiting jobs.
    pub fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        let (result, arriving) = sync_channel(1);
        let run: Job = Box::new(move || drop(result.send(job())));
        match &self.jobs {
            Some(jobs) if !self.threads.is_empty() => drop(jobs.send(run)),
            _ => run(),
        }
        Pending { arriving, arrived: None }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Results in the order of their jobs. At most `limit` of them are outstanding.
pub struct Ordered<T> {
    waiting: VecDeque<Pending<T>>,
    limit: usize,
}

impl<T> Ordered<T> {
    /// Begins without results, and with this limit.
    pub fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), limit }
    }

    /// Adds the result of the next job.
    pub fn push(&mut self, pending: Pending<T>) {
        self.waiting.push_back(pending);
    }

    /// Takes the next result if it is ready. If too many are outstanding, waits for it.
    pub fn next_due(&mut self) -> Result<Option<T>, LocalError> {
        let due = self.waiting.len() > self.limit || self.waiting.front_mut().is_some_and(Pending::is_ready);
        if due { self.next() } else { Ok(None) }
    }

    /// Waits for the next result if too many are outstanding.
    pub fn next_over_limit(&mut self) -> Result<Option<T>, LocalError> {
        if self.waiting.len() > self.limit { self.next() } else { Ok(None) }
    }

    /// Waits for the next result. The result is `None` if none is outstanding.
    #[expect(clippy::should_implement_trait, reason = "an iterator would give errors without end")]
    pub fn next(&mut self) -> Result<Option<T>, LocalError> {
        self.waiting.pop_front().map(Pending::wait).transpose()
    }
}
