//! `watch`: what happens, line by line, also over restarts of the daemon.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use seald::client::{self, Client, Failure, Stream, routes};
use seald::domain::document::DocumentState;
use seald::domain::progress::Progress;
use seald::protocol::{Activity, EventView, StatusView};
use seald::terminal::feed::Feed;
use seald::terminal::words::count;
use seald::terminal::{Look, one_line, status};
use tokio::time::Instant;

use crate::cli;
use crate::output::{self, say, times};

/// Between two looks at whether anything waits, and two attempts to reach a daemon that went away.
const PAUSE: Duration = Duration::from_millis(500);

/// What is known while watching.
struct Watch<'a> {
    client: &'a Client,
    args: cli::Watch,
    json: bool,
    feed: Feed,
    look: Look,
    /// Steps of the trial under way, where a person looks.
    bar: Option<ProgressBar>,
    /// The last number seen: where to go on after a break.
    last: Option<i64>,
    failed_before: usize,
    failed: bool,
    idle_since: Option<Instant>,
    held: Option<String>,
}

/// Follows events until idle, if that is asked for, or until Ctrl-C.
pub(crate) async fn run(client: &Client, args: cli::Watch, json: bool) -> Result<ExitCode, Failure> {
    let look = Look::of_stdout();
    let mut watch = Watch {
        client,
        last: args.after,
        args,
        json,
        feed: Feed::new(look),
        look,
        bar: None,
        failed_before: 0,
        failed: false,
        idle_since: None,
        held: None,
    };
    // What happens between the two is seen twice rather than not at all.
    let mut stream = client.events(watch.last).await?;
    let view: StatusView = client.read(routes::STATUS).await?;
    watch.failed_before = view.documents.failed;
    watch.greet(&view, "watching");
    loop {
        match watch.follow(&mut stream).await {
            Ok(()) => return Ok(if watch.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
            Err(Failure::Unreachable(_)) => stream = watch.again().await?,
            Err(failure) => return Err(failure),
        }
    }
}

impl Watch<'_> {
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
        if matches!(&progress, Some(Progress::Finished { verdict, .. }) if verdict == DocumentState::Failed.as_str())
        {
            self.failed = true;
        }
        if self.json {
            return Ok(output::json(data.replace('\n', " ").as_bytes())?);
        }
        self.step(progress.as_ref());
        let lines: String =
            self.feed.tell(event, progress.as_ref()).iter().map(|line| format!("{line}\n")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        Ok(self.above(|| output::text(&lines))?)
    }

    /// Moves the bar, or takes it away.
    fn step(&mut self, progress: Option<&Progress>) {
        match progress {
            Some(Progress::Step { trial, step, steps, loss }) => {
                let bar = self.bar.get_or_insert_with(|| bar(&self.look));
                bar.set_length(*steps as u64);
                bar.set_position(*step as u64);
                bar.set_message(format!("loss {loss:.2}  {}", one_line(trial)));
            }
            Some(_) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            None => {}
        }
    }

    /// Writes something where the bar does not overwrite it.
    fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Whether nothing has waited for long enough.
    fn is_over(&mut self, view: &StatusView) -> bool {
        self.failed |= view.documents.failed > self.failed_before;
        let held = view.held.as_ref().map(|held| status::held_words(held, times()));
        if self.held != held {
            if let Some(words) = held.as_ref().filter(|_| view.documents.waiting > 0) {
                self.say(&format!("nothing is learned now: {words}"));
            }
            self.held = held;
        }
        if view.documents.waiting > 0 || !matches!(view.activity, Activity::Idle) {
            self.idle_since = None;
            return false;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        since.elapsed() >= Duration::from_secs(self.args.quiet_for)
    }

    /// Waits for the daemon to come back.
    async fn again(&mut self) -> Result<Stream<EventView>, Failure> {
        self.say("the daemon went away; waiting for it to come back");
        self.idle_since = None;
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.client.events(self.last).await {
                Ok(stream) => match self.client.read::<StatusView>(routes::STATUS).await {
                    Ok(view) => {
                        self.greet(&view, "it is back:");
                        return Ok(stream);
                    }
                    Err(Failure::Unreachable(_)) => {}
                    Err(failure) => return Err(failure),
                },
                Err(Failure::Unreachable(_)) => {}
                // A daemon that is just starting or stopping.
                Err(Failure::Problem(problem)) if problem.status == 503 => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn greet(&mut self, view: &StatusView, how: &str) {
        self.feed.join(view);
        let waits = count(view.documents.waiting, "document");
        let doing = status::doing_words(view, times());
        let root = one_line(&view.root);
        self.say(&format!("{how} seald {} in {root}: {doing}; {waits} waiting", one_line(&view.version)));
    }

    fn say(&self, words: &str) {
        self.above(|| say(words));
    }
}

/// A bar on stderr for the steps; nothing where nobody looks at both.
fn bar(look: &Look) -> ProgressBar {
    if !(io::stdout().is_terminal() && io::stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("    {bar:24} {pos:>3}/{len}  {wide_msg}") {
        bar.set_style(style.progress_chars(look.sign("━╸ ", "=> ")));
    }
    bar
}

fn closed() -> Failure {
    Failure::Unreachable(seald::Error::new(seald::Kind::Io, "the daemon closed the stream of events"))
}
