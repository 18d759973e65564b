//! OpenAI's API: what its clients send and read, with a made-up model behind it.

use std::sync::mpsc;

use seald::pipeline::model_requests::{
    AnswerEvent, Ending, GenerateRequest, Prompt, QueuedRequest, RequestError, RequestPart,
};
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind};
use seald_learn::{Message, Role};
use serde_json::{Value, json};

use crate::api::daemon::{Daemon, WAITING, request};
use crate::api::reading::five;
use crate::api::streams::{next_asking, token};

const CHAT: &str = "/v1/chat/completions";

fn hello(more: Value) -> String {
    let mut body = json!({ "model": "live", "messages": [{ "role": "user", "content": "Hello" }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

/// Says "It is noon." in every answer; the second of several is cut.
fn say(asking: &QueuedRequest) {
    let answers = asking.asked.answers * asking.asked.prompts.len();
    let put = |piece| asking.pieces.send(piece).unwrap();
    put(AnswerEvent::Begun { generation: GenerationId(2), prompt_tokens: 5 });
    for answer in 0..answers {
        put(token(answer, "It is", None));
    }
    for answer in 0..answers {
        let cut = answer == 1;
        put(token(answer, " noon.", cut.then_some(Ending::Length)));
        if !cut {
            put(token(answer, "<end>", Some(Ending::Stop)));
        }
    }
    put(AnswerEvent::Done);
}

/// A daemon whose model says the same to everyone, and what it was asked for.
async fn talking() -> (Daemon, mpsc::Receiver<GenerateRequest>) {
    let mut daemon = Daemon::start(five).await;
    let (tell, told) = mpsc::channel();
    daemon.learner(move |mut desk| {
        while let Some(asking) = next_asking(&mut desk) {
            say(&asking);
            let _ = tell.send(asking.asked);
        }
    });
    (daemon, told)
}

#[tokio::test]
async fn a_chat_is_answered_whole() {
    let (daemon, told) = talking().await;
    let reply: Value = daemon.post(CHAT, hello(json!({}))).await.json();
    assert_eq!(
        told.recv().unwrap(),
        GenerateRequest::new(Prompt::Chat(vec![Message::new(Role::User, "Hello")]))
    );
    assert!(reply["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(
        (&reply["object"], &reply["model"], &reply["created"]),
        (&json!("chat.completion"), &json!("gen-000002"), &json!(1_763_769_600))
    );
    let choice = json!({
        "index": 0, "message": { "role": "assistant", "content": "It is noon." }, "logprobs": null, "finish_reason": "stop"
    });
    assert_eq!(reply["choices"], json!([choice]));
    assert_eq!(reply["usage"], json!({ "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8 }));
}

#[tokio::test]
async fn several_answers_have_numbers_and_reasons() {
    let (daemon, _told) = talking().await;
    let more = json!({ "n": 2, "logprobs": true, "top_logprobs": 2 });
    let reply: Value = daemon.post(CHAT, hello(more)).await.json();
    let reasons: Vec<_> = reply["choices"].as_array().unwrap().iter().map(|c| &c["finish_reason"]).collect();
    assert_eq!(reasons, ["stop", "length"]);
    let first = &reply["choices"][0]["logprobs"]["content"];
    // The end of the turn is a token of the answer, but not of its text.
    assert_eq!(first.as_array().unwrap().len(), 2);
    assert_eq!(first[1]["token"], " noon.");
    assert_eq!(first[1]["bytes"], json!(b" noon."));
    let logprob = first[1]["top_logprobs"][1]["logprob"].as_f64().unwrap();
    assert!(first[1]["top_logprobs"][1]["token"] == "no" && (logprob + 2.0).abs() < 1e-6);
    assert_eq!(reply["usage"]["completion_tokens"], 5);
}

#[tokio::test]
async fn a_completion_takes_several_prompts() {
    let (daemon, told) = talking().await;
    let body =
        json!({ "model": "base", "prompt": [[1, 2], [3]], "logprobs": 2, "max_tokens": 4, "temperature": 0 });
    let reply: Value = daemon.post("/v1/completions", body.to_string()).await.json();
    let asked = told.recv().unwrap();
    assert_eq!(asked.prompts, [Prompt::Tokens(vec![1, 2]), Prompt::Tokens(vec![3])]);
    assert_eq!((asked.generation, asked.max_tokens), (Some(GenerationId::BASE), Some(4)));
    assert_eq!(reply["object"], "text_completion");
    let texts: Vec<_> = reply["choices"].as_array().unwrap().iter().map(|c| &c["text"]).collect();
    assert_eq!(texts, ["It is noon.", "It is noon."]);
    let found = &reply["choices"][1]["logprobs"];
    assert_eq!((&found["tokens"], &found["text_offset"]), (&json!(["It is", " noon."]), &json!([0, 5])));
    assert_eq!(found["top_logprobs"][0]["It is"], json!(-0.25));
}

#[tokio::test]
async fn chunks_together_are_the_whole() {
    let (daemon, _told) = talking().await;
    let more = json!({ "n": 2, "stream": true, "stream_options": { "include_usage": true } });
    let mut events = daemon.follow(request("POST", CHAT, hello(more))).await;
    let (mut texts, mut reasons, mut usage) = (vec![String::new(); 2], vec![None; 2], None);
    loop {
        let data = events.next().await.expect("the stream ends with [DONE]").data;
        if data == "[DONE]" {
            break;
        }
        let chunk: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(
            (&chunk["object"], &chunk["model"]),
            (&json!("chat.completion.chunk"), &json!("gen-000002"))
        );
        usage = usage.or(chunk.get("usage").cloned());
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap() as usize;
            texts[index] += choice["delta"]["content"].as_str().unwrap_or_default();
            reasons[index] = choice["finish_reason"].as_str().map(str::to_string).or(reasons[index].take());
        }
    }
    assert_eq!(events.next().await, None);
    assert_eq!(texts, ["It is noon.", "It is noon."]);
    assert_eq!(reasons, [Some("stop".to_string()), Some("length".to_string())]);
    assert_eq!(usage, Some(json!({ "prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10 })));
}

#[tokio::test]
async fn errors_are_in_openais_words() {
    let mut daemon = Daemon::start(five).await;
    daemon.learner(|mut desk| {
        while let Some(asking) = next_asking(&mut desk) {
            let invalid = |about| RequestError::of(about)(Error::new(Kind::Invalid, "it cannot be read"));
            let refused = match asking.asked.generation {
                Some(GenerationId(7)) => invalid(RequestPart::Length),
                Some(GenerationId(8)) => invalid(RequestPart::Form),
                Some(_) => RequestError::of(RequestPart::Model)(Error::new(
                    Kind::NotFound,
                    "there is no generation gen-000009",
                )),
                None => Error::new(Kind::Corrupt, "the adapter is damaged").into(),
            };
            asking.pieces.send(AnswerEvent::Failed(refused)).unwrap();
        }
    });
    let cases = [
        (CHAT, hello(json!({ "temperature": -1 })), 400, "invalid_request_error", "temperature"),
        (CHAT, hello(json!({ "temperature": 3.5e38 })), 400, "invalid_request_error", "temperature"),
        (CHAT, hello(json!({ "stop": ["a".repeat(1001)] })), 400, "invalid_request_error", "stop"),
        (CHAT, "{".to_string(), 400, "invalid_request_error", "body"),
        (CHAT, hello(json!({ "model": "gpt-4" })), 404, "invalid_request_error", "model"),
        (CHAT, hello(json!({})), 500, "server_error", ""),
        ("/v1/embeddings", json!({ "input": "a" }).to_string(), 404, "invalid_request_error", ""),
    ];
    for (path, body, status, kind, param) in cases {
        let answer = daemon.post(path, &body).await;
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        let error = &error["error"];
        assert_eq!((answer.status, error["type"].as_str()), (status, Some(kind)), "{path} {body}: {error}");
        assert_eq!(error["param"].as_str().unwrap_or(""), param, "{error}");
        assert!(error["message"].as_str().unwrap().len() > 10 && error["code"].is_string(), "{error}");
    }
    for (model, status, param, code) in [
        ("gen-000007", 400, "messages", "context_length_exceeded"),
        ("gen-000008", 400, "response_format", "invalid"),
        ("gen-000009", 404, "model", "model_not_found"),
    ] {
        let answer = daemon.post(CHAT, hello(json!({ "model": model }))).await;
        let error = serde_json::from_slice::<Value>(&answer.body).unwrap()["error"].take();
        assert_eq!((answer.status, &error["param"], &error["code"]), (status, &json!(param), &json!(code)));
    }
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let daemon = Daemon::start(|_| {}).await;
    // Nobody answers; those that wait are held by connections of their own.
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting
            .push(daemon.follow(request("POST", "/v1/ask", r#"{"question":"When?","stream":true}"#)).await);
    }
    let answer = daemon.post(CHAT, hello(json!({}))).await;
    assert_eq!((answer.status, answer.headers["retry-after"].to_str().unwrap()), (429, "1"));
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(error["error"]["type"], "rate_limit_error");
    let metrics = daemon.get("/metrics").await;
    for line in ["seald_answers_waiting 32", "seald_answers_total{outcome=\"refused\"} 1"] {
        assert!(metrics.text().contains(line), "{}", metrics.text());
    }
}

#[tokio::test]
async fn models_are_those_that_can_answer() {
    let daemon = Daemon::start(five).await;
    let list: Value = daemon.get("/v1/models").await.json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids[..2], ["live", "base"]);
    assert_eq!(list["data"][1]["root"], "nano");
    let live: Value = daemon.get("/v1/models/live").await.json();
    assert_eq!(live, list["data"][0]);
    let answer = daemon.get("/v1/models/gen-999999").await;
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &error["error"]["code"]), (404, &json!("model_not_found")));
    // The older list of names is where it was.
    assert!(daemon.get("/v1/models/local").await.json::<Value>()["names"].is_array());
}
