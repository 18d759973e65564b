//! Places for connections on a socket. Where none is left, a connection that asks for nothing goes for one that might: first who never asked for anything that was allowed.

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
    /// So many.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(count)), taken: Mutex::default() })
    }

    /// Takes one; where none is free, the connection that has asked for nothing for longest leaves. Waits where all are busy.
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
    /// Of a connection that has asked for nothing yet.
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

    /// It was allowed.
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
    /// Returns when somebody else needs it more.
    pub(super) async fn needed(&self) {
        self.place.leave.notified().await;
    }

    /// Whether it leaves now; not where a request has begun meanwhile.
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
