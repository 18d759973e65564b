//! The client against a real server: whole answers, streams cut anywhere, problems, and nobody there.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use sealctl::client::{Around, Client, Failure, Place, Splitter, Wanted, routes};
use seald_core::Kind;
use seald_core::protocol::{AskEvent, AskRequest, StatusView};

use crate::made_up;
use crate::server::{Reply, Server, piece};
use crate::terminal::events;

/// A client for a socket.
fn client(socket: &Path) -> Client {
    Client::new(Place::Socket { path: socket.into(), tried: vec![] })
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn answers_are_read_and_kept_word_for_word() {
    let server = Server::start();
    let text = serde_json::to_string_pretty(&made_up::status()).unwrap() + "\n";
    server.on("GET /v1/status", Reply::Json(200, text.clone()));
    let client = client(server.socket());
    let view: StatusView = wait(client.read(routes::STATUS)).unwrap();
    assert_eq!(view, made_up::status());
    assert_eq!(wait(client.get(routes::STATUS)).unwrap(), text);
    assert_eq!(server.asked()[0].host.as_deref(), Some("localhost"));
}

#[test]
fn an_answer_in_small_pieces_is_read_whole() {
    let server = Server::start();
    let text = serde_json::to_vec(&made_up::status()).unwrap();
    server.on("GET /v1/status", Reply::pieces(text.chunks(1)));
    let view: StatusView = wait(client(server.socket()).read(routes::STATUS)).unwrap();
    assert_eq!(view, made_up::status());
}

#[test]
fn a_stream_is_read_however_it_is_cut() {
    let sent: Vec<_> = (0..).zip(events()).map(|(i, e)| made_up::event(Some(i), 12, &e)).collect();
    let text: String =
        sent.iter().map(|event| format!(": still here\r\n\r\n{}", made_up::sse(event))).collect();
    let server = Server::start();
    let client = client(server.socket());
    for size in [1, 7, 1 << 20] {
        server.on("GET /v1/events?after=4", Reply::pieces(text.as_bytes().chunks(size)));
        let got = wait(async {
            let mut stream = client.events(Some(4)).await.unwrap();
            let mut got = Vec::new();
            while let Some((event, data)) = stream.next().await.unwrap() {
                got.push((event.id, data));
            }
            got
        });
        let whole =
            |event: &seald_core::protocol::EventView| (event.id, serde_json::to_string(event).unwrap());
        assert_eq!(got, sent.iter().map(whole).collect::<Vec<_>>(), "in pieces of {size}");
    }
}

#[test]
fn events_come_while_the_stream_is_open() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply);
    let first = made_up::event(None, 1, &events()[0]);
    wait(async {
        let mut stream = client(server.socket()).events(None).await.unwrap();
        let (start, end) = (made_up::sse(&first), "data: half an ev");
        piece(&pieces, start);
        assert_eq!(stream.next().await.unwrap().unwrap().0, first);
        piece(&pieces, end);
        pieces.send(Err(std::io::Error::other("gone"))).unwrap();
        let failure = stream.next().await.unwrap_err();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    });
}

