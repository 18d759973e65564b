//! The threads that prepare requests, and the watch over them: one that does not end is replaced, its request answered with an error, and nobody waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::prepare::{Done, Task};
use crate::pipeline::model_requests::{Load, MAX_STUCK, ModelRequest, QueuedRequest, ScoreRequest};
use seald_core::error::{Context, Error, Kind, Result};

/// Threads that take any request.
const THREADS: usize = 2;
/// A schema up to so many bytes is small: forms and calls of functions are. Small ones have a thread of their own, so that a few large ones keep nobody waiting.
const SMALL_SCHEMA: usize = 4 << 10;
/// Stack of each, bytes; only what is touched takes memory. What a template nests within its bounds is taken apart again there.
const STACK: usize = 256 << 20;
/// Longest that a preparation may take. A schema has been tried in less, and everything else is counted before it is made.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a thread does with a request. The flag is raised once nobody wants it any more.
pub(super) type Work = Arc<dyn Fn(&Task, &AtomicBool) -> Done + Send + Sync>;

/// A request, and what came of preparing it.
pub(super) struct Ready {
    pub(super) order: ModelRequest,
    pub(super) done: Done,
}

/// The threads that prepare. They end when this is dropped, and nobody waits until they have.
pub(super) struct Preparers {
    shared: Arc<Shared>,
    ready: Receiver<(u64, Done)>,
    under_way: BTreeMap<u64, (ModelRequest, Arc<Ticket>)>,
    next: u64,
    deadline: Duration,
}

/// What the threads share.
struct Shared {
    work: Work,
    queue: Mutex<Queue>,
    changed: Condvar,
    load: Arc<Load>,
    tell: Sender<(u64, Done)>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    closed: bool,
}

struct Waiting {
    number: u64,
    task: Task,
    ticket: Arc<Ticket>,
    schema_bytes: usize,
}

/// A request on its way through a thread.
#[derive(Default)]
struct Ticket {
    unwanted: AtomicBool,
    at: Mutex<At>,
}

#[derive(Default, Clone, Copy)]
enum At {
    #[default]
    Waiting,
    UnderWay(Instant),
    Ended,
    /// Past its deadline: what comes of it interests nobody.
    Given,
}

/// What a thread takes: schemas up to so many bytes. What has none any thread takes, and one takes nothing else.
#[derive(Clone, Copy)]
struct Takes(usize);

const NO_SCHEMAS: Takes = Takes(0);
const SMALL_SCHEMAS: Takes = Takes(SMALL_SCHEMA);
const EVERYTHING: Takes = Takes(usize::MAX);

impl Preparers {
    /// Starts them.
    ///
    /// # Errors
    /// [`Kind::Io`] where the system has no more threads.
    pub(super) fn start(work: Work, load: Arc<Load>) -> Result<Self> {
        Self::with_deadline(work, load, DEADLINE)
    }

    fn with_deadline(work: Work, load: Arc<Load>, deadline: Duration) -> Result<Self> {
        let (tell, ready) = mpsc::channel();
        let shared = Arc::new(Shared { work, queue: Mutex::default(), changed: Condvar::new(), load, tell });
        let preparers = Self { shared, ready, under_way: BTreeMap::new(), next: 0, deadline };
        start_thread(&preparers.shared, NO_SCHEMAS)?;
        start_thread(&preparers.shared, SMALL_SCHEMAS)?;
        for _ in 0..THREADS {
            start_thread(&preparers.shared, EVERYTHING)?;
        }
        Ok(preparers)
    }

    /// Requests that are being prepared.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Has a request prepared; gives back one that is refused now.
    pub(super) fn begin(&mut self, order: ModelRequest) -> Option<Ready> {
        let task = Task::of(&order);
        let load = &self.shared.load;
        let still = load.stuck_in_words().filter(|_| task.has_schema() && load.stands_still());
        if let Some(words) = still {
            let error = Error::new(Kind::Busy, format!("no schema is taken now: {words}"));
            return Some(Ready { order, done: task.failed(error) });
        }
        let ticket = Arc::new(Ticket::default());
        self.under_way.insert(self.next, (order, ticket.clone()));
        let schema_bytes = task.schema_bytes();
        self.shared.lock().waiting.push_back(Waiting { number: self.next, task, ticket, schema_bytes });
        self.shared.changed.notify_all();
        self.next += 1;
        None
    }

