//! From what is asked for to rows for the engine: token ids, options, the adapter that answers.

use std::sync::Arc;

use crate::pipeline::Root;
use crate::pipeline::asking::{About, Asked, Prompt, Refused};
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::GenerateOptions;
use seald_engine::grammar::Vocabulary;
use seald_engine::sampler::Sampling;
use seald_learn::answer::{prompt_tokens, question_tokens};
use seald_learn::{Adapter, Model};
use seald_store::Store;

/// Tokens that are kept free for an answer whose length nobody gave.
const ROOM: usize = 64;
/// The least probability mass that top-p may keep: OpenAI's 0 means the most probable token.
const LEAST_MASS: f64 = 1e-9;

/// A request in the engine's terms.
pub(super) struct Prepared {
    /// Token ids of each prompt.
    pub(super) prompts: Vec<Vec<u32>>,
    /// Who answers.
    pub(super) generation: GenerationId,
    /// The number of its adapter.
    pub(super) adapter: Option<usize>,
    /// How the answers go on.
    pub(super) options: Arc<GenerateOptions>,
}

/// Adapters in memory while requests use them.
pub(super) struct Generations<'a> {
    root: &'a Root,
    store: &'a Store,
    model: &'a Arc<Model>,
    /// By the numbers that rows know them by.
    loaded: Vec<(GenerationId, Adapter)>,
    vocabulary: Option<Vocabulary>,
}

impl<'a> Generations<'a> {
    /// None yet.
    pub(super) fn new(root: &'a Root, store: &'a Store, model: &'a Arc<Model>) -> Self {
        Self { root, store, model, loaded: Vec::new(), vocabulary: None }
    }

    /// The adapters in the order of their numbers.
    pub(super) fn active(&self) -> Vec<ActiveAdapter<'_>> {
        self.loaded.iter().map(|(_, adapter)| ActiveAdapter::inference(adapter)).collect()
    }

    /// Makes rows of what is asked for. `in_use` says whether a row under way needs an adapter.
    pub(super) fn prepare(
        &mut self,
        asked: &Asked,
        in_use: impl Fn(usize) -> bool,
    ) -> Result<Prepared, Refused> {
        let generation = match asked.generation {
            Some(id) => id,
            None => self.store.live()?.map_or(GenerationId::BASE, |g| g.id),
        };
        let prompts: Vec<Vec<u32>> = asked
            .prompts
            .iter()
            .map(|prompt| self.tokens(prompt, asked).map_err(Refused::of(About::Prompt)))
            .collect::<Result<_, _>>()?;
        let most = self.model.decoder.config().max_position_embeddings;
        if let Some(long) = prompts.iter().map(Vec::len).find(|tokens| *tokens >= most) {
            let text =
                format!("this comes to {long} tokens, and the model reads fewer than {most}: send less");
            return Err(Refused::of(About::Length)(Error::new(Kind::Invalid, text)));
        }
        let options = Arc::new(self.options(asked).map_err(Refused::of(About::Form))?);
        let adapter = self.adapter(generation, in_use).map_err(Refused::of(About::Model))?;
        Ok(Prepared { prompts, generation, adapter, options })
    }

    fn tokens(&self, prompt: &Prompt, asked: &Asked) -> Result<Vec<u32>> {
        match prompt {
            Prompt::Question { text, earlier } => {
                question_tokens(self.model, text, earlier, asked.max_tokens.unwrap_or(ROOM))
            }
            Prompt::Chat(messages) => {
                // The error says what to do; the model itself is there.
                self.model.chat().map_err(|e| Error::new(Kind::Invalid, e.to_string()))?;
                prompt_tokens(self.model, messages)
            }
            Prompt::Text(text) => self.model.tokenizer.encode_document(text),
            Prompt::Tokens(ids) => Ok(ids.clone()),
        }
    }

    fn options(&mut self, asked: &Asked) -> Result<GenerateOptions> {
        let authors = self.model.tokenizer.generation_defaults();
        let sampled = authors.do_sample == Some(true);
        let temperature = authors.temperature.filter(|_| sampled).unwrap_or(if sampled { 1.0 } else { 0.0 });
        let sampling = Sampling {
            temperature: asked.temperature.unwrap_or(temperature),
            top_p: asked.top_p.or(authors.top_p.filter(|_| sampled)).map(|p| p.max(LEAST_MASS)),
            top_k: asked.top_k.or(authors.top_k.filter(|k| sampled && *k > 0)),
        };
        let grammar = match &asked.schema {
            None => None,
            Some(schema) => Some(self.vocabulary()?.json(schema)?),
        };
        Ok(GenerateOptions {
            max_tokens: asked.max_tokens.unwrap_or(usize::MAX),
            sampling,
            seed: asked.seed.unwrap_or_else(rand::random),
            stop_tokens: self.model.tokenizer.eos_ids().to_vec(),
            stop_strings: asked.stop.clone(),
            grammar,
            top: asked.top,
        })
    }

    fn vocabulary(&mut self) -> Result<&Vocabulary> {
        let vocabulary = match self.vocabulary.take() {
            Some(vocabulary) => vocabulary,
            None => Vocabulary::new(&self.model.tokenizer)?,
        };
        Ok(self.vocabulary.insert(vocabulary))
    }

    /// The number of a generation's adapter, loaded if it is not in memory; in place of one that nobody uses any more.
    fn adapter(&mut self, id: GenerationId, in_use: impl Fn(usize) -> bool) -> Result<Option<usize>> {
        if id == GenerationId::BASE {
            return Ok(None);
        }
        if let Some(number) = self.loaded.iter().position(|(loaded, _)| *loaded == id) {
            return Ok(Some(number));
        }
        // Names one that does not exist before its folder is looked for.
        self.store.generation(id)?;
        let loaded = self.model.load_adapter(&self.root.generation(id)).map_err(|e| match e.kind() {
            Kind::NotFound => {
                Error::new(Kind::NotFound, format!("the files of {} are gone: ask another", id.folder()))
            }
            _ => e,
        })?;
        let free = (0..self.loaded.len()).find(|number| !in_use(*number));
        let number = free.unwrap_or(self.loaded.len());
        match self.loaded.get_mut(number) {
            Some(place) => *place = (id, loaded.adapter),
            None => self.loaded.push((id, loaded.adapter)),
        }
        Ok(Some(number))
    }
}
