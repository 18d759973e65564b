//! Requests under way: whose rows are whose, what each is told, and who has gone.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::generations::Generations;
use super::prepare::{Done, Prepared, guarded};
use super::preparers::Ready;
use super::weighings::Weighings;
use crate::pipeline::model_requests::{
    AnswerEvent, Ending, GenerateRequest, Load, ModelRequest, QueuedRequest, RequestError, RequestPart, Token,
};
use seald_core::error::{Error, Kind};
use seald_engine::generate::{FinishReason, TokenEvent};
use seald_engine::running::{Bounds, Member, Running};
use seald_engine::tokenizer::Tokenizer;
use seald_learn::Model;

/// Most tokens of prompts that are read in a pass.
const PREFILL: usize = 256;
/// Time that a pass may take: whoever comes while one is under way waits for its end, and a token of what is being written comes with each.
const PASS_TIME: Duration = Duration::from_millis(200);

/// Who waits for answers.
struct Client {
    pieces: UnboundedSender<AnswerEvent>,
    /// Its first row; its answers are numbered from there.
    first: usize,
    /// Its rows that have not ended.
    rows: Vec<usize>,
    since: Instant,
}

/// All requests under way.
pub(super) struct Batch<'m> {
    model: &'m Model,
    running: Running<'m>,
    max_concurrent: usize,
    load: &'m Load,
    clients: Vec<Client>,
    weighings: Weighings,
    next_row: usize,
}

impl<'m> Batch<'m> {
    /// None yet.
    pub(super) fn new(model: &'m Model, max_concurrent: usize, load: &'m Load) -> Self {
        let running = running(model, max_concurrent);
        Self {
            model,
            running,
            max_concurrent,
            load,
            clients: Vec::new(),
            weighings: Weighings::default(),
            next_row: 0,
        }
    }

