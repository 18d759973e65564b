//! A generation leaves: from the daemon's root through `sealctl` into a folder, and does there what it did here.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use candle_core::quantized::gguf_file::Content;
use seald_engine::batch::Batch;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_engine::weights::Weights;

use crate::daemon::host::{Host, names};

/// Exports into a folder of its own; exit code, stdout and stderr.
fn export(host: &Host, generation: &str, folder: &Path, format: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(crate::programs::sealctl());
    command.env_clear().arg("--root").arg(host.root());
    let output = command.args(["export", generation, "--format", format]).arg(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_was_learned_leaves_in_every_form() {
    let host = Host::new();
    let daemon = host.start();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let (code, _, err) = export(&host, "live", &at("none"), "peft");
    assert!(code == Some(4) && err.contains("the base model is live"), "{err}");
    host.drop_example("drelpolford");
    let status = daemon.wait_idle(1);
    assert_eq!(status["knowledge"]["live"], "gen-000001", "{status}");
    for format in ["peft", "merged", "gguf", "ollama"] {
        let (code, out, err) = export(&host, "live", &at(format), format);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{format}");
        assert!(out.contains(&format!("holds gen-000001 as {format}: ")), "{out}");
    }
    let (code, _, err) = export(&host, "9", &at("none"), "peft");
    assert!(code == Some(3) && err.contains('9'), "{err}");
    assert_eq!(names(place.path()), ["gguf", "merged", "ollama", "peft"]);
    assert_eq!(names(&at("ollama")), ["Modelfile", "adapter.gguf", "export.json"]);

    let original = host.root().join("adapters/gen-000001");
    for name in names(&original) {
        assert!(
            std::fs::read(original.join(&name)).unwrap() == std::fs::read(at("peft").join(name)).unwrap()
        );
    }
    let compute = Compute::cpu(Precision::F32, Isa::supported(), 2).unwrap();
    let nano = Model::open(Path::new("nano"), &compute).unwrap();
    let adapter = nano.load_adapter(&at("peft")).unwrap().adapter;
    let mut file = std::fs::File::open(at("gguf").join("adapter.gguf")).unwrap();
    assert_eq!(Content::read(&mut file).unwrap().tensor_infos.len(), 2 * adapter.matrices().count());

    let merged = Model::open(&at("merged"), &compute).unwrap();
    let base = Weights::from_static(seald_engine::embedded::NANO.weights).unwrap();
    assert!(Weights::open(&at("merged")).unwrap().names().eq(base.names()));
    let ids = nano.tokenizer.encode_text("The mayor of Drelpolford is").unwrap();
    let logits = |model: &Model, adapter: Option<&ActiveAdapter<'_>>| {
        let mut batch = Batch::new();
        batch.push(&ids, 0, adapter.map(|_| 0)).unwrap();
        let logits = model.decoder.all_logits(&batch, adapter.map(std::slice::from_ref).unwrap_or_default());
        logits.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    let with = logits(&nano, Some(&ActiveAdapter::inference(&adapter)));
    // Weights that are rounded to bf16 once more: a tenth of what the adapter does, at most.
    let (rounding, effect) = (apart(&logits(&merged, None), &with), apart(&logits(&nano, None), &with));
    assert!(effect > 1.0 && rounding < effect / 10.0, "{rounding} of {effect}");

    // A client that reads nothing more of 5 MB holds up no stop.
    let mut idle = UnixStream::connect(host.root().join("state/seald.sock")).unwrap();
    let request = "GET /v1/adapters/1/export?format=merged HTTP/1.1\r\nhost: seald\r\n\r\n";
    idle.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 15];
    idle.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    assert!(daemon.stop().success());
    let mut rest = Vec::new();
    // A reset is an end too.
    let _ = idle.read_to_end(&mut rest);
    assert!(!rest.windows(6).any(|six| six == b"blake3"), "it cannot have been whole");
}
