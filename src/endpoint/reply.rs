//! What an answer means: what was asked for, or why it is not that and what to do about it.

use serde::Deserialize;
use serde_json::Value;
use ureq::Timeout;

use super::connection::{Address, ConnectionOptions};
use super::http::{HttpResponse, MAX_ANSWER};
use seald_core::error::{Error, Kind};
use seald_core::retry::Again;

/// Characters of a server's own words that are shown.
const MAX_WORDS: usize = 200;
/// What stands around the thinking of models whose server leaves it in the text.
const THINKING: (&str, &str) = ("<think>", "</think>");

/// Why there is no text.
#[derive(Debug)]
pub(super) struct RequestError {
    /// In words, with address and remedy.
    pub(super) error: Error,
    /// Whether asking again helps.
    pub(super) again: Again,
}

/// Whom we asked.
pub(super) struct Server<'a> {
    pub(super) connection: ConnectionOptions<'a>,
    pub(super) address: &'a Address,
    /// So that it is not shown where a server repeats it.
    pub(super) key: Option<&'a str>,
}

/// What we read of an answer. Thinking that a server sends apart (`reasoning_content`, `reasoning`) is not read.
#[derive(Deserialize)]
struct ChatCompletion {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

impl Choice {
    /// The text without thinking and white space around it; `None` where the tokens were spent before it began.
    fn text(&self) -> Option<&str> {
        let text = without_thinking(self.message.content.as_deref().unwrap_or_default())?;
        let cut = self.finish_reason.as_deref() == Some("length");
        (!text.is_empty() || !cut).then_some(text)
    }
}

impl Server<'_> {
    /// The text of an answer of `model`, without its thinking; "" where it declined, and, with a warning, where it was cut
    /// off before the text began: others of the same model may come to an end.
    pub(super) fn text(&self, answer: &HttpResponse, model: &str) -> Result<String, RequestError> {
        if !answer.is_good() {
            return Err(self.refused(answer, model));
        }
        let reply = serde_json::from_slice(&answer.body).ok();
        match reply.and_then(|ChatCompletion { choices }| choices.into_iter().next()) {
            Some(choice) => {
                let text = choice.text().map(str::to_string);
                Ok(text.unwrap_or_else(|| {
                    let address = &self.address.full;
                    tracing::warn!(
                        %address, model,
                        "the model spent all its tokens before it began its text, probably thinking: turn its thinking off in \
                         the server, or name one that answers directly"
                    );
                    String::new()
                }))
            }
            None => {
                let what = format!(
                    "answers in a form that is not that of an OpenAI-compatible server{}",
                    self.words(answer)
                );
                Err(self.failure(Kind::Conflict, Again::No, what, "check url"))
            }
        }
    }

    /// Why an answer with a status of failure is one, by RFC 9110.
    fn refused(&self, answer: &HttpResponse, model: &str) -> RequestError {
        let (status, words) = (answer.status, self.words(answer));
        match (self.usual(answer), status) {
            (Some(failure), _) => failure,
            (None, 404 | 405) => {
                let what = format!("has nothing at that address or no model {model:?}: {status}{words}");
                self.failure(Kind::Conflict, Again::No, what, "check url and model")
            }
            _ => {
                let what = format!("refuses the request: {status}{words}");
                let remedy = "see whether the model takes texts of this length";
                self.failure(Kind::Invalid, Again::No, what, remedy)
            }
        }
    }

    /// The same for what means the same whatever was asked for: the server is busy or broken, elsewhere, or wants a key.
    pub(super) fn usual(&self, answer: &HttpResponse) -> Option<RequestError> {
        let (status, words) = (answer.status, self.words(answer));
        let fixed = |what: String, remedy: &str| self.failure(Kind::Conflict, Again::No, what, remedy);
        Some(match status {
            408 | 429 | 500.. => {
                let later = Again::Later(answer.retry_after);
                let what = match answer.retry_after {
                    Some(seconds) => {
                        format!("answers {status}{words} and wants to be left alone for {seconds} seconds")
                    }
                    None => format!("answers {status}{words}"),
                };
                self.failure(Kind::Io, later, what, "try again later, or see what is wrong with the server")
            }
            300..=399 => {
                let place = answer.location.as_deref().unwrap_or("another address");
                fixed(format!("sends us to {}", one_line(place)), "give the server's own address as url")
            }
            401 | 403 => match self.key {
                Some(_) => {
                    let remedy = format!("check the key in {}", self.connection.api_key_file.display());
                    fixed(format!("refuses the key: {status}{words}"), &remedy)
                }
                None => {
                    fixed(format!("wants a key: {status}{words}"), "name a file with one as api_key_file")
                }
            },
            _ => return None,
        })
    }

