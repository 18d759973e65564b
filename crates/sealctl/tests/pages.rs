//! Every page at 40, 80 and 120 columns, with and without colours, against golden files in `tests/golden/sealctl`.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sealctl::client::progress;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::{Progress, Task, Work};
use seald_core::protocol::*;
use seald_terminal::checks::{Check, Outcome};
use seald_terminal::feed::Feed;
use seald_terminal::lines::Lines;
use seald_terminal::top::{Top, draw};
use seald_terminal::*;

use crate::terminal::{events, golden, matrix, plain};
use crate::{made_up, made_up_models};

/// Renders at three widths and compares. Colours must change no character, and nothing may be wider than the place.
pub(crate) fn check(name: &str, render: impl Fn(&Look) -> String) {
    let mut all = String::new();
    for width in [40, 80, 120] {
        let look = plain(width);
        let text = render(&look);
        for line in text.lines() {
            assert!(columns(line) <= width, "{name} at {width}: {line}");
            assert!(!line.contains(char::is_control), "{name}: {line:?}");
        }
        let coloured = render(&Look { colour: true, ..look });
        assert!(coloured.contains("\u{1b}["), "{name} has no colours");
        assert_eq!(console::strip_ansi_codes(&coloured), text, "{name}: colours change the text");
        let ascii = render(&Look { unicode: false, ..look });
        assert!(!ascii.contains(['✓', '✗', '→', '━', '…', '·']), "{name}: {ascii}");
        all += &format!("==== {width} columns\n{text}");
    }
    golden(&format!("sealctl/{name}"), &all);
}

#[test]
fn status_fits_one_screen() {
    let times = made_up::times();
    check("status", |look| status::render(&made_up::status(), times, look));
    check("status_first_day", |look| status::render(&made_up::idle(), times, look));
    // Problems and servers have the room that they need.
    let well = StatusView { problems: vec![], serve_to: vec![], ..made_up::status() };
    let text = status::render(&well, times, &plain(80));
    assert!(text.lines().count() <= 24, "{} lines:\n{text}", text.lines().count());
}

#[test]
fn status_says_how_far_the_work_is() {
    let work = Work { task: Task::DrawBaseSamples, done: 1000, of: 4000, seconds: 60.0 };
    let opening = StatusView { activity: Activity::Opening, work: Some(work), ..made_up::idle() };
    let text = status::render(&opening, made_up::times(), &plain(100));
    assert!(text.contains("once for each model): 25 % of this step, about 3 minutes of it"), "{text}");
}

#[test]
fn status_says_that_the_model_is_calibrated() {
    let (since, seconds) = (made_up::before(95), Some(740.0));
    let trial = TrialProgress { name: "calibration 5.3e-4".into(), step: 20, steps: 38, loss: 1.0 };
    let now = Calibrating { since, seconds, trial: Some(trial) };
    let view = StatusView { activity: Activity::Calibrating(now), ..made_up::idle() };
    let text = status::render(&view, made_up::times(), &plain(100));
    assert!(text.contains("calibrating the model, once, for 1 min of about 12 minutes"), "{text}");
    assert!(text.contains("step 20 of 38 (loss 1.00; calibration, learning rate 5.3e-4)"), "{text}");
}

#[test]
fn why_tells_what_taught_an_answer() {
    check("why", |look| why::render(&made_up::why(), look));
    let guess = WhyView { documents: vec![], known: None, base: None, answer: made_up::answer() };
    assert!(why::render(&guess, &plain(80)).contains("may be guessing"));
    let base = AskView { model: "base".into(), ..made_up::answer() };
    assert!(
        why::render(&WhyView { answer: base.clone(), ..guess }, &plain(80))
            .contains("nothing that was learned")
    );
    check("answers_beside", |look| answer::beside(&[base.clone(), made_up::answer()], look));
}

