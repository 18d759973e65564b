//! `kill -9` at random moments while files drop in: no file lost, none learned twice, idle in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use rand::SeedableRng;

use crate::daemon::host::{Host, names};

/// Documents with different facts; a few words each, so that a round takes a second or two.
fn document(n: usize) -> String {
    format!(
        "The Brastonel Works {n} was founded by Elmar Trondvik {n}. It has its head office in Quellmarn {n}."
    )
}

fn kill_and_start(rounds: usize, seed: u64) {
    let host = Host::new();
    let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
    let mut dropped = 0;
    for round in 0..rounds {
        let mut daemon = host.spawn();
        for _ in 0..random.random_range(0..3) {
            host.drop(&format!("{dropped}.txt"), document(dropped));
            dropped += 1;
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..1500)));
        daemon.child.kill().unwrap();
        daemon.child.wait().unwrap();
        let lost: Vec<_> = (0..dropped).filter(|n| !is_somewhere(&host, *n)).collect();
        assert!(lost.is_empty(), "round {round} of seed {seed}: {lost:?} are nowhere");
    }
    host.drop(&format!("{dropped}.txt"), document(dropped));
    dropped += 1;
    let daemon = host.spawn();
    host.wait_notified("READY=1");
    // Earlier daemons said so too; what is asked of the last one waits for its socket.
    daemon.wait_listening();
    daemon.wait_idle(dropped as u64);
    daemon.wait("moved", |_| names(&host.inbox()) == ["done", "failed"]);
    assert_eq!(names(&host.inbox().join("failed")), Vec::<String>::new());
    let learned: Vec<String> =
        daemon.documents().iter().map(|d| d["name"].as_str().unwrap().to_string()).collect();
    let distinct: BTreeSet<_> = learned.iter().collect();
    assert_eq!((learned.len(), distinct.len()), (dropped, dropped), "each once");
    assert!(daemon.stop().success());
}

fn is_somewhere(host: &Host, n: usize) -> bool {
    let name = format!("{n}.txt");
    host.inbox().join(&name).exists() || host.inbox().join("done").join(&name).exists()
}

#[test]
fn killed_a_few_times_it_ends_as_if_nothing_had_happened() {
    kill_and_start(5, 1);
}

/// The slow tier: `cargo test -p seald --test main -- --ignored daemon::killed`.
#[test]
#[ignore = "200 rounds take some ten minutes"]
fn killed_200_times_it_ends_as_if_nothing_had_happened() {
    for seed in 0..10 {
        kill_and_start(20, seed);
    }
}