    /// Why no whole answer came.
    pub(super) fn broken(&self, error: ureq::Error) -> RequestError {
        let (seconds, later) = (self.connection.timeout_seconds, Again::Later(None));
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed => {
                let what = format!("cannot be reached ({error})");
                self.failure(Kind::Io, later, what, "see whether it runs and whether url is right")
            }
            ureq::Error::Timeout(_) => {
                let what = format!("did not finish within {seconds} seconds");
                self.failure(Kind::Io, Again::No, what, "raise timeout_seconds, or see what keeps the server")
            }
            ureq::Error::Io(ref io) if io.kind() == std::io::ErrorKind::ConnectionRefused => {
                let what = "refuses the connection".to_string();
                self.failure(Kind::Io, later, what, "see whether it runs and whether url is right")
            }
            ureq::Error::Io(ref io) if io.kind() != std::io::ErrorKind::InvalidData => {
                let what = format!("broke the connection off ({io})");
                self.failure(Kind::Io, later, what, "see what is wrong with the server")
            }
            ureq::Error::BodyExceedsLimit(_) => {
                let what = format!("sends more than {} KiB in one answer", MAX_ANSWER >> 10);
                self.failure(Kind::Conflict, Again::No, what, "check url, and whether it honours max_tokens")
            }
            ureq::Error::Io(_) | ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                let what = format!("cannot be trusted ({error})");
                let remedy = "check url, or name who vouches for the server as ca_file";
                self.failure(Kind::Conflict, Again::No, what, remedy)
            }
            other => {
                let what = format!("cannot be talked to ({other})");
                self.failure(Kind::Conflict, Again::No, what, "check url, and the proxy if there is one")
            }
        }
    }

    pub(super) fn failure(&self, kind: Kind, again: Again, what: String, remedy: &str) -> RequestError {
        RequestError { error: Error::new(kind, format!("{} {what}: {remedy}", self.address.full)), again }
    }

    /// A server's own words in brackets, as far as they fit a line; "" if there are none.
    pub(super) fn words(&self, answer: &HttpResponse) -> String {
        let text = one_line(&self.said(answer));
        if text.is_empty() { text } else { format!(" ({text})") }
    }

    /// A server's own words: where it follows the usual forms its message, else its answer.
    pub(super) fn said(&self, answer: &HttpResponse) -> String {
        let text = match serde_json::from_slice::<Value>(&answer.body) {
            Ok(value) => message(&value).map_or_else(|| value.to_string(), str::to_string),
            Err(_) => String::from_utf8_lossy(&answer.body).into_owned(),
        };
        match self.key {
            Some(key) => text.replace(key, "(the key)"),
            None => text,
        }
    }
}

/// `reply` without the thinking before it and white space around it; `None` where it ends in the middle of a thought.
///
/// Where the prompt began the thought, its end alone is in the reply. What stands between such marks further on is left:
/// a text may be about them.
fn without_thinking(reply: &str) -> Option<&str> {
    let (open, close) = THINKING;
    let mut text = reply.trim();
    if let Some((thought, after)) = text.split_once(close)
        && !thought.contains(open)
    {
        text = after.trim_start();
    }
    while let Some(thought) = text.strip_prefix(open) {
        text = thought.split_once(close)?.1.trim_start();
    }
    Some(text)
}

/// `{"error": {"message"}}` as OpenAI has it; `{"error"}`, `{"message"}`, `{"detail"}` as others have it.
fn message(value: &Value) -> Option<&str> {
    let error = &value["error"];
    [&error["message"], error, &value["message"], &value["detail"]].into_iter().find_map(Value::as_str)
}

