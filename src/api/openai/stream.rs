//! Answers in chunks, as server-sent events up to `[DONE]`.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::Extension;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use super::super::serve::{Stopping, stopped};
use super::failure::Refusal;
use super::reply::{Delta, Form, Reply, log_probs};
use seald_core::protocol::openai::{Choice, Completion, Said};

/// What a reader is yet to be told.
struct Chunks {
    reply: Reply,
    ready: VecDeque<Event>,
    /// Characters told of each answer.
    told: Vec<usize>,
    usage: bool,
    ended: bool,
}

/// The response of a request with `answers` answers. Dropping it tells the model to stop.
pub(super) fn respond(
    reply: Reply,
    answers: usize,
    usage: bool,
    stopping: Option<Extension<Stopping>>,
) -> Response {
    let mut chunks = Chunks { reply, ready: VecDeque::new(), told: vec![0; answers], usage, ended: false };
    if chunks.reply.form == Form::Chat {
        for index in 0..answers {
            let delta = Said { role: Some("assistant".into()), content: Some(String::new()) };
            chunks.put(vec![Choice { delta: Some(delta), ..nothing_new(index) }]);
        }
    }
    let events = stream::unfold(chunks, |mut chunks| async move {
        let event = chunks.next().await?;
        Some((Ok::<_, Infallible>(event), chunks))
    });
    Sse::new(events.take_until(Box::pin(stopped(stopping)))).keep_alive(KeepAlive::default()).into_response()
}

fn nothing_new(index: usize) -> Choice {
    Choice { index, message: None, delta: None, text: None, logprobs: None, finish_reason: None }
}

impl Chunks {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            match self.reply.next().await {
                Ok(Some(news)) => self.tell(news),
                Ok(None) => self.end(),
                Err(refusal) => self.fail(&refusal),
            }
        }
    }

    fn tell(&mut self, news: Delta) {
        let Delta { answer, text, token, finish } = news;
        let (Some(told), form) = (self.told.get_mut(answer), self.reply.form) else { return };
        // A part of a character, or of what may become the end, says nothing yet.
        if text.is_empty() && token.is_none() && finish.is_none() {
            return;
        }
        let choice = Choice {
            logprobs: token.map(|token| log_probs(form, &[token], told)),
            finish_reason: finish.map(str::to_string),
            ..nothing_new(answer)
        };
        let choice = match form {
            Form::Chat => {
                let content = (!text.is_empty()).then_some(text);
                Choice { delta: Some(Said { role: None, content }), ..choice }
            }
            Form::Text => Choice { text: Some(text), ..choice },
        };
        self.put(vec![choice]);
    }

    fn end(&mut self) {
        if self.usage {
            let completion =
                Completion { usage: Some(self.reply.usage), ..self.reply.completion(Vec::new(), true) };
            self.ready.push_back(event(&completion));
        }
        self.ready.push_back(Event::default().data("[DONE]"));
        self.ended = true;
    }

    fn fail(&mut self, refusal: &Refusal) {
        self.ready.push_back(event(&refusal.reply()));
        self.ended = true;
    }

    fn put(&mut self, choices: Vec<Choice>) {
        let completion = self.reply.completion(choices, true);
        self.ready.push_back(event(&completion));
    }
}

fn event(data: &impl serde::Serialize) -> Event {
    Event::default().data(serde_json::to_string(data).unwrap_or_default())
}