    /// One that is ready, waited for no longer than that.
    pub(super) fn ready(&mut self, patience: Duration) -> Option<Ready> {
        loop {
            let (number, done) = match self.ready.recv_timeout(patience) {
                Ok(ready) => ready,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            };
            // One that was given up is not under way any more.
            if let Some((order, _)) = self.under_way.remove(&number) {
                return Some(Ready { order, done });
            }
        }
    }

    /// Tells threads whose readers have gone, and gives up one request that is past its deadline.
    pub(super) fn overdue(&mut self) -> Option<Ready> {
        for (order, ticket) in self.under_way.values() {
            let gone = match order {
                ModelRequest::Answer(QueuedRequest { pieces, .. }) => pieces.is_closed(),
                ModelRequest::Weigh(ScoreRequest { reply, .. }) => reply.is_closed(),
            };
            if gone {
                ticket.unwanted.store(true, Ordering::Relaxed);
            }
        }
        let number = *self.under_way.iter().find(|(_, (_, ticket))| ticket.give_up(self.deadline))?.0;
        let (order, ticket) = self.under_way.remove(&number)?;
        ticket.unwanted.store(true, Ordering::Relaxed);
        let task = Task::of(&order);
        let stuck = self.shared.load.stuck.fetch_add(1, Ordering::Relaxed) + 1;
        let seconds = self.deadline.as_secs();
        tracing::error!(
            seconds,
            stuck,
            schema = task.has_schema(),
            "a request was given up: preparing it does not end"
        );
        // One thread more for each that is lost, up to a bound: none of them can be stopped.
        if stuck <= MAX_STUCK
            && let Err(error) = start_thread(&self.shared, EVERYTHING)
        {
            tracing::error!(%error, "one thread less prepares requests");
        }
        let what =
            if task.has_schema() { "the schema cannot be used: with it, preparing" } else { "preparing" };
        let text = format!(
            "{what} this request takes more than {seconds} s: ask for less, or report it with the request"
        );
        Some(Ready { order, done: task.failed(Error::new(Kind::Invalid, text)) })
    }
}

