//! What a person sees while a model is fetched: a bar with speed and time left at a terminal, lines elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use sealctl::hub::{Event, Model};
use seald_terminal::one_line;
use seald_terminal::words::{bytes as size, duration};

use crate::output::say;

/// Bytes of a model below which lines tell of files alone.
const LARGE: u64 = 64 << 20;

/// Follows a pull.
pub(super) struct PullProgress {
    bar: ProgressBar,
    /// Whether a person looks at the bar; else there are lines.
    seen: bool,
    files: usize,
    whole: usize,
    bytes: u64,
    have: u64,
    speed: Speed,
    /// Tenths of all bytes that were told of, in lines.
    tenths: u64,
}

impl PullProgress {
    /// Before anything is known.
    pub(super) fn new() -> Self {
        let seen = io::stderr().is_terminal();
        let speed = Speed::since(Instant::now());
        Self { bar: ProgressBar::hidden(), seen, files: 0, whole: 0, bytes: 0, have: 0, speed, tenths: 0 }
    }

    /// From here on files come.
    pub(super) fn begin(&mut self, model: &Model) {
        (self.files, self.bytes) = (model.files.len(), model.bytes());
        self.speed = Speed::since(Instant::now());
        if !self.seen {
            return;
        }
        self.bar = ProgressBar::new(self.bytes);
        // A template is a constant: where it could not be read, the plain bar does.
        if let Ok(style) = ProgressStyle::with_template("{bytes} of {total_bytes}  {wide_bar}  {msg}") {
            self.bar.set_style(style);
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Tells of an event.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Kept(bytes) => {
                self.have += bytes;
                self.tenths = self.tenth();
            }
            Event::Arrived(bytes) => {
                self.have += bytes;
                self.speed.more(*bytes, Instant::now());
                self.tell_tenth();
            }
            Event::Lost(bytes) => self.have = self.have.saturating_sub(*bytes),
            Event::Whole(file) => {
                self.whole += 1;
                if !self.seen {
                    let (name, size) = (one_line(&file.name), size(file.bytes));
                    say(format!("{name}, {size}: whole ({} of {} files)", self.whole, self.files));
                }
            }
            Event::Wrong(file) => {
                self.above(&format!("{} came damaged and is fetched again", one_line(&file.name)));
            }
            Event::Again { why, pause } => {
                let seconds = pause.as_secs_f64();
                self.above(&format!("{}; tried again in {seconds:.1} s", one_line(&why.to_string())));
            }
        }
        if self.seen {
            self.bar.set_message(self.beside());
            self.bar.set_position(self.have);
        }
    }

    /// What stands beside the bar.
    fn beside(&self) -> String {
        let files = format!("{} of {} files", self.whole, self.files);
        let Some(speed) = self.speed.bytes_per_second() else { return files };
        let left = self.bytes.saturating_sub(self.have) as f64 / speed;
        format!("{}/s  {} left  {files}", size(speed as u64), duration(left))
    }

    fn above(&self, words: &str) {
        self.bar.suspend(|| say(words));
    }

    fn tenth(&self) -> u64 {
        self.have.saturating_mul(10).checked_div(self.bytes).unwrap_or(0)
    }

    fn tell_tenth(&mut self) {
        let tenth = self.tenth();
        if !self.seen && self.bytes >= LARGE && tenth > self.tenths {
            self.tenths = tenth;
            say(format!("{} % of {}: {}", tenth * 10, size(self.bytes), self.beside()));
        }
    }
}

/// How fast bytes come, over the last five to ten seconds. What was there already does not count, as it would for the bar's own measure.
struct Speed {
    came: u64,
    /// Earlier moments, and what had come by then.
    marks: [(Instant, u64); 2],
    now: Instant,
}

impl Speed {
    /// Between two marks.
    const STEP: Duration = Duration::from_secs(5);

    fn since(now: Instant) -> Self {
        Self { came: 0, marks: [(now, 0); 2], now }
    }

    fn more(&mut self, bytes: u64, now: Instant) {
        (self.came, self.now) = (self.came + bytes, now);
        if now.duration_since(self.marks[1].0) >= Self::STEP {
            self.marks = [self.marks[1], (now, self.came)];
        }
    }

    /// None before it can be told.
    fn bytes_per_second(&self) -> Option<f64> {
        let (then, came) = self.marks[0];
        let seconds = self.now.duration_since(then).as_secs_f64();
        (seconds > 0.5 && self.came > came).then(|| (self.came - came) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut speed = Speed::since(start);
        assert_eq!(speed.bytes_per_second(), None);
        for second in 1..=20 {
            speed.more(100, at(f64::from(second)));
            assert_eq!(speed.bytes_per_second(), Some(100.0), "after {second} s");
        }
        for second in 21..=35 {
            speed.more(300, at(f64::from(second)));
        }
        assert_eq!(speed.bytes_per_second(), Some(300.0));
    }
}