    /// Whether nobody waits for anything.
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.weighings.is_empty()
    }

    /// Whether another request is taken up now, besides so many that come before it. Requests share the places of their answers, so that one of many answers keeps nobody out.
    pub(super) fn has_room(&self, before: usize) -> bool {
        self.clients.len() + self.weighings.len() + before < self.max_concurrent
    }

    /// Takes a request up; one that cannot be answered is told so.
    pub(super) fn take(&mut self, ready: Ready, generations: &mut Generations<'_>) {
        match (ready.order, ready.done) {
            (ModelRequest::Answer(asking), Done::Answer(prepared)) => {
                self.answer(asking, prepared, generations)
            }
            (ModelRequest::Weigh(weighing), Done::Weigh(row)) => {
                self.next_row =
                    self.weighings.begin(weighing, row, self.next_row, &mut self.running, generations);
            }
            // A task is made of its order, and ends in what it is of.
            (order, _) => drop(order),
        }
    }

    fn answer(
        &mut self,
        QueuedRequest { asked, pieces }: QueuedRequest,
        prepared: Result<Prepared, RequestError>,
        generations: &mut Generations<'_>,
    ) {
        if pieces.is_closed() {
            self.load.broken_off.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let since = Instant::now();
        let first = self.next_row;
        match prepared.and_then(|prepared| self.begin(prepared, &asked, generations, &pieces)) {
            Ok(()) => {
                self.load.running.fetch_add(1, Ordering::Relaxed);
                self.clients.push(Client { pieces, first, rows: (first..self.next_row).collect(), since });
            }
            Err(error) => {
                (first..self.next_row).for_each(|row| self.running.remove(row));
                self.load.broken_off.fetch_add(1, Ordering::Relaxed);
                let _ = pieces.send(AnswerEvent::Failed(error));
            }
        }
    }

    fn begin(
        &mut self,
        prepared: Prepared,
        asked: &GenerateRequest,
        generations: &mut Generations<'_>,
        pieces: &UnboundedSender<AnswerEvent>,
    ) -> Result<(), RequestError> {
        let (Prepared { prompts, options }, answers) = (prepared, asked.answers);
        let running = &self.running;
        let (generation, adapter) = generations
            .choose(asked.generation, |adapter| running.uses(adapter))
            .map_err(RequestError::of(RequestPart::Model))?;
        let prompt_tokens = prompts.iter().map(Vec::len).sum();
        let request = self.next_row;
        for (number, prompt) in prompts.into_iter().enumerate() {
            let member = |draw| Member {
                row: self.next_row + draw,
                request,
                options: options.clone(),
                draw: number * answers + draw,
            };
            let members = (0..answers).map(member).collect();
            self.running.add(prompt, adapter, members).map_err(RequestError::of(RequestPart::Prompt))?;
            self.next_row += answers;
        }
        // Whoever has gone is found at the next step.
        let _ = pieces.send(AnswerEvent::Begun { generation, prompt_tokens });
        Ok(())
    }

    /// One more pass for all.
    pub(super) fn step(&mut self, generations: &Generations<'_>) {
        self.let_go();
        let whose: HashMap<usize, usize> = self
            .clients
            .iter()
            .enumerate()
            .flat_map(|(at, c)| c.rows.iter().map(move |row| (*row, at)))
            .collect();
        let (clients, tokenizer, load) = (&self.clients, &self.model.tokenizer, self.load);
        let mut on_token = |event: TokenEvent<'_>| {
            load.tokens.fetch_add(1, Ordering::Relaxed);
            let Some(client) = whose.get(&event.row).and_then(|at| clients.get(*at)) else {
                return ControlFlow::Break(());
            };
            match client.pieces.send(piece(&event, client.first, tokenizer)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        match guarded(|| self.running.step(&generations.active(), &mut on_token)) {
            Ok(ended) => {
                for (row, result) in ended {
                    if let Some(result) = self.weighings.end(row, result, &mut self.running) {
                        self.end(row, result.err());
                    }
                }
            }
            Err(error) => self.fail_all(&error),
        }
    }

    /// Forgets those who have gone.
    fn let_go(&mut self) {
        self.weighings.let_go(&mut self.running);
        for at in (0..self.clients.len()).rev() {
            if self.clients[at].pieces.is_closed() {
                self.leave(at);
                self.load.broken_off.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn end(&mut self, row: usize, error: Option<Error>) {
        let Some(at) = self.clients.iter().position(|c| c.rows.contains(&row)) else { return };
        let client = &mut self.clients[at];
        client.rows.retain(|one| *one != row);
        if let Some(error) = error {
            tracing::warn!(%error, "a request could not be answered");
            self.load.broken_off.fetch_add(1, Ordering::Relaxed);
            // Of what was prepared, a row finds nothing wrong but the form that it is held to.
            let about = (error.kind() == Kind::Invalid).then_some(RequestPart::Form);
            let _ = self.leave(at).pieces.send(AnswerEvent::Failed(RequestError { error, about }));
        } else if client.rows.is_empty() {
            let client = self.leave(at);
            match client.pieces.send(AnswerEvent::Done) {
                Ok(()) => self.load.took(client.since.elapsed().as_secs_f64()),
                Err(_) => drop(self.load.broken_off.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// Takes a client and what is left of its rows away.
    fn leave(&mut self, at: usize) -> Client {
        let client = self.clients.swap_remove(at);
        client.rows.iter().for_each(|row| self.running.remove(*row));
        self.load.running.fetch_sub(1, Ordering::Relaxed);
        client
    }

    /// The pass itself failed: with it everything under way.
    fn fail_all(&mut self, error: &Error) {
        tracing::error!(%error, "answering failed");
        self.weighings.fail(error);
        for client in std::mem::take(&mut self.clients) {
            self.load.running.fetch_sub(1, Ordering::Relaxed);
            self.load.broken_off.fetch_add(1, Ordering::Relaxed);
            let _ =
                client.pieces.send(AnswerEvent::Failed(Error::new(error.kind(), error.to_string()).into()));
        }
        self.running = running(self.model, self.max_concurrent);
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // On the way down: the closed channels tell whoever waits.
        self.load.running.fetch_sub(self.clients.len(), Ordering::Relaxed);
    }
}

fn running(model: &Model, max_concurrent: usize) -> Running<'_> {
    Running::new(
        &model.decoder,
        Some(&model.tokenizer),
        Bounds { prefill_tokens: PREFILL, pass_time: Some(PASS_TIME), batch_rows: max_concurrent },
    )
}

fn piece(event: &TokenEvent<'_>, first: usize, tokenizer: &Tokenizer) -> AnswerEvent {
    let top = event.top.iter().map(|(id, log_prob)| (tokenizer.token_bytes(*id), *log_prob)).collect();
    let ending = event.finish.and_then(|finish| match finish {
        FinishReason::Stop => Some(Ending::Stop),
        FinishReason::StopString(_) => Some(Ending::StopText),
        FinishReason::Length => Some(Ending::Length),
        FinishReason::Cancelled => None,
    });
    AnswerEvent::Token {
        answer: event.row - first,
        text: event.text.to_string(),
        token: Token { bytes: tokenizer.token_bytes(event.token), log_prob: event.log_prob, top },
        ending,
    }
}
