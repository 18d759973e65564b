//! A fixed number of connections for each socket. When all are taken, one of them leaves to make room for a new one: an idle one, first one that never sent a request that was
//! allowed, among those the one that has been idle for longest; and where none is idle, the one whose body comes slowest.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Instant;

use futures_util::task::AtomicWaker;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places of one socket.
#[derive(Debug)]
pub(super) struct Places {
    room: Arc<Semaphore>,
    taken: Mutex<Vec<Arc<Place>>>,
    /// Connections that wait for a place.
    waiting: AtomicUsize,
    /// A place that could not be given away may have become one that can.
    changed: Arc<Notify>,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Place {
    state: Mutex<State>,
    leave: Notify,
    /// Whether the body that comes in is not waited for any longer.
    displaced: AtomicBool,
    /// Whoever waits for that body.
    body: AtomicWaker,
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    /// Requests under way.
    busy: usize,
    /// Whether a request of it was admitted.
    admitted: bool,
    /// Whether it was asked to leave.
    leaving: bool,
    idle_since: Instant,
    /// While a body comes in: when it will have come too slowly.
    body_until: Option<Instant>,
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

/// How a connection that was asked to leave does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// At once.
    Now,
    /// Its body is not waited for any longer; the answer says so.
    Answered,
    /// Not now: a request began meanwhile, or its body came.
    Stays,
}

/// A connection that waits for a place, until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Places {
    /// `count` places, all free.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
            waiting: AtomicUsize::new(0),
            changed: Arc::default(),
        })
    }

    /// Takes a place. When none is free, one is asked to leave; when all are busy, this waits.
    pub(super) async fn take(self: &Arc<Self>, place: Arc<Place>) -> Held {
        let permit = match self.room.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => self.wait().await,
        };
        self.lock().push(place.clone());
        Held { place, places: self.clone(), _permit: permit }
    }

    /// A semaphore that is never closed always has a permit in the end.
    async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        let _waiting = Waiting::begin(&self.waiting);
        let room = self.room.clone().acquire_owned();
        tokio::pin!(room);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // What changes after the look counts.
            changed.as_mut().enable();
            self.make_room();
            tokio::select! {
                biased;
                permit = &mut room => return permit.ok(),
                () = changed => {}
            }
        }
    }

    fn make_room(&self) {
        let taken = self.lock();
        let leaving = taken.iter().filter(|place| place.lock().leaving).count();
        if leaving >= self.waiting.load(Ordering::Relaxed) {
            return;
        }
        let may_leave = taken.iter().filter_map(|place| Some((place.lock().order()?, place)));
        if let Some((_, place)) = may_leave.min_by_key(|(order, _)| *order) {
            place.lock().leaving = true;
            place.leave.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// Who leaves first has the least; none for one that does not leave, or was asked to already.
    fn order(&self) -> Option<(bool, bool, Instant)> {
        match (self.leaving, self.busy) {
            (true, _) => None,
            (false, 0) => Some((false, self.admitted, self.idle_since)),
            (false, _) => self.body_until.map(|until| (true, self.admitted, until)),
        }
    }
}

impl Place {
    /// For a new connection, which has sent no request yet.
    pub(super) fn new(places: &Places) -> Self {
        Self {
            state: Mutex::new(State {
                busy: 0,
                admitted: false,
                leaving: false,
                idle_since: Instant::now(),
                body_until: None,
            }),
            leave: Notify::new(),
            displaced: AtomicBool::new(false),
            body: AtomicWaker::new(),
            changed: places.changed.clone(),
        }
    }

    /// Tells until when a body that comes in is waited for; none when it is not waited for any longer.
    pub(super) fn body_until(&self, until: Option<Instant>) {
        let mut state = self.lock();
        let begins = state.body_until.is_none() && until.is_some();
        state.body_until = until;
        drop(state);
        if begins {
            self.changed.notify_waiters();
        }
    }

    /// Whether the body that comes in is not waited for any longer. If it is, `context` is woken when that changes.
    pub(super) fn is_displaced(&self, context: &Context<'_>) -> bool {
        self.body.register(context.waker());
        self.displaced.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// A request begins.
    pub(super) fn begin(place: Arc<Place>) -> Self {
        place.lock().busy += 1;
        Self(place)
    }

    /// The request was allowed: its connection is not the first to go.
    pub(super) fn admit(&self) {
        self.0.lock().admitted = true;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.idle_since = Instant::now();
        state.busy -= 1;
        drop(state);
        self.0.changed.notify_waiters();
    }
}

impl Held {
    /// Returns when this place is needed for another connection.
    pub(super) async fn needed(&self) {
        self.place.leave.notified().await;
    }

    /// How the connection leaves now that its place is needed.
    pub(super) fn leaves(&self) -> Leaving {
        let mut state = self.place.lock();
        if state.busy == 0 {
            return Leaving::Now;
        }
        if state.body_until.is_some() {
            self.place.displaced.store(true, Ordering::Release);
            self.place.body.wake();
            return Leaving::Answered;
        }
        state.leaving = false;
        drop(state);
        // Another one has to go instead.
        self.places.changed.notify_waiters();
        Leaving::Stays
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.lock().retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A place that is held by a connection in this state.
    async fn held(places: &Arc<Places>, busy: bool, body_until: Option<Instant>) -> (Held, Option<Busy>) {
        let place = Arc::new(Place::new(places));
        let busy = busy.then(|| Busy::begin(place.clone()));
        place.body_until(body_until);
        (places.take(place).await, busy)
    }

    #[tokio::test]
    async fn idle_ones_go_first_then_the_slowest_bodies_and_never_those_at_work() {
        let (places, now) = (Places::new(4), Instant::now());
        let later = |seconds| Some(now + Duration::from_secs(seconds));
        let at_work = held(&places, true, None).await;
        let fast = held(&places, true, later(60)).await;
        let slow = held(&places, true, later(1)).await;
        let idle = held(&places, false, None).await;
        let taking = || {
            let places = places.clone();
            tokio::spawn(async move { places.take(Arc::new(Place::new(&places))).await })
        };
        let first = taking();
        idle.0.needed().await;
        assert_eq!(idle.0.leaves(), Leaving::Now);
        drop(idle);
        let first = first.await.unwrap();
        let work = Busy::begin(first.place.clone());
        let second = taking();
        slow.0.needed().await;
        assert_eq!(slow.0.leaves(), Leaving::Answered);
        drop(slow);
        let second = second.await.unwrap();
        let more_work = Busy::begin(second.place.clone());
        // The last body is whole when it is asked to leave: who waits takes the place of the next that can go.
        let third = taking();
        fast.0.needed().await;
        fast.0.place.body_until(None);
        assert_eq!(fast.0.leaves(), Leaving::Stays);
        drop(work);
        first.needed().await;
        assert_eq!(first.leaves(), Leaving::Now);
        drop(first);
        third.await.unwrap();
        drop((at_work, more_work));
    }
}
