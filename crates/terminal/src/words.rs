//! Numbers, stages and verdicts in words.

use seald_core::domain::job::{JobKind, Stage};
pub use seald_core::domain::number::probable_words;
use seald_core::domain::progress::{Task, Work};

/// `1 row`, `2 rows`.
pub fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(n as u64))
}

/// `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 B`, `494 M`, `12 k`: parameters.
pub fn rough(n: u64) -> String {
    let [unit, k, m, b] = [("", 1.0), (" k", 1e3), (" M", 1e6), (" B", 1e9)];
    let (suffix, size) = match n {
        0..=9_999 => unit,
        10_000..=999_999 => k,
        1_000_000..=999_999_999 => m,
        _ => b,
    };
    let value = n as f64 / size;
    let digits = usize::from(size > 1.0 && value < 10.0);
    format!("{value:.digits$}{suffix}")
}

/// `1.5 GiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    let digits = usize::from(unit != "B" && value < 100.0);
    format!("{value:.digits$} {unit}")
}

/// `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=59 => format!("{whole} s"),
        60..=3599 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `40 s`, `6 minutes`, `2 h 10 min`: no more exact than what foretells it.
pub fn about(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        _ if seconds < 55.0 => format!("{:.0} s", (seconds / 5.0).ceil().max(1.0) * 5.0),
        0 | 1 => "a minute".into(),
        2..60 => format!("{minutes} minutes"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

/// `1,812 tokens, 4 passages, about 6 minutes`: a document before it is learned.
pub fn size_words(tokens: usize, passages: usize, seconds: Option<f64>) -> String {
    let time = seconds.map(|seconds| format!(", about {}", about(seconds))).unwrap_or_default();
    format!("{}, {}{time}", count(tokens, "token"), count(passages, "passage"))
}

/// What a model is busy with, in words.
pub fn task_words(task: Task) -> &'static str {
    match task {
        Task::DrawBaseSamples => "sampling the base model (once for each model)",
        Task::LabelBaseSamples => "reading the samples, to keep the model as it is",
        Task::WriteQuestions => "writing questions",
        Task::CheckQuestions => "checking the questions",
        Task::AnswerQuestions => "answering questions",
        Task::AnswerDocument => "answering questions about the document, without it",
        Task::AnswerInSight => "answering questions about the document, with it in sight",
        Task::AnswerEarlier => "answering questions about what it learned before",
        Task::AnswerControls => "answering questions about invented texts, for comparison",
        Task::AnswerReading => "answering questions about other texts in sight, whether it still reads",
        Task::MeasureDrift => "reading texts of the base, how far it has moved",
        Task::WriteTexts => "writing texts",
        Task::Calibrate => "answering questions about invented texts",
    }
}

/// `writing questions: 34 % of this step, about 2 minutes of it left`.
pub fn work_words(work: &Work) -> String {
    let left = work.seconds_left().filter(|left| *left >= 1.0);
    let left = left.map(|left| format!(", about {} of it left", about(left))).unwrap_or_default();
    format!("{}{left}", step_words(work))
}

/// `writing questions: 34 % of this step`: beside the time that the whole document takes, where a second time would contradict it.
pub fn step_words(work: &Work) -> String {
    format!("{}: {:.0} % of this step", task_words(work.task), work.share() * 100.0)
}

/// What a trial trained on, from the name that it has in the database: `key facts, learning rate 1e-3, 10 epochs` of `key_facts 1e-3 x10`, and
/// `all 8 texts together, learning rate 5.3e-4` of `union of 8 5.3e-4`. A name of another form is left as it is.
pub fn trial_words(name: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    match words[..] {
        ["union", "of", texts] => format!("all {texts} texts together"),
        ["union", "of", texts, rate] => format!("all {texts} texts together, learning rate {rate}"),
        ["passage", "only"] => "the document alone".to_string(),
        ["calibration", rate] => format!("calibration, learning rate {rate}"),
        [format, rate, times] if times.strip_prefix('x').is_some_and(|n| n.parse::<usize>().is_ok()) => {
            let epochs = count(times[1..].parse().unwrap_or(1), "epoch");
            format!("{}, learning rate {rate}, {epochs}", format.replace('_', " "))
        }
        _ => name.to_string(),
    }
}

/// What goes on in a stage, in words.
pub fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Probes => "writing questions about it",
        Stage::SelfEdits => "writing texts to learn it from",
        Stage::Trials => "training on the texts",
        Stage::Gate => "testing what it learned",
        Stage::Publish => "putting it to use",
        Stage::Replay => "asking about earlier documents",
        Stage::Retrain => "training everything anew",
        Stage::Compare => "asking both about everything",
        Stage::Swap => "putting it in place",
        Stage::Purge => "removing rows and files",
        Stage::TrainWriter => "training a new writer",
        Stage::Examine => "comparing what both writers teach",
        Stage::Promote => "letting the new one write",
    }
}