impl Drop for Preparers {
    fn drop(&mut self) {
        self.under_way.values().for_each(|(_, ticket)| ticket.unwanted.store(true, Ordering::Relaxed));
        let mut queue = self.shared.lock();
        queue.closed = true;
        queue.waiting.clear();
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request that a thread may take, waited for; none at the end.
    fn next(&self, Takes(most): Takes) -> Option<Waiting> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            let at = queue.waiting.iter().position(|waiting| waiting.schema_bytes <= most);
            if let Some(found) = at.and_then(|at| queue.waiting.remove(at)) {
                return Some(found);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, takes: Takes) {
        while let Some(Waiting { number, task, ticket, .. }) = self.next(takes) {
            *ticket.lock() = At::UnderWay(Instant::now());
            let done = (self.work)(&task, &ticket.unwanted);
            if ticket.was_given_up() {
                self.load.stuck.fetch_sub(1, Ordering::Relaxed);
                tracing::info!("a preparation that was given up has ended");
                // Another thread stands in its place.
                return;
            }
            if self.tell.send((number, done)).is_err() {
                return;
            }
        }
    }
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it up if it is under way for longer than that.
    fn give_up(&self, deadline: Duration) -> bool {
        let mut at = self.lock();
        let late = matches!(*at, At::UnderWay(since) if since.elapsed() >= deadline);
        if late {
            *at = At::Given;
        }
        late
    }

    /// Whether it was given up; it cannot be from now on.
    fn was_given_up(&self) -> bool {
        matches!(std::mem::replace(&mut *self.lock(), At::Ended), At::Given)
    }
}

fn start_thread(shared: &Arc<Shared>, takes: Takes) -> Result<()> {
    let shared = shared.clone();
    let thread = Builder::new().name("seald-prepare".into()).stack_size(STACK);
    let started = thread.spawn(move || shared.run(takes));
    started.map(drop).doing(Kind::Io, || "cannot start a thread that prepares requests".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::model_requests::{AnswerEvent, GenerateRequest, Prompt, RequestError};
    use serde_json::json;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn order(schema: bool) -> (ModelRequest, UnboundedReceiver<AnswerEvent>) {
        with(schema.then(|| json!({ "type": "object", "title": "t".repeat(SMALL_SCHEMA) })))
    }

    fn with(schema: Option<serde_json::Value>) -> (ModelRequest, UnboundedReceiver<AnswerEvent>) {
        let (pieces, read) = unbounded_channel();
        let asked = GenerateRequest { schema, ..GenerateRequest::new(Prompt::Text("a".into())) };
        (ModelRequest::Answer(QueuedRequest { asked, pieces }), read)
    }

    /// Threads that tell when they begin with a schema, and go on with it until they are told to end.
    struct Endless {
        begun: Receiver<()>,
        end: Sender<()>,
        load: Arc<Load>,
        preparers: Preparers,
    }

    fn endless(deadline: Duration) -> Endless {
        let ((tell, begun), (end, wait)) = (mpsc::channel(), mpsc::channel::<()>());
        let (tell, wait) = (Mutex::new(tell), Mutex::new(wait));
        let work: Work = Arc::new(move |task: &Task, _: &AtomicBool| {
            if task.has_schema() {
                tell.lock().unwrap().send(()).unwrap();
                let _ = wait.lock().unwrap().recv();
            }
            task.failed(Error::new(Kind::Invalid, "ended"))
        });
        let load = Arc::new(Load::default());
        let preparers = Preparers::with_deadline(work, load.clone(), deadline).unwrap();
        Endless { begun, end, load, preparers }
    }

    fn words(ready: Ready) -> String {
        match ready.done {
            Done::Answer(Err(RequestError { error, .. })) => error.to_string(),
            _ => panic!("it was prepared"),
        }
    }

    #[test]
    fn what_does_not_end_is_answered_and_replaced_and_others_go_on() {
        let Endless { begun, end, load, mut preparers } = endless(Duration::ZERO);
        for lost in 1..=MAX_STUCK {
            assert!(preparers.begin(order(true).0).is_none());
            begun.recv().unwrap();
            let given = words(preparers.overdue().unwrap());
            assert!(given.contains("the schema") && given.contains("takes more than"), "{given}");
            assert_eq!((load.stuck.load(Ordering::Relaxed), preparers.under_way()), (lost, 0));
        }
        let refused = words(preparers.begin(order(true).0).unwrap());
        assert!(refused.contains("no schema is taken now"), "{refused}");
        assert!(preparers.begin(order(false).0).is_none(), "others are");
        assert_eq!(words(preparers.ready(Duration::from_secs(600)).unwrap()), "ended");
        drop(end);
        while load.stuck.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert!(preparers.begin(order(true).0).is_none(), "taken again");
        assert_eq!(words(preparers.ready(Duration::from_secs(600)).unwrap()), "ended");
    }

    #[test]
    fn schemas_keep_others_not_waiting_and_a_stop_waits_for_none() {
        let Endless { begun, end, load: _, mut preparers } = endless(Duration::from_secs(3600));
        let mut readers = Vec::new();
        for _ in 0..5 {
            let (order, read) = order(true);
            assert!(preparers.begin(order).is_none());
            readers.push(read);
        }
        (0..THREADS).for_each(|_| begun.recv().unwrap());
        assert!(preparers.begin(order(false).0).is_none());
        assert_eq!(words(preparers.ready(Duration::from_secs(600)).unwrap()), "ended");
        let (small, _read) = with(Some(json!({ "type": "object" })));
        assert!(preparers.begin(small).is_none());
        begun.recv_timeout(Duration::from_secs(600)).expect("a small schema is begun beside large ones");
        assert!(preparers.overdue().is_none());
        drop(preparers);
        for mut read in readers {
            assert!(read.blocking_recv().is_none(), "whoever waits is told that nothing comes");
        }
        drop(end);
    }
}