/// A line that a terminal can show, of bounded length.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::EndpointOptions;
    use super::*;

    const KEY: &str = "sk-0123456789";

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, retry_after: None, location: None, body: body.as_bytes().to_vec() }
    }

    fn asked<T>(key: Option<&str>, with: impl FnOnce(Server<'_>) -> T) -> T {
        let options = EndpointOptions {
            url: "http://localhost:1/v1".into(),
            model: "teacher".into(),
            api_key_file: "/etc/key".into(),
            ..EndpointOptions::default()
        };
        with(Server { connection: options.connection(), address: &options.address().unwrap(), key })
    }

    fn failure(answer: &HttpResponse) -> RequestError {
        asked(Some(KEY), |asked| asked.text(answer, "teacher").unwrap_err())
    }

    #[test]
    fn the_first_choice_is_the_text() {
        let text = |body: &str| asked(None, |asked| asked.text(&answer(200, body), "teacher").unwrap());
        let body = r#"{"id":"x","choices":[{"index":0,"finish_reason":"length","message":{"role":"assistant","content":" A.\nB. "}}],"usage":{}}"#;
        assert_eq!(text(body), "A.\nB.");
        assert_eq!(text(r#"{"choices":[{"message":{"content":null,"refusal":"no"}}]}"#), "");
    }

    #[test]
    fn thinking_is_no_part_of_a_text() {
        for (reply, text) in [
            ("A.", Some("A.")),
            ("<think>\nLet me see.\n</think>\n\nA.\nB. ", Some("A.\nB.")),
            ("\n<think></think>A.", Some("A.")),
            ("Let me see.\n</think>\n\nA.", Some("A.")),
            ("</think>A.", Some("A.")),
            ("<think>one</think> <think>two</think> A.", Some("A.")),
            ("one</think><think>two</think>A.", Some("A.")),
            ("<think>one", None),
            ("<think>one</think><think>two", None),
            ("<think>", None),
            ("<think>one</think>\n", Some("")),
            ("", Some("")),
            // A text about the marks.
            ("Put <think> before and </think> behind.", Some("Put <think> before and </think> behind.")),
            ("It begins with <think>.", Some("It begins with <think>.")),
            ("<think>so</think>It ends with </think>.", Some("It ends with </think>.")),
        ] {
            assert_eq!(without_thinking(reply), text, "{reply:?}");
        }
    }

    #[test]
    fn a_reply_of_thinking_alone_is_no_text() {
        for (choice, text) in [
            (r#"{"message":{"content":"A.","reasoning_content":"B.","reasoning":"C."}}"#, Some("A.")),
            (r#"{"finish_reason":"length","message":{"content":"A"}}"#, Some("A")),
            (r#"{"finish_reason":"length","message":{"content":"<think>so"}}"#, None),
            (r#"{"finish_reason":"length","message":{"content":"<think>so</think>"}}"#, None),
            (r#"{"finish_reason":"length","message":{"content":null,"reasoning_content":"so"}}"#, None),
            (r#"{"finish_reason":"stop","message":{"content":null,"refusal":"no"}}"#, Some("")),
            (r#"{"finish_reason":null,"message":{"content":""}}"#, Some("")),
        ] {
            let read: Choice = serde_json::from_str(choice).unwrap();
            assert_eq!(read.text(), text, "{choice}");
            let body = format!(r#"{{"choices":[{choice}]}}"#);
            let said = asked(None, |asked| asked.text(&answer(200, &body), "teacher").unwrap());
            assert_eq!(said, text.unwrap_or_default(), "{choice}");
        }
    }

    #[test]
    fn each_status_has_its_kind_and_remedy() {
        for (status, kind, again, words) in [
            (400, Kind::Invalid, Again::No, "refuses the request: 400 (told so)"),
            (401, Kind::Conflict, Again::No, "check the key in /etc/key"),
            (403, Kind::Conflict, Again::No, "check the key in /etc/key"),
            (404, Kind::Conflict, Again::No, "no model \"teacher\""),
            (408, Kind::Io, Again::Later(None), "answers 408 (told so)"),
            (422, Kind::Invalid, Again::No, "refuses the request"),
            (429, Kind::Io, Again::Later(None), "answers 429"),
            (500, Kind::Io, Again::Later(None), "answers 500"),
            (599, Kind::Io, Again::Later(None), "answers 599"),
        ] {
            let failure = failure(&answer(status, r#"{"error":{"message":"told so","type":"x"}}"#));
            let said = failure.error.to_string();
            assert_eq!((failure.error.kind(), failure.again), (kind, again), "{status}");
            assert!(
                said.starts_with("http://localhost:1/v1/chat/completions ") && said.contains(words),
                "{said}"
            );
        }
        let moved = HttpResponse { location: Some("https://b/".into()), ..answer(302, "") };
        assert!(failure(&moved).error.to_string().contains("sends us to https://b/"));
        let busy = HttpResponse { retry_after: Some(7), ..answer(503, "") };
        assert_eq!(failure(&busy).again, Again::Later(Some(7)));
        let none = asked(None, |asked| asked.text(&answer(401, ""), "teacher").unwrap_err());
        assert!(none.error.to_string().contains("wants a key: 401: name a file with one as api_key_file"));
    }

    #[test]
    fn what_is_no_answer_is_shown_in_one_line_and_without_the_key() {
        for body in
            ["<html>\n hi", "{}", r#"{"choices":[]}"#, r#"{"choices":[{"message":{"content":[1]}}]}"#, ""]
        {
            let error = failure(&answer(200, body)).error;
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.to_string().contains("check url"), "{error}");
        }
        let said = failure(&answer(200, "<html>\n \u{1b}[31mhi")).error.to_string();
        assert!(said.contains("(<html> [31mhi)"), "{said:?}");
        for body in
            [format!(r#"{{"error":"no {KEY}"}}"#), format!(r#"{{"detail":"no {KEY}"}}"#), format!("no {KEY}")]
        {
            let said = failure(&answer(401, &body)).error.to_string();
            assert!(said.contains("(no (the key))") && !said.contains(KEY), "{said}");
        }
        let long = failure(&answer(400, &"ä ".repeat(10_000))).error.to_string();
        assert!(long.chars().count() < 400, "{long}");
    }
}