/// What a job is for, in words.
pub fn kind_words(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Learn => "learning a document",
        JobKind::Consolidate => "consolidation",
        JobKind::WriterRound => "writer round",
        JobKind::Forget => "forgetting a document",
    }
}

/// `about 6 minutes left`, or that it should be done by now: what is left of work that was foretold.
pub fn left_words(seconds: f64) -> String {
    match seconds {
        ..1.0 => "longer than foretold".to_string(),
        _ => format!("about {} left", about(seconds)),
    }
}

/// `63 %`: halves go up, everywhere alike.
pub fn percent(share: f64) -> String {
    format!("{} %", hundredths(share))
}

/// A share or a difference of shares in hundredths.
pub fn hundredths(share: f64) -> i64 {
    (share * 100.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(1, "row"), count(1234, "row")], ["1 row", "1,234 rows"]);
        assert_eq!([rough(999), rough(12_345), rough(494_032_768)], ["999", "12 k", "494 M"]);
        assert_eq!(rough(1_540_000_000), "1.5 B");
        assert_eq!([bytes(12), bytes(1536), bytes(200 << 20)], ["12 B", "1.5 KiB", "200 MiB"]);
        assert_eq!(
            [duration(0.42), duration(185.0), duration(7800.0)],
            ["0.4 s", "3 min 05 s", "2 h 10 min"]
        );
    }

    #[test]
    fn what_is_foretold_is_rounded() {
        assert_eq!([left_words(371.0), left_words(0.0)], ["about 6 minutes left", "longer than foretold"]);
        assert_eq!(
            [about(2.0), about(31.0), about(58.0), about(89.0)],
            ["5 s", "35 s", "a minute", "a minute"]
        );
        assert_eq!(size_words(1812, 1, Some(371.0)), "1,812 tokens, 1 passage, about 6 minutes");
        assert_eq!([about(371.0), about(7800.0)], ["6 minutes", "2 h 10 min"]);
        let work = Work { task: Task::WriteQuestions, done: 30, of: 100, seconds: 60.0 };
        assert_eq!(work_words(&work), "writing questions: 30 % of this step, about 2 minutes of it left");
        assert_eq!(work_words(&Work { seconds: 0.2, ..work }), "writing questions: 30 % of this step");
        assert_eq!(step_words(&work), "writing questions: 30 % of this step");
    }

    #[test]
    fn trials_are_told_by_what_they_trained_on() {
        assert_eq!(trial_words("union of 8 5.3e-4"), "all 8 texts together, learning rate 5.3e-4");
        assert_eq!(trial_words("union of 4"), "all 4 texts together");
        assert_eq!(trial_words("key_facts 1e-3 x10"), "key facts, learning rate 1e-3, 10 epochs");
        assert_eq!(trial_words("self_qa 1e-3 x1"), "self qa, learning rate 1e-3, 1 epoch");
        assert_eq!(trial_words("passage only"), "the document alone");
        assert_eq!(trial_words("no such form x"), "no such form x");
    }
}
