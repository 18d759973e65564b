//! `watch`: what happens, line by line, also over restarts of the daemon.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use sealctl::client::{self, Client, Failure, Stream, routes};
use seald_core::domain::document::DocumentState;
use seald_core::domain::progress::Progress;
use seald_core::protocol::{Activity, EventView, Held, StatusView};
use seald_terminal::words::{count, duration};
use seald_terminal::{Look, one_line, status};
use tokio::time::Instant;

use crate::cli;
use crate::event_printer::{self, EventPrinter};
use crate::output::{self, times};

/// Between two looks at whether anything waits.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known while watching.
struct Watch<'a> {
    client: &'a Client,
    args: cli::Watch,
    json: bool,
    printer: EventPrinter,
    /// The last number seen: where to go on after a break.
    last: Option<i64>,
    /// Documents that had failed, and files that could not be read.
    failed_before: (usize, usize),
    failed: bool,
    idle_since: Option<Instant>,
    held: Option<Held>,
}

/// Follows events until idle, if that is asked for, or until Ctrl-C.
pub(crate) async fn run(client: &Client, args: cli::Watch, json: bool) -> Result<ExitCode, Failure> {
    let mut watch = Watch {
        client,
        last: args.after,
        args,
        json,
        printer: EventPrinter::new(Look::of_stdout()),
        failed_before: (0, 0),
        failed: false,
        idle_since: None,
        held: None,
    };
    // What happens between the two is seen twice rather than not at all.
    let stream = client.events(watch.last).await?;
    let view: StatusView = client.read(routes::STATUS).await?;
    watch.failed_before = (view.documents.failed, view.documents.refused);
    watch.greet(&view, "watching");
    if !watch.args.until_idle && io::stderr().is_terminal() {
        output::say("Ctrl-C ends watching; learning goes on");
    }
    let Some(seconds) = watch.args.timeout else { return watch.follow_to_the_end(stream).await };
    match tokio::time::timeout(Duration::from_secs(seconds), watch.follow_to_the_end(stream)).await {
        Ok(ended) => ended,
        Err(_) => {
            let words = format!(
                "{} went by, and it is not idle: `sealctl status` says why",
                duration(seconds as f64)
            );
            watch.printer.say(&words);
            Ok(ExitCode::FAILURE)
        }
    }
}

impl Watch<'_> {
    /// Tells what comes, over restarts of the daemon, until nothing waits.
    async fn follow_to_the_end(&mut self, mut stream: Stream<EventView>) -> Result<ExitCode, Failure> {
        loop {
            match self.follow(&mut stream).await {
                Ok(()) => return Ok(if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
                Err(Failure::Unreachable(_)) => stream = self.again().await?,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Tells what comes; ends when nothing waits, if that was asked for.
    async fn follow(&mut self, stream: &mut Stream<EventView>) -> Result<(), Failure> {
        let mut looks = tokio::time::interval(PAUSE);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = stream.next() => match event? {
                    Some((event, data)) => self.event(&event, &data)?,
                    None => return Err(closed()),
                },
                _ = looks.tick(), if self.args.until_idle => {
                    let view = self.client.read(routes::STATUS).await?;
                    if self.is_over(&view) {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn event(&mut self, event: &EventView, data: &str) -> Result<(), Failure> {
        self.last = event.id.or(self.last);
        let progress = client::progress(event);
        let failed = matches!(&progress, Some(Progress::Finished { verdict, .. }) if *verdict == DocumentState::Failed);
        // What could not be read never became a document.
        self.failed |= failed || event.kind == "refused";
        if self.json {
            return Ok(output::json(data.replace('\n', " ").as_bytes())?);
        }
        let lines = self.printer.tell(event, progress.as_ref());
        if lines.is_empty() {
            return Ok(());
        }
        Ok(self.printer.above(|| output::text(&lines))?)
    }

    /// Whether nothing has waited for long enough.
    fn is_over(&mut self, view: &StatusView) -> bool {
        let (failed, refused) = self.failed_before;
        self.failed |= view.documents.failed > failed || view.documents.refused > refused;
        if !event_printer::same_hold(self.held.as_ref(), view.held.as_ref()) {
            // While nothing waits there is nothing to say of it, and what comes later is told then.
            let held = view.held.as_ref().filter(|_| view.documents.waiting > 0);
            if let Some(held) = held {
                self.printer.say(&format!("nothing is learned now: {}", status::held_words(held, times())));
            }
            self.held = held.cloned();
        }
        if view.documents.waiting > 0 || !matches!(view.activity, Activity::Idle) {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        let over = since.elapsed() >= Duration::from_secs(self.args.quiet_for);
        // What lies there now is not learned, however long it has lain there.
        if over && view.documents.unreadable > 0 {
            self.failed = true;
            let places = count(view.documents.unreadable, "place");
            let words = format!(
                "{places} in the inbox cannot be looked at: `sealctl docs --state failed` says which and why"
            );
            self.printer.say(&words);
        }
        over
    }

    /// Waits for the daemon to come back.
    async fn again(&mut self) -> Result<Stream<EventView>, Failure> {
        self.printer.say("the daemon went away; waiting for it to come back");
        self.idle_since = None;
        let (stream, view) = event_printer::come_back(self.client, self.last).await?;
        self.greet(&view, "it is back:");
        Ok(stream)
    }

    fn greet(&mut self, view: &StatusView, how: &str) {
        self.printer.join(view);
        let waits = status::waiting_words(view).map_or_else(String::new, |words| format!("; {words}"));
        let doing = status::doing_words(view, times());
        let root = one_line(&view.root);
        self.printer.say(&format!("{how} seald {} in {root}: {doing}{waits}", one_line(&view.version)));
    }
}

fn closed() -> Failure {
    Failure::Unreachable(seald_core::Error::new(
        seald_core::Kind::Io,
        "the daemon closed the stream of events",
    ))
}
