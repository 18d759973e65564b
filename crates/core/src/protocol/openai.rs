//! The wire types of OpenAI's API, as far as they are spoken here (`docs/api.md` says what is honoured).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};

/// A chat to go on with.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// The turns so far, the oldest first.
    #[schema(min_items = 1, value_type = Vec<ChatTurn>)]
    pub messages: Vec<ChatMessage>,
    /// Most tokens of an answer; an older name of `max_completion_tokens`. In place of leaving it out, -1 will do.
    #[schema(minimum = 1)]
    pub max_tokens: Option<usize>,
    /// Most tokens of an answer; as many as the model can take where it is left out.
    #[schema(minimum = 1)]
    pub max_completion_tokens: Option<usize>,
    /// Whether the log-probabilities of the tokens are told.
    pub logprobs: Option<bool>,
    /// Alternatives told with each token, 0 to 20; needs `logprobs`.
    #[schema(maximum = 20)]
    pub top_logprobs: Option<usize>,
    /// The form of the answer.
    pub response_format: Option<ResponseFormat>,
    /// What both kinds of requests have.
    #[serde(flatten)]
    pub common: Common,
}

/// Text to go on with.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct CompletionRequest {
    /// One text or several, or token ids of one or several.
    #[schema(schema_with = prompts)]
    pub prompt: PromptField,
    /// Most tokens of an answer; 16 where it is left out.
    #[schema(minimum = 1)]
    pub max_tokens: Option<usize>,
    /// Alternatives told with each token, 0 to 20; no log-probabilities where it is left out.
    #[schema(maximum = 20)]
    pub logprobs: Option<usize>,
    /// What both kinds of requests have.
    #[serde(flatten)]
    pub common: Common,
}

/// What chats and completions have in common.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
pub struct Common {
    /// Who answers: `live` (also where it is left out), `base`, or a generation (`gen-000007`).
    #[schema(pattern = r"^(live|base|(gen-)?0*[1-9][0-9]{0,17})$")]
    pub model: Option<String>,
    /// Answers to each prompt, 1 to 16.
    #[schema(minimum = 1, maximum = 16)]
    pub n: Option<usize>,
    /// Temperature, 0 to 1,000,000. Where it is left out, as the model's authors recommend, else 0.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub temperature: Option<f64>,
    /// Probability mass of the tokens that are drawn from, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Number of tokens that are drawn from, 1 or more (not of OpenAI's API; vLLM and llama.cpp have it).
    #[schema(minimum = 1, maximum = 4_294_967_295u32)]
    pub top_k: Option<usize>,
    /// The same seed, prompt and generation give the same answer.
    pub seed: Option<i64>,
    /// Text or texts, at most 4, that end an answer.
    #[schema(schema_with = stop_texts)]
    pub stop: Option<OneOrMore>,
    /// Whether the answer comes in chunks.
    #[serde(default)]
    pub stream: Option<bool>,
    /// How it comes in chunks.
    pub stream_options: Option<StreamOptions>,
}

/// A turn of a chat.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct ChatMessage {
    /// `system`, `developer` (which is taken as `system`), `user`, `assistant` or `tool`.
    pub role: String,
    /// What is said: text, or a list of parts of type `text`.
    pub content: Option<Content>,
}

/// A turn of a chat as the description of the API has it: an assistant may have said nothing.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
// A shape for the description of the API: ChatMessage is what is read.
pub enum ChatTurn {
    /// What the assistant said.
    Assistant {
        /// `assistant`.
        #[schema(pattern = "^assistant$")]
        role: String,
        /// What it said.
        content: Option<Content>,
    },
    /// What anybody else said.
    Other {
        /// `system`, `developer` (which is taken as `system`), `user` or `tool`.
        #[schema(pattern = "^(system|developer|user|tool)$")]
        role: String,
        /// What is said.
        content: Content,
    },
}

/// What is said in a turn.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected text, or a list of parts")]
pub enum Content {
    /// Text.
    Text(String),
    /// Parts.
    Parts(Vec<ContentPart>),
}

/// A part of what is said.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct ContentPart {
    /// `text`; other types are refused.
    #[serde(rename = "type")]
    #[schema(pattern = "^text$")]
    pub kind: String,
    /// The text.
    pub text: Option<String>,
}

/// One text or several.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected text, or a list of texts")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

