//! https: a server with a certificate of the tests' own authority.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use seald::endpoint::EndpointOptions;
use seald_core::Kind;

use crate::endpoint::ask;

/// Takes one connection, answers one request if there is one, and returns its head.
struct Secure {
    address: SocketAddr,
    thread: JoinHandle<std::io::Result<String>>,
    ca_file: PathBuf,
}

impl Secure {
    fn start(dir: &Path) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_file = dir.join("ca.pem");
        fs::write(&ca_file, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let certificate =
            CertificateParams::new(["127.0.0.1".to_string()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (socket, _) = listener.accept()?;
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            answer(BufReader::new(StreamOwned::new(connection, socket)))
        });
        Self { address, thread, ca_file }
    }

    fn options(&self) -> EndpointOptions {
        let url = format!("https://{}/v1", self.address);
        EndpointOptions { url, model: "teacher".into(), max_retries: 0, ..EndpointOptions::default() }
    }
}

fn answer(
    mut stream: BufReader<StreamOwned<ServerConnection, std::net::TcpStream>>,
) -> std::io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()])?;
    let body = r#"{"choices":[{"message":{"content":"Sealed."}}]}"#;
    let stream = stream.get_mut();
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(head)
}

#[test]
fn who_vouches_for_the_server_may_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Secure::start(dir.path());
    let options = EndpointOptions { ca_file: server.ca_file.clone(), ..server.options() };
    assert_eq!(ask(&options).unwrap(), ["Sealed."]);
    let head = server.thread.join().unwrap().unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
}

#[test]
fn a_server_for_whom_nobody_vouches_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Secure::start(dir.path());
    let error = ask(&EndpointOptions { max_retries: 3, ..server.options() }).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    let said = error.to_string();
    assert!(
        said.contains("cannot be trusted") && said.contains("UnknownIssuer") && said.contains("ca_file"),
        "{said}"
    );
    assert!(server.thread.join().unwrap().is_err(), "no request came");
}
