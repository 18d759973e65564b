//! Adapters given to vLLM's server, or to what answers as it was recorded to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use seald::endpoint::{Serving, ServingOptions};
use seald_core::Kind;

use crate::vllm::{Version, Vllm};

/// Two generations that a server finds.
struct Adapters(tempfile::TempDir);

impl Adapters {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["gen-000001", "gen-000002"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("adapter_config.json"), "{}").unwrap();
        }
        Self(dir)
    }

    fn path(&self, number: usize) -> String {
        self.0.path().join(format!("gen-{number:06}")).to_str().unwrap().to_string()
    }
}

fn options(vllm: &Vllm) -> ServingOptions {
    ServingOptions { url: vllm.url(), timeout_seconds: 20, ..ServingOptions::default() }
}

fn load(path: &str, more: &str) -> String {
    format!("POST /v1/load_lora_adapter {{\"lora_name\":\"seald\",\"lora_path\":\"{path}\"{more}}}")
}

const UNLOAD: &str = "POST /v1/unload_lora_adapter {\"lora_name\":\"seald\"}";
const IN_PLACE: &str = ",\"load_inplace\":true";

/// What each version is asked when a second generation follows a first, and the base that.
#[test]
fn an_adapter_takes_the_place_of_the_one_before() {
    let adapters = Adapters::new();
    let (one, two) = (adapters.path(1), adapters.path(2));
    let apart = vec![load(&one, ""), load(&two, ""), UNLOAD.into(), load(&two, "")];
    let at_once = vec![load(&one, IN_PLACE), load(&two, IN_PLACE)];
    let ignored = vec![load(&one, IN_PLACE), load(&two, IN_PLACE), UNLOAD.into(), load(&two, "")];
    let strict = [&one, &two].map(|path| [load(path, IN_PLACE), UNLOAD.into(), load(path, "")]).concat();
    for (version, in_place, expected) in [
        (Version::Old, false, &apart),
        (Version::New, false, &apart),
        (Version::New, true, &at_once),
        (Version::Old, true, &ignored),
        (Version::Strict, true, &strict),
    ] {
        let vllm = Vllm::start(version);
        let serving = Serving::open(&ServingOptions { in_place, ..options(&vllm) }).unwrap();
        for path in [&one, &two] {
            serving.load(path).unwrap();
            assert_eq!(vllm.adapters()["seald"], *path, "{version:?}");
            assert!(serving.has(Some(path)).unwrap() && !serving.has(None).unwrap());
        }
        assert!(!serving.has(Some(&one)).unwrap(), "the name alone is not enough");
        let asked: Vec<_> = vllm.asked().into_iter().filter(|line| line != "GET /v1/models").collect();
        assert_eq!(asked, *expected, "{version:?}, in place: {in_place}");
        serving.unload().unwrap();
        assert!(vllm.adapters().is_empty() && serving.has(None).unwrap());
        serving.unload().unwrap();
        assert_eq!(vllm.asked().last().unwrap(), UNLOAD, "one that it does not know is no error");
    }
}

#[test]
fn what_a_server_lost_is_noticed() {
    let (vllm, adapters) = (Vllm::start(Version::New), Adapters::new());
    let serving = Serving::open(&options(&vllm)).unwrap();
    serving.load(&adapters.path(1)).unwrap();
    vllm.forgets();
    assert!(!serving.has(Some(&adapters.path(1))).unwrap());
    let base = ServingOptions { name: "nano".into(), ..options(&vllm) };
    assert!(Serving::open(&base).unwrap().has(None).unwrap(), "its base model is no adapter of ours");
}

#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    let (vllm, adapters) = (Vllm::start(Version::New), Adapters::new());
    let serving = Serving::open(&options(&vllm)).unwrap();
    let says = |result: seald_core::Result<()>, kind: Kind, words: &[&str]| {
        let error = result.unwrap_err();
        let said = error.to_string();
        assert_eq!(error.kind(), kind, "{said}");
        assert!(said.starts_with(&vllm.url()), "{said}");
        words.iter().for_each(|words| assert!(said.contains(words), "no {words} in {said}"));
    };
    let gone = adapters.path(3);
    says(serving.load(&gone), Kind::Conflict, &["finds no adapter in", &gone, "as path"]);
    vllm.breaks(400, "LoRA rank 64 is greater than max_lora_rank 16.");
    let words = ["refuses the adapter: 400", "greater than max_lora_rank 16", "--max-lora-rank"];
    says(serving.load(&adapters.path(1)), Kind::Conflict, &words);
    assert!(
        !vllm.asked().contains(&UNLOAD.to_string()),
        "what it has stays where another adapter is not wanted"
    );
    vllm.breaks(500, "mismatch of layer names");
    says(serving.load(&adapters.path(1)), Kind::Io, &["answers 500 (mismatch of layer names)"]);
    let fixed = Vllm::start(Version::Fixed);
    let serving = Serving::open(&options(&fixed)).unwrap();
    for result in [serving.load(&adapters.path(1)), serving.unload()] {
        let said = result.unwrap_err().to_string();
        assert!(said.contains("does not load adapters: 404 (Not Found)"), "{said}");
        assert!(said.contains("VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"), "{said}");
    }
}

#[test]
fn a_key_is_shown_and_a_wrong_one_named_by_its_file() {
    let (vllm, adapters) = (Vllm::start(Version::Old), Adapters::new());
    vllm.wants("token-abc123");
    let none = Serving::open(&options(&vllm)).unwrap();
    let said = none.load(&adapters.path(1)).unwrap_err().to_string();
    assert!(said.contains("wants a key: 401 (Unauthorized): name a file with one as api_key_file"), "{said}");
    let key: PathBuf = adapters.0.path().join("key");
    let with = |text: &str| {
        fs::write(&key, text).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        Serving::open(&ServingOptions { api_key_file: key.clone(), ..options(&vllm) }).unwrap()
    };
    let wrong = with("token-wrong");
    for error in
        [wrong.load(&adapters.path(1)), wrong.unload(), wrong.has(None).map(drop)].map(Result::unwrap_err)
    {
        let said = error.to_string();
        assert!(said.contains("refuses the key: 401") && said.contains(key.to_str().unwrap()), "{said}");
        assert!(!format!("{said} {wrong:?}").contains("token-wrong"), "{said}");
    }
    let right = with("token-abc123\n");
    right.load(&adapters.path(1)).unwrap();
    assert!(right.has(Some(&adapters.path(1))).unwrap());
}

#[test]
fn another_server_or_none_is_said() {
    let other = crate::server::Server::start();
    other.on("GET /v1/models", crate::server::Reply::Json(200, r#"{"models":[]}"#.into()));
    let url = format!("http://{}", other.address);
    let serving = Serving::open(&ServingOptions { url, ..ServingOptions::default() }).unwrap();
    let error = serving.has(None).unwrap_err();
    assert!(error.to_string().contains("does not list its models"), "{error}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let serving = Serving::open(&ServingOptions { url, ..ServingOptions::default() }).unwrap();
    let error = serving.load("/a").unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("refuses the connection"), "{error}");
}