/// One text or several, none of them empty: so many at most, each of so many characters.
fn texts(most: Option<usize>, longest: Option<usize>) -> OneOfBuilder {
    let text = || ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(longest);
    OneOfBuilder::new()
        .item(text())
        .item(ArrayBuilder::new().items(text()).min_items(most.is_none().then_some(1)).max_items(most))
}

fn stop_texts() -> Schema {
    Schema::OneOf(
        texts(Some(4), Some(1000)).description(Some("Text or texts, at most 4, that end an answer.")).build(),
    )
}

fn prompts() -> Schema {
    let token = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX));
    let tokens = || ArrayBuilder::new().items(token()).min_items(Some(1));
    let words = "One text or several, or token ids of one or several; none of them empty.";
    let all = texts(None, None).item(tokens()).item(ArrayBuilder::new().items(tokens()).min_items(Some(1)));
    Schema::OneOf(all.description(Some(words)).build())
}

/// What a completion goes on from.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected text, token ids, or a list of either")]
pub enum PromptField {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// Token ids of one.
    Tokens(Vec<u32>),
    /// Token ids of several.
    ManyTokens(Vec<Vec<u32>>),
}

/// How an answer comes in chunks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether a last chunk tells the numbers of tokens.
    #[serde(default)]
    pub include_usage: bool,
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema and its name.
        json_schema: NamedSchema,
    },
}

/// A JSON Schema.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct NamedSchema {
    /// Its name, for people.
    pub name: Option<String>,
    /// The schema.
    #[schema(value_type = Object)]
    pub schema: Option<Value>,
    /// Answers always fit the schema, whatever this says.
    pub strict: Option<bool>,
}

/// Answers, or a chunk of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Completion {
    /// A name for this request's answers.
    pub id: String,
    /// `chat.completion`, `chat.completion.chunk`, or `text_completion`.
    pub object: String,
    /// Seconds since 1970 UTC.
    pub created: i64,
    /// Who answered: `base`, or a generation (`gen-000007`).
    pub model: String,
    /// The answers by their numbers.
    pub choices: Vec<Choice>,
    /// Numbers of tokens; in chunks in the last one alone, on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One answer, or what is new of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Choice {
    /// Its number, from 0.
    pub index: usize,
    /// A whole answer of a chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Said>,
    /// What is new of an answer of a chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Said>,
    /// Text of a completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Log-probabilities, where they were asked for.
    pub logprobs: Option<LogProbs>,
    /// `stop` or `length`; none as long as more comes.
    pub finish_reason: Option<String>,
}

/// What the model says in a chat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Said {
    /// `assistant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Log-probabilities, as chats and completions have them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum LogProbs {
    /// Of a chat.
    Chat {
        /// Token by token.
        content: Vec<TokenLogProb>,
    },
    /// Of a completion.
    Text {
        /// The tokens' texts.
        tokens: Vec<String>,
        /// Their ln p.
        token_logprobs: Vec<f32>,
        /// The most probable ones in each place, by text.
        #[schema(value_type = Vec<Object>)]
        top_logprobs: Vec<Map<String, Value>>,
        /// Where each token's text begins, characters.
        text_offset: Vec<usize>,
    },
}

/// A token with its ln p.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenLogProb {
    /// Its text; U+FFFD for a part of a character.
    pub token: String,
    /// Its ln p under the model itself: before temperature, top-p and form.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The most probable ones in its place, the most probable first; left out within itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub top_logprobs: Option<Vec<TokenLogProb>>,
}

/// Numbers of tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Of the prompts.
    pub prompt_tokens: usize,
    /// Of the answers, the ends of turns counted.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
}

/// Who can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// `live`, `base`, then generations whose files are there, the newest first.
    pub data: Vec<ModelCard>,
}

/// One who can answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelCard {
    /// The name that requests give.
    pub id: String,
    /// `model`.
    pub object: String,
    /// Seconds since 1970 UTC: when it went live; when the daemon started, for the base.
    pub created: i64,
    /// `seald`.
    pub owned_by: String,
    /// The generation or base model that the name stands for now.
    pub root: String,
    /// Longest text, tokens; left out until the model was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_model_len: Option<usize>,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorReply {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// In words.
    pub message: String,
    /// `invalid_request_error`, `authentication_error`, `rate_limit_error`, `server_error`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The field that is wrong, if one is.
    pub param: Option<String>,
    /// A word for programs.
    pub code: Option<String>,
}