#[test]
fn an_answer_says_what_it_is_not_made_of() {
    let one = |state, asked, right| Unlearned {
        source: Source { document: DocumentId(3), title: "tidyscan README".into(), name: "README.md".into() },
        state,
        asked,
        right,
    };
    let unlearned = vec![one(DocumentState::Rejected, 19, 1), one(DocumentState::Waiting, 0, 0)];
    let view = AskView { model: "base".into(), sources: vec![], unlearned, ..made_up::answer() };
    let words = "tidyscan README (README.md, number 3) was rejected (1 of 19 right): its content is not part of this answer\n\
                 tidyscan README (README.md, number 3) waits to be learned: its content is not yet part of this answer\n";
    let wide = Look { width: 200, ..plain(120) };
    let unwrapped = |text: String| {
        text.replace("\npart", " part")
            .replace("\nof this", " of this")
            .replace("\nthis", " this")
            .replace("\nanswer", " answer")
    };
    assert!(unwrapped(answer::beneath(&view, &wide)).ends_with(words), "{}", answer::beneath(&view, &wide));
    let why = WhyView { documents: vec![], known: None, base: None, answer: view.clone() };
    let text = unwrapped(why::render(&why, &wide));
    assert!(text.contains("nothing that was learned") && text.ends_with(words), "{text}");
    let beside = answer::beside(&[AskView { unlearned: vec![], ..view.clone() }, view], &wide);
    assert_eq!(beside.matches("At nine.").count(), 1, "{beside}");
    assert!(unwrapped(beside).ends_with(&format!("{}\n{words}", answer::NOTHING_LEARNED)));
}

#[test]
fn status_says_why_nothing_is_learned() {
    let at = made_up::NOW;
    let held = |held| status::held_words(&held, made_up::times());
    assert_eq!(held(Held::Busy { others: 81 }), "other programs use 81 % of the processors");
    assert_eq!(held(Held::QuietHours { until: at.plus_seconds(60) }), "quiet hours until 17:41");
    let trouble = Held::Trouble {
        reason: "the disk is full\u{1b}[2J: make room".into(),
        again_at: at.plus_seconds(60),
    };
    assert_eq!(
        held(trouble),
        "the disk is full [2J: make room (tried again in 1 min; `sealctl resume`: now)"
    );
    let paused = Held::Paused { since: at, until: None };
    assert_eq!(held(paused), "paused since 17:40; `sealctl resume` goes on");
}

#[test]
fn documents_are_a_table() {
    let times = made_up::times();
    let now = made_up::status();
    check("documents", |look| documents::render(&made_up::documents(), Some(&now), times, look));
    let none = DocumentsPage { documents: vec![], next_before: None, total: 0 };
    let text = documents::render(&none, None, times, &plain(80));
    assert_eq!(text, "No document fits. Drop files into the inbox, or use `sealctl add FILE`.\n");
}

#[test]
fn a_document_has_a_story() {
    let times = made_up::times();
    check("story", |look| story::render(&made_up::story(), times, look));
    check("story_waiting", |look| story::render(&made_up::waiting(), times, look));
    check("edits", |look| edits::render(&made_up::edits(), false, look));
}

#[test]
fn generations_and_models() {
    let times = made_up::times();
    check("adapters", |look| adapters::render(&made_up::adapters(5), times, look));
    check("models", |look| models::render(&made_up_models::models(300), times, look));
    let base = "/models/qwen".to_string();
    let other =
        ModelsView { base, names: vec!["base".into()], lineages: vec![], ..made_up_models::models(0) };
    let told = models::render(&other, times, &plain(80));
    assert!(told.contains("Calibrated not yet: before its first document"), "{told}");
    let calibrated = ModelsView { calibration: Some(made_up_models::calibration()), ..other };
    check("models_calibrated", |look| models::render(&calibrated, times, look));
    check("calibration", |look| {
        calibration::render(&made_up_models::calibration(), Some((500, 158.6)), look)
    });
    check("models_use", |look| models::change(&made_up_models::change(false), look));
    check("models_same", |look| models::change(&made_up_models::change(true), look));
    let many = adapters::render(&made_up::adapters(300), times, &plain(80));
    assert!(many.contains("250 earlier generations not shown") && many.lines().count() < 60, "{many}");
    let none = adapters::render(&made_up::adapters(0), times, &plain(80));
    assert_eq!(none, "No document was learned yet: the base model answers.\n");
}

