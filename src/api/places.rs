//! A fixed number of connections for each socket. When all are taken, an idle connection is closed to make room for a new one: first one that never sent a request that was
//! allowed, among those the one that has been idle for longest.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places of one socket.
#[derive(Debug)]
pub(super) struct Places {
    room: Arc<Semaphore>,
    taken: Mutex<Vec<Arc<Place>>>,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Place {
    /// Requests under way.
    busy: AtomicUsize,
    /// Whether a request of it was admitted.
    admitted: AtomicBool,
    /// Whether it was asked to leave.
    leaving: AtomicBool,
    idle_since: Mutex<Instant>,
    leave: Notify,
}

/// A place that is held; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    place: Arc<Place>,
    places: Arc<Places>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A request under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

impl Places {
    /// `count` places, all free.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(count)), taken: Mutex::default() })
    }

    /// Takes a place. When none is free, an idle connection is asked to leave; when all are busy, this waits.
    pub(super) async fn take(self: &Arc<Self>, place: Arc<Place>) -> Held {
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.make_room();
                // A semaphore that is never closed always has a permit in the end.
                self.room.clone().acquire_owned().await.ok()
            }
        };
        self.lock().push(place.clone());
        Held { place, places: self.clone(), _permit: permit }
    }

    fn make_room(&self) {
        let taken = self.lock();
        let idle = taken.iter().filter(|place| place.is_idle() && !place.leaving.load(Ordering::Relaxed));
        let first = idle.min_by_key(|place| (place.admitted.load(Ordering::Relaxed), place.idle_since()));
        if let Some(place) = first {
            place.leaving.store(true, Ordering::Relaxed);
            place.leave.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// For a new connection, which has sent no request yet.
    pub(super) fn new() -> Self {
        Self {
            busy: AtomicUsize::new(0),
            admitted: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
            leave: Notify::new(),
        }
    }

    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0
    }

    fn idle_since(&self) -> Instant {
        *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// A request begins.
    pub(super) fn begin(place: Arc<Place>) -> Self {
        place.busy.fetch_add(1, Ordering::Relaxed);
        Self(place)
    }

    /// The request was allowed: its connection is not the first to go.
    pub(super) fn admit(&self) {
        self.0.admitted.store(true, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Held {
    /// Returns when this place is needed for another connection.
    pub(super) async fn needed(&self) {
        self.place.leave.notified().await;
    }

    /// Whether the connection may be closed now: not if a request began after it was asked to leave.
    pub(super) fn leaves(&self) -> bool {
        let idle = self.place.is_idle();
        self.place.leaving.store(idle, Ordering::Relaxed);
        idle
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.lock().retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}
