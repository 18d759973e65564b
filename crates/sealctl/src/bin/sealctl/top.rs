//! `top`: the full screen, its keys, and what keeps it up to date.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sealctl::client::{self, Client, Failure, routes};
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Context, Error, Kind};
use seald_core::protocol::{
    DocumentView, DocumentsPage, EventView, ForgettingView, PauseRequest, StatusView,
};
use seald_terminal::Look;
use seald_terminal::feed::Feed;
use seald_terminal::top::{Top, draw};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::output::times;

/// Between two looks at the daemon.
const LOOK: Duration = Duration::from_secs(1);
/// Documents listed.
const DOCUMENTS: usize = 100;
/// Updates that may wait to be shown.
const UPDATES: usize = 256;

/// What the daemon told.
enum Update {
    State(Box<(StatusView, DocumentsPage, ForgettingView)>),
    Event(Box<EventView>),
    Story(Box<DocumentView>),
    Trouble(String),
}

/// Gives the terminal back, however it ends; `ratatui` does the same on a panic.
struct Screen(DefaultTerminal);

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows the screen until `q` or Ctrl-C.
pub(crate) async fn run(client: Client) -> Result<ExitCode, Failure> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let text = "top needs a terminal: use `sealctl status` or `sealctl watch` here";
        return Err(Error::new(Kind::Invalid, text).into());
    }
    // A daemon that is not there is said on the plain terminal.
    client.get(routes::STATUS).await?;
    let terminal = ratatui::try_init().doing(Kind::Io, || "cannot use the terminal".to_string())?;
    let mut screen = Screen(terminal);
    let done = follow(&client, &mut screen).await;
    drop(screen);
    done.map(|()| ExitCode::SUCCESS)
}

async fn follow(client: &Client, screen: &mut Screen) -> Result<(), Failure> {
    let (tell, mut news) = mpsc::channel(UPDATES);
    // Ended with this function, together with the requests of the keys.
    let mut tasks = JoinSet::new();
    tasks.spawn(gather(client.clone(), tell.clone()));
    let mut keys = keys()?;
    let failed = || "cannot handle signals".to_string();
    let mut stop = signal(SignalKind::terminate()).doing(Kind::Io, failed)?;
    let look = Look::of_stdout();
    let (mut top, mut feed) = (Top::default(), Feed::new(Look { colour: false, ..look }));
    loop {
        let drawn = screen.0.draw(|frame| draw(frame, &top, times(), &look));
        drawn.doing(Kind::Io, || "cannot draw on the terminal".to_string())?;
        tokio::select! {
            Some(some) = news.recv() => {
                take(some, &mut top, &mut feed);
                // All that waits is drawn at once.
                while let Ok(more) = news.try_recv() {
                    take(more, &mut top, &mut feed);
                }
            }
            key = keys.recv() => match key {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match pressed(key) {
                    Some(Act::Back) if top.back() => {}
                    Some(Act::Quit | Act::Back) => return Ok(()),
                    Some(Act::Keys) => top.show_keys(),
                    // In a story it is the way back.
                    Some(Act::Story) => if !top.back() && let Some(document) = top.documents.get(top.selected()) {
                        tasks.spawn(story(client.clone(), document.id, tell.clone()));
                    },
                    Some(Act::Step(by)) => top.step(by),
                    Some(Act::Pause) => drop(tasks.spawn(pause(client.clone(), top.paused(), tell.clone()))),
                    None => {}
                },
                Some(_) => {}
                None => return Ok(()),
            },
            _ = stop.recv() => return Ok(()),
        }
    }
}

/// What a key asks for.
enum Act {
    Quit,
    Back,
    Keys,
    Story,
    Pause,
    Step(isize),
}

fn pressed(key: KeyEvent) -> Option<Act> {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Act::Quit),
        KeyCode::Char('q') => Some(Act::Quit),
        KeyCode::Esc => Some(Act::Back),
        KeyCode::Char('?') => Some(Act::Keys),
        KeyCode::Enter => Some(Act::Story),
        KeyCode::Char('p') => Some(Act::Pause),
        KeyCode::Up => Some(Act::Step(-1)),
        KeyCode::Down => Some(Act::Step(1)),
        KeyCode::PageUp => Some(Act::Step(-10)),
        KeyCode::PageDown => Some(Act::Step(10)),
        _ => None,
    }
}

/// Keys as they are pressed. The thread sleeps until the next one, or the end of the process.
fn keys() -> Result<mpsc::Receiver<Event>, Error> {
    let (send, keys) = mpsc::channel(UPDATES);
    let read = move || {
        while let Ok(event) = event::read() {
            if send.blocking_send(event).is_err() {
                return;
            }
        }
    };
    let started = std::thread::Builder::new().name("sealctl-keys".to_string()).spawn(read);
    started.doing(Kind::Io, || "cannot read keys".to_string())?;
    Ok(keys)
}

fn take(news: Update, top: &mut Top, feed: &mut Feed) {
    match news {
        Update::State(state) => {
            let (status, documents, forgetting) = *state;
            if top.status.is_none() {
                feed.join(&status);
            }
            (top.status, top.documents, top.forgetting, top.trouble) =
                (Some(status), documents.documents, forgetting, None);
        }
        Update::Event(event) => top.tell(feed.tell(&event, client::progress(&event).as_ref())),
        Update::Story(view) => top.tell_story(*view),
        Update::Trouble(words) => top.trouble = Some(words),
    }
}

/// Tells what the daemon says, for ever; while it is away, says so.
async fn gather(client: Client, tell: mpsc::Sender<Update>) {
    loop {
        if let Err(failure) = listen(&client, &tell).await {
            // A screen that has gone needs nothing.
            let _ = tell.send(Update::Trouble(failure.to_string())).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn listen(client: &Client, tell: &mpsc::Sender<Update>) -> Result<(), Failure> {
    let mut stream = client.events(None).await?;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let news = tokio::select! {
            event = stream.next() => match event? {
                Some((event, _)) => Update::Event(Box::new(event)),
                None => return Ok(()),
            },
            _ = looks.tick() => Update::State(Box::new(state(client).await?)),
        };
        let _ = tell.send(news).await;
    }
}

async fn state(client: &Client) -> Result<(StatusView, DocumentsPage, ForgettingView), Failure> {
    let filter = routes::Filter { limit: DOCUMENTS, ..routes::Filter::default() };
    let status = client.read(routes::STATUS).await?;
    let documents = client.read(&routes::documents(&filter)).await?;
    Ok((status, documents, client.read(routes::FORGETTING).await?))
}

/// Asks for the story of a document.
async fn story(client: Client, document: DocumentId, tell: mpsc::Sender<Update>) {
    let news = match client.read(&routes::document(&document.to_string())).await {
        Ok(view) => Update::Story(Box::new(view)),
        Err(failure) => Update::Trouble(failure.to_string()),
    };
    let _ = tell.send(news).await;
}

/// Pauses, or resumes what is paused.
async fn pause(client: Client, paused: bool, tell: mpsc::Sender<Update>) {
    let done = if paused {
        client.post(routes::RESUME, &serde_json::json!({})).await
    } else {
        client.post(routes::PAUSE, &PauseRequest { seconds: None }).await
    };
    if let Err(failure) = done {
        let _ = tell.send(Update::Trouble(failure.to_string())).await;
    }
}