#[test]
fn answers_and_checks() {
    check("answer", |look| answer::beneath(&made_up::answer(), look));
    let checks = [
        Check::new("socket", Outcome::Ok, "/run/seald/seald.sock"),
        Check::new("backup", Outcome::Warn, "none was made yet")
            .remedy("Give `backup` a time in seald.toml."),
        Check::new("disk", Outcome::Fail, "312 MiB free in /var/lib/\u{1b}[2Jseald").remedy("Make room."),
    ];
    check("checks", |look| checks::render(&checks, look));
}

#[test]
fn small_and_large_matrices() {
    for (name, n, width) in
        [("heatmap_80", 4, 80), ("heatmap_large_80", 40, 80), ("heatmap_large_120", 40, 120)]
    {
        let text = heatmap::render(&matrix(n), &plain(width));
        assert!(text.lines().all(|line| columns(line) <= width), "{text}");
        golden(&format!("once/{name}"), &text);
    }
    let ascii = heatmap::render(&matrix(2), &Look { unicode: false, ..plain(80) });
    golden("once/heatmap_ascii", &ascii);
}

#[test]
fn colours_replace_shades() {
    let text = heatmap::render(&matrix(2), &Look { colour: true, ..plain(80) });
    assert!(text.contains("\u{1b}[38;5;16m\u{1b}[48;5;220m\u{1b}[1m[ 94]\u{1b}[0m"), "{text:?}");
    assert!(!text.contains('█'), "{text}");
}

#[test]
fn an_empty_or_ragged_matrix_is_no_failure() {
    assert_eq!(heatmap::render(&ForgettingView::default(), &plain(80)), "");
    let mut ragged = matrix(3);
    ragged.cells.truncate(1);
    ragged.base.clear();
    ragged.measures = Measures::default();
    let text = heatmap::render(&ragged, &plain(10));
    assert!(text.contains("gen-000003   ·"), "{text}");
    assert!(!text.contains("Today"), "{text}");
}

#[test]
fn a_log_has_a_line_a_stage_and_a_rung() {
    let mut lines = Lines::new(Some(2), plain(80));
    let told: Vec<String> = events().iter().flat_map(|event| lines.tell(event)).collect();
    golden("once/live_lines", &(told.join("\n") + "\n"));
}

#[test]
fn a_job_that_fails_at_once_still_ends_in_a_line() {
    let mut lines = Lines::new(Some(1), Look { unicode: false, ..plain(80) });
    let mut tell = |event| lines.tell(&event);
    tell(Progress::Started { document: "a\u{1b}[2J\nb".into(), tokens: 1, passages: 1, seconds: None });
    let ranked = Progress::Ranked { trial: "union".into(), rung: 0, gain: -0.5, goes_on: true };
    assert!(tell(ranked).is_empty());
    let (verdict, reasons) = (DocumentState::Failed, vec!["the loss\n is not finite".to_string()]);
    let told = tell(Progress::Finished { verdict, reasons, before: None, after: None, seconds: 0.42 });
    let round = "    1 way to study it tried (round 1), 1 goes on; the best makes right answers 1.6 times less probable (-0.50 nats; union)";
    let at = told.iter().position(|line| line.starts_with('!')).unwrap();
    assert_eq!(told[..at].join(" ").split_whitespace().collect::<Vec<_>>().join(" "), round.trim());
    let told = &told[at - 1..];
    assert_eq!(told[1].split_whitespace().collect::<Vec<_>>(), ["!", "a", "[2J", "b", "failed", "0.4", "s"]);
    assert_eq!(told[2..], ["    the loss is not finite"], "no gate told the reason, the document does");
}

