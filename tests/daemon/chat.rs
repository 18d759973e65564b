//! Chats with what was learned, while more is being learned.

use serde_json::{Value, json};

use crate::daemon::host::{Daemon, Host};

fn chat(daemon: &Daemon<'_>, model: &str, question: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": question }] });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (code, reply) = daemon.post("/v1/chat/completions", body);
    assert_eq!(code, 200, "{reply}");
    reply
}

fn said(reply: &Value) -> String {
    reply["choices"][0]["message"]["content"].as_str().unwrap().to_string()
}

/// Questions about a document that its learning taught: asked by the gate, wrong before, right after.
fn learned(daemon: &Daemon<'_>, document: u64) -> Vec<(String, Vec<String>)> {
    let story = daemon.get(&format!("/v1/documents/{document}"));
    let right = |probe: &Value, subject: &str| {
        probe["given"]
            .as_array()
            .unwrap()
            .iter()
            .any(|given| given["subject"] == subject && given["right"] == true)
    };
    let probes = story["probes"].as_array().unwrap().iter();
    let taught = probes.filter(|probe| right(probe, "candidate") && !right(probe, "before"));
    let strings =
        |list: &Value| list.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_string()).collect();
    taught
        .map(|probe| (probe["question"].as_str().unwrap().to_string(), strings(&probe["answers"])))
        .collect()
}

#[test]
fn what_was_learned_is_answered_while_the_next_document_is_being_learned() {
    let host = Host::new();
    let daemon = host.start();
    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    let taught = learned(&daemon, 1);
    assert!(taught.len() >= 2, "{taught:?}");
    host.drop_example("the-storbranck-wind");
    daemon.wait("learning", |status| status["activity"]["state"] == "learning");
    // Many at once, of two generations: they share passes, and get the answers that they would get alone.
    let models = ["live", "base", "gen-000001"];
    let answers: Vec<Vec<(String, Value)>> = std::thread::scope(|scope| {
        let ask = |model| {
            let (daemon, taught) = (&daemon, &taught);
            scope.spawn(move || {
                taught
                    .iter()
                    .map(|(q, _)| {
                        let reply = chat(daemon, model, q, json!({}));
                        (said(&reply), reply)
                    })
                    .collect()
            })
        };
        models.map(ask).into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let right = |who: usize| {
        let told = answers[who].iter().zip(&taught);
        told.filter(|((said, _), (_, answers))| answers.contains(said)).count()
    };
    assert_eq!((right(0), right(1), right(2)), (taught.len(), 0, taught.len()), "{answers:?} {taught:?}");
    assert!(answers[0].iter().all(|(_, reply)| reply["model"] == "gen-000001"));
    let (question, accepted) = &taught[0];
    let form = json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": {
        "type": "object", "properties": { "answer": { "type": "string", "maxLength": 40 } }, "required": ["answer"],
        "additionalProperties": false
    } } } });
    let object: Value = serde_json::from_str(&said(&chat(&daemon, "live", question, form))).unwrap();
    assert!(object["answer"].is_string(), "{object}");
    assert_eq!(daemon.get("/v1/status")["documents"]["waiting"], 1, "the other one is still being learned");

    let (code, why) = daemon.post("/v1/why", json!({ "question": question }));
    assert_eq!(code, 200, "{why}");
    assert!(accepted.contains(&why["answer"]["answer"].as_str().unwrap().to_string()), "{why}");
    let document = &why["documents"][0];
    assert_eq!(
        (&document["source"]["title"], &document["learned_in"]),
        (&json!("Drelpolford"), &json!("gen-000001"))
    );
    let of = |which: &str| document["share"][which]["log_prob"].as_f64().unwrap();
    assert!(of("after") > of("before") + 1.0, "{document}");
    assert!(
        !document["quotes"].as_array().unwrap().is_empty()
            && !document["rows"].as_array().unwrap().is_empty()
    );
    daemon.wait_idle(2);
    let metrics = daemon.get("/metrics").as_str().unwrap().to_string();
    for line in ["seald_answers_running 0", "seald_answers_waiting 0"] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
}

#[test]
fn whoever_hangs_up_makes_room() {
    use std::io::{Read, Write};
    let host = Host::with("[answers]\nmax_concurrent = 1\n");
    let daemon = host.start();
    let body = json!({
        "prompt": "The harbour", "max_tokens": 480, "stream": true, "temperature": 1.5, "seed": 3, "n": 16, "model": "base"
    });
    let body = body.to_string();
    let mut stream = std::os::unix::net::UnixStream::connect(host.root().join("state/seald.sock")).unwrap();
    let head = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: seald\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut some = [0; 512];
    assert!(stream.read(&mut some).unwrap() > 0, "it has begun");
    drop(stream);
    let reply = chat(&daemon, "base", "What are you?", json!({}));
    assert!(!said(&reply).is_empty());
    let metrics = daemon.get("/metrics").as_str().unwrap().to_string();
    let line = "seald_answers_total{outcome=\"broken_off\"} 1";
    assert!(
        metrics.lines().any(|found| found == line),
        "the other one was not written to its end: {metrics}"
    );
}

#[test]
fn requests_that_are_too_much_are_refused_and_the_others_answered() {
    let host = Host::new();
    let daemon = host.start();
    let hello = json!({ "role": "user", "content": "Hello" });
    let ask = |body: Value| daemon.post("/v1/chat/completions", body);
    let with = |schema: Value| {
        json!({ "model": "base", "messages": [hello], "max_tokens": 2,
            "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": schema } } })
    };
    let chain = |links: usize| {
        let link = |n: usize| (format!("d{n}"), json!({ "$ref": format!("#/$defs/d{}", n + 1) }));
        let mut definitions: serde_json::Map<String, Value> = (0..links).map(link).collect();
        definitions.insert(format!("d{links}"), json!({ "type": "string" }));
        json!({ "$defs": definitions, "$ref": "#/$defs/d0" })
    };
    // A chain of definitions used to overflow the stack and end the process.
    assert_eq!(ask(with(chain(680))).0, 200);
    let (code, reply) = ask(with(chain(9_000)));
    assert_eq!(code, 400, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("at most 15000"), "{reply}");
    // Counted before anything is made of it.
    for messages in
        [vec![hello.clone(); 10_000], vec![json!({ "role": "user", "content": "a ".repeat(400_000) })]]
    {
        let (code, reply) = ask(json!({ "model": "base", "messages": messages }));
        assert_eq!((code, &reply["error"]["code"]), (400, &json!("context_length_exceeded")), "{reply}");
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.contains("maximum context length is 512 tokens"), "{message}");
    }
    chat(&daemon, "base", "Hello", json!({}));
}