#[test]
fn the_lines_of_a_stream() {
    let all = |text: &str| {
        let mut splitter = Splitter::default();
        splitter.push(text.as_bytes());
        std::iter::from_fn(|| splitter.next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(
        all("data: a\ndata: b\n\n\n\ndata:c\r\n\r\nid: 7\n\ndata\n\ndatax: no\n\n"),
        ["a\nb", "c", ""]
    );
    assert!(all("data: unfinished\n").is_empty());
    let mut splitter = Splitter::default();
    splitter.push(b"data: \xff\n");
    assert_eq!(splitter.next().unwrap_err().kind(), Kind::Corrupt);
    let mut splitter = Splitter::default();
    let refused = (0..20).find_map(|_| {
        splitter.push(&[b'x'; 1 << 20]);
        splitter.next().err()
    });
    assert_eq!(refused.unwrap().kind(), Kind::Corrupt, "a line without end does not fill the memory");
}

#[test]
fn problems_have_exit_codes() {
    let server = Server::start();
    let expected = [(400, 2), (413, 2), (422, 2), (404, 3), (409, 4), (429, 4), (503, 4), (401, 1), (500, 1)];
    for (status, code) in expected {
        server.on(&format!("GET /{status}"), Reply::problem(status, "the disk is full"));
        let failure = wait(client(server.socket()).get(&format!("/{status}"))).unwrap_err();
        assert_eq!(
            (failure.exit_code(), failure.to_string().as_str()),
            (code, "the disk is full"),
            "{status}"
        );
    }
    server.on("GET /odd", Reply::Json(418, "<html>".into()));
    let odd = wait(client(server.socket()).get("/odd")).unwrap_err();
    assert!(odd.exit_code() == 1 && odd.to_string().contains("418"), "{odd}");
    server.on("GET /html", Reply::Json(200, "<html>".into()));
    let html = wait(client(server.socket()).get("/html")).unwrap_err();
    assert!(matches!(html, Failure::Other(_)) && html.to_string().contains("is it seald"), "{html}");
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seald.sock");
    let failure = |path: &Path| {
        let failure = wait(client(path).get(routes::STATUS)).unwrap_err();
        assert_eq!(failure.exit_code(), 69);
        failure.to_string()
    };
    let missing = failure(&path);
    let parts =
        [path.to_str().unwrap(), "no such socket", "`seald`", "systemctl start seald", "journalctl -u seald"];
    assert!(parts.iter().all(|part| missing.contains(part)), "{missing}");
    drop(UnixListener::bind(&path).unwrap());
    assert!(failure(&path).contains("left behind"), "{}", failure(&path));
    let server = Server::start();
    server.on("GET /v1/status", Reply::Break);
    assert!(failure(server.socket()).contains("went away"));
}

#[test]
fn questions_are_answered_in_pieces() {
    let server = Server::start();
    let text = |text: &str| AskEvent::Text { text: text.into() };
    let sent = [text("At "), text("nine."), AskEvent::Done(made_up::answer())];
    let bytes: String =
        sent.iter().map(|event| format!("data: {}\n\n", serde_json::to_string(event).unwrap())).collect();
    server.on("POST /v1/ask", Reply::pieces(bytes.as_bytes().chunks(5)));
    let request = AskRequest {
        question: "When?".into(),
        model: None,
        earlier: vec![],
        max_tokens: Some(9),
        stream: true,
    };
    wait(async {
        let mut stream = client(server.socket()).ask(&request).await.unwrap();
        for event in sent {
            assert_eq!(stream.next().await.unwrap().unwrap().0, event);
        }
        assert!(stream.next().await.unwrap().is_none());
    });
    let asked: AskRequest = serde_json::from_slice(&server.asked()[0].body).unwrap();
    assert_eq!(asked, request);
}

#[test]
fn tcp_needs_its_token() {
    let server = Server::start();
    server.on("GET /v1/status", Reply::json(&made_up::status()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let url = Some(format!("http://{}", server.address));
    let wanted = Wanted { url: url.clone(), token_file: Some(file), ..Wanted::default() };
    let place = Place::find(&wanted, &Around::default()).unwrap();
    assert!(!format!("{place:?}").contains("s3cret"), "a token is no business of a log");
    wait(Client::new(place).get(routes::STATUS)).unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.token.as_deref(), Some("Bearer s3cret"));
    assert_eq!(asked.host.as_deref(), Some(server.address.as_str()));
    let kind = |wanted: Wanted| Place::find(&wanted, &Around::default()).unwrap_err().kind();
    for wrong in
        ["https://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1", "http://x:1/path", "http://u@x:1", "//"]
    {
        assert_eq!(kind(Wanted { url: Some(wrong.into()), ..Wanted::default() }), Kind::Invalid, "{wrong}");
    }
    let both = Wanted { url, socket: Some("x".into()), ..Wanted::default() };
    assert_eq!(kind(both.clone()), Kind::Invalid);
    assert_eq!(kind(Wanted { url: None, root: Some("r".into()), ..both }), Kind::Invalid);
    let token = |file: &str, url: Option<&str>| Wanted {
        token_file: Some(file.into()),
        url: url.map(String::from),
        ..Wanted::default()
    };
    assert_eq!(kind(token("x", None)), Kind::Invalid);
    assert_eq!(kind(token("/missing/token", Some("http://127.0.0.1:1"))), Kind::NotFound);
}

#[test]
fn the_first_socket_there_is_takes_the_request() {
    let dir = tempfile::tempdir().unwrap();
    let at = |path: &str| dir.path().join(path);
    let around = |socket: Option<&str>| Around {
        socket: socket.map(PathBuf::from),
        here: at("here"),
        data: Some(at("data")),
        system: at("run/seald.sock"),
    };
    let find = |wanted: Wanted, socket| match Place::find(&wanted, &around(socket)).unwrap() {
        Place::Socket { path, tried } => (path, tried),
        Place::Tcp { .. } => panic!("nobody asked for TCP"),
    };
    let searched = || find(Wanted::default(), None);
    let (data, here) = (at("data/seald/state/seald.sock"), at("here/state/seald.sock"));
    assert_eq!(searched(), (data.clone(), vec![at("run/seald.sock")]), "none: all are told");
    for (folder, socket) in
        [("run", at("run/seald.sock")), ("data/seald/state", data), ("here/state", here.clone())]
    {
        std::fs::create_dir_all(at(folder)).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        let expected = if socket == here { at("data/seald/state/seald.sock") } else { socket };
        assert_eq!(searched(), (expected, vec![]));
    }
    std::fs::create_dir_all(at("here/adapters")).unwrap();
    assert_eq!(searched().0, here, "only a folder with both is a root");
    // What is named is meant: there is no falling back to another daemon.
    let root = Wanted { root: Some("r".into()), ..Wanted::default() };
    assert_eq!(find(root, Some("env")).0, Path::new("r/state/seald.sock"));
    let socket = Wanted { socket: Some("s".into()), ..Wanted::default() };
    assert_eq!(find(socket, Some("env")).0, Path::new("s"));
    assert_eq!(find(Wanted::default(), Some("env")), ("env".into(), vec![]));
}

#[test]
fn what_was_named_is_said_again_as_a_shell_takes_it() {
    let options = |wanted: Wanted| wanted.options();
    assert_eq!(options(Wanted::default()), "");
    let root = |root: &str| options(Wanted { root: Some(root.into()), ..Wanted::default() });
    assert_eq!(
        [root("demo"), root("my demo"), root("o'hara")],
        ["--root demo", "--root 'my demo'", r"--root 'o'\''hara'"]
    );
    let (url, token_file) = (Some("http://127.0.0.1:7".to_string()), Some("t".into()));
    let tcp = options(Wanted { url, token_file, ..Wanted::default() });
    assert_eq!(tcp, "--url http://127.0.0.1:7 --token-file t");
}
