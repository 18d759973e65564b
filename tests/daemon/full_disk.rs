//! A full disk, on a small file system of the test's own. Needs the right to mount; elsewhere it says so and passes.

use std::process::{Command, Stdio};

use crate::daemon::host::{Host, names};

/// Mounts, in a mount namespace of its own, a file system of so many bytes on the root, and runs the daemon there.
fn in_small_root(host: &Host, bytes: usize) -> Option<Command> {
    let able = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !able {
        return None;
    }
    let daemon = host.command();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c"]).arg(format!(
        "cp \"$1/seald.toml\" /tmp/seald.toml.$$ && mount -t tmpfs -o size={bytes} tmpfs \"$1\" && mv /tmp/seald.toml.$$ \"$1/seald.toml\" && exec \"$2\" --root \"$1\""
    ));
    command.arg("sh").arg(host.root()).arg(daemon.get_program());
    for (name, value) in daemon.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    Some(command)
}

#[test]
fn a_nearly_full_disk_is_said_and_nothing_is_lost() {
    let host = Host::new();
    let Some(mut command) = in_small_root(&host, 24 << 20) else {
        eprintln!("skipped: mounting is not allowed here");
        return;
    };
    let mut daemon = host.adopt(command.spawn().unwrap());
    host.wait_notified("READY=1");
    // What it sees there.
    let root = std::path::PathBuf::from(format!("/proc/{}/root{}", daemon.child.id(), host.root().display()));
    daemon.root.clone_from(&root);
    std::fs::write(root.join("inbox/a.txt"), "The Brastonel Works was founded by Elmar Trondvik.").unwrap();
    let status = daemon.wait("held", |status| status["held"]["why"] == "trouble");
    let reason = status["held"]["reason"].as_str().unwrap();
    assert!(reason.contains("nearly full") && reason.contains("free some space"), "{reason}");
    assert_eq!((&status["documents"]["waiting"], &status["documents"]["failed"]), (&1.into(), &0.into()));
    assert_eq!(names(&root.join("inbox/done")), ["a.txt"]);

    let pid = daemon.child.id().to_string();
    let larger = Command::new("nsenter")
        .args(["-t", &pid, "-m", "mount", "-o", "remount,size=400m"])
        .arg(host.root())
        .status()
        .unwrap();
    assert!(larger.success());
    let over = |status: &serde_json::Value| status["documents"]["waiting"] == 0 && status["held"].is_null();
    let status = daemon.wait("learned", over);
    assert!(status["problems"].as_array().unwrap().is_empty(), "{status}");
}