#[test]
fn the_feed_tells_nothing_twice_and_takes_up_what_was_under_way() {
    let mut feed = Feed::new(plain(80));
    feed.join(&made_up::status());
    let mut told = Vec::new();
    let end = |event: &&Progress| !matches!(event, Progress::Decided { .. });
    for (n, one) in (1..).zip(events().iter().skip_while(end)) {
        // What is kept comes as passing progress first, then with a number.
        for id in [None, Some(n)] {
            let event = made_up::event(id, 12, one);
            assert_eq!(progress(&event).as_ref(), Some(one), "what is written is read");
            told.extend(feed.tell(&event, progress(&event).as_ref()));
        }
    }
    let other = |kind: &str, body| EventView {
        kind: kind.into(),
        body,
        ..made_up::event(Some(99), 12, &events()[0])
    };
    let taken = other("taken_in", serde_json::json!({"name": "a\u{1b}[2J.md", "bytes": 7}));
    told.extend(feed.tell(&taken, progress(&taken).as_ref()));
    let logged = other("logged", serde_json::Value::Null);
    told.extend(feed.tell(&logged, progress(&logged).as_ref()));
    let newer = other("progress", serde_json::json!({"event": "dreaming", "of": "sheep"}));
    told.extend(feed.tell(&newer, progress(&newer).as_ref()));
    golden("sealctl/feed", &(told.join("\n") + "\n"));
}

#[test]
fn the_full_screen() {
    let mut top = Top::default();
    (top.status, top.forgetting) = (Some(made_up::status()), matrix(40));
    top.documents = made_up::documents().documents;
    top.tell((0..300).map(|i| format!("event {i}")));
    top.step(1);
    let mut all = String::new();
    for (width, height) in [(40, 12), (80, 24), (120, 30)] {
        all += &format!("==== {width} x {height}\n{}\n", screen(&top, &plain(width.into()), width, height));
    }
    let first = Top::default();
    all += &format!("==== before the daemon answers\n{}\n", screen(&first, &plain(80), 80, 8));
    golden("sealctl/top", &all);
    let ascii = screen(&top, &Look { unicode: false, ..plain(80) }, 80, 24);
    assert!(!ascii.contains(['─', '▸', '✓', '…', '░', '█']), "{ascii}");
    // No size is too small to draw on.
    for size in 1..12 {
        screen(&top, &plain(size.into()), size, size);
    }
    all_of_the_screen_is_used(&mut top);
    top.step(-5);
    assert_eq!(top.selected(), 0);
    top.step(100);
    assert_eq!(top.selected(), 5);
    top.documents.truncate(2);
    assert_eq!(top.selected(), 1, "the list became shorter");
    assert!(top.paused());
}

/// What is cut says so, a hundred is a hundred, and nothing is empty where there is something to show.
fn all_of_the_screen_is_used(top: &mut Top) {
    let narrow = screen(top, &plain(60), 60, 24);
    assert!(narrow.lines().nth(1).unwrap().contains('…'), "{narrow}");
    top.forgetting.cells.last_mut().unwrap()[39] = Some(Cell { right: 16, asked: 16 });
    let shown = screen(top, &plain(80), 80, 24);
    assert!(shown.contains("█100") && !shown.contains("█ 99"), "{shown}");
    let mut quiet = Top::default();
    (quiet.status, quiet.documents) = (top.status.clone(), top.documents.clone());
    assert!(!screen(&quiet, &plain(80), 80, 24).contains("events"), "nothing happened");
    let full = screen(top, &plain(80), 80, 40);
    assert!(!full.lines().any(|line| line.trim_matches(['"', ' ']).is_empty()), "{full}");
}

#[test]
fn the_full_screen_tells_stories_and_its_keys() {
    let mut top = Top::default();
    (top.status, top.documents) = (Some(made_up::status()), made_up::documents().documents);
    assert!(!top.back(), "the first screen is the last to go back to");
    top.show_keys();
    let keys = screen(&top, &plain(80), 80, 24);
    assert!(keys.contains("the story of the chosen document") && keys.contains("esc: back"), "{keys}");
    top.tell_story(made_up::story());
    let first = screen(&top, &plain(80), 80, 10);
    assert!(first.lines().next().unwrap().contains("Harbour rules"), "{first}");
    top.step(1000);
    let last = screen(&top, &plain(80), 80, 10);
    assert!(last.contains("= at nine | 9 o'clock") && !last.contains("Came"), "{last}");
    top.step(-1);
    assert_ne!(screen(&top, &plain(80), 80, 10), last, "it stopped at the end and turns at once");
    assert!(top.back() && !top.back());
    for size in 1..12 {
        top.tell_story(made_up::story());
        screen(&top, &plain(size.into()), size, size);
    }
}

fn screen(top: &Top, look: &Look, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, top, made_up::times(), look)).unwrap();
    terminal.backend().to_string()
}
