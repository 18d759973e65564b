//! The units: what they name is shipped, and the sandbox is as tight as it is said to be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::config::package::shipped;
use crate::config::{read, repository};

/// The highest exposure that `systemd-analyze security` may find, 0 to 10.
const MAX_EXPOSED: f64 = 0.5;
/// What changes the unit on request.
const DROP_INS: [&str; 4] = ["gpu.conf", "serve.conf", "tcp.conf", "writer.conf"];
/// Files that every system with systemd has.
const OF_THE_SYSTEM: [&str; 1] = ["/bin/kill"];

/// The settings of a unit: section, name, value.
fn settings(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name.to_string(),
            None => {
                let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
                found.push((section.clone(), name.to_string(), value.to_string()));
            }
        }
    }
    found
}

/// The value of a setting that a unit has once.
fn setting(text: &str, name: &str) -> String {
    let found: Vec<_> = settings(text).into_iter().filter(|(_, n, _)| n == name).map(|(.., v)| v).collect();
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0].clone()
}

/// A tool of systemd; none where it is not installed.
fn tool(name: &str, words: &[&str]) -> Option<Output> {
    match Command::new(name).args(words).output() {
        Ok(output) => Some(output),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{name} is not installed: nothing was checked");
            None
        }
        Err(e) => panic!("{name}: {e}"),
    }
}

#[test]
fn the_units_name_only_what_the_package_ships() {
    let shipped = shipped();
    let there = |path: &str| shipped.iter().any(|(_, to)| to == path) || OF_THE_SYSTEM.contains(&path);
    for unit in ["systemd/seald.service", "systemd/user/seald.service"] {
        for (_, name, value) in settings(&read(unit)) {
            let words = value.split_whitespace();
            let named: Vec<String> = match name.as_str() {
                "ExecStart" | "ExecReload" => {
                    words.map(String::from).filter(|w| w.starts_with('/')).collect()
                }
                "Documentation" => words.map(documentation).collect(),
                _ => continue,
            };
            assert!(!named.is_empty(), "{unit}: {name}={value}");
            named
                .iter()
                .for_each(|path| assert!(there(path), "{unit}: {name}={value}: {path} is not shipped"));
        }
    }
    // Comments send people to files too.
    let path = regex::Regex::new(r"/usr/[a-z0-9/._-]+[a-z]").unwrap();
    let drop_ins = DROP_INS.map(|name| format!("systemd/seald.service.d/{name}"));
    for file in drop_ins.iter().map(String::as_str).chain(["systemd/seald.service"]) {
        for named in path.find_iter(&read(file)).map(|found| found.as_str().to_string()) {
            let folder = shipped.iter().any(|(_, to)| to.starts_with(&format!("{named}/")));
            assert!(folder || there(&named), "{file} speaks of {named}, which is not shipped");
        }
    }
}

/// `man:sealctl(1)` and `file:///usr/...` as paths.
fn documentation(address: &str) -> String {
    if let Some(path) = address.strip_prefix("file://") {
        return path.to_string();
    }
    let page = address.strip_prefix("man:").and_then(|page| page.strip_suffix("(1)"));
    format!("/usr/share/man/man1/{}.1", page.unwrap_or_else(|| panic!("{address}")))
}

#[test]
fn unit_user_folders_and_configuration_agree() {
    let unit = read("systemd/seald.service");
    let user = setting(&unit, "User");
    assert_eq!(setting(&unit, "Group"), user);
    assert!(read("systemd/seald.sysusers.conf").lines().any(|line| line.starts_with(&format!("u {user} "))));
    let state = format!("/var/lib/{}", setting(&unit, "StateDirectory"));
    let tmpfiles = read("systemd/seald.tmpfiles.conf");
    assert!(
        tmpfiles.contains(&format!("d {state} {} {user} {user}\n", setting(&unit, "StateDirectoryMode")))
    );
    assert!(tmpfiles.contains(&format!("d {state}/inbox 3770 {user} {user}\n")));
    let start = setting(&unit, "ExecStart");
    assert_eq!(start.split_once(" --config ").unwrap().1, seald::config::SYSTEM_FILE);
    // The daemon ends with these codes where a restart does not help.
    assert_eq!(setting(&unit, "RestartPreventExitStatus"), "2 3");
    let codes =
        [seald_core::Kind::Invalid, seald_core::Kind::NotFound].map(|kind| kind.exit_code().to_string());
    assert_eq!(codes.join(" "), "2 3");
}

#[test]
fn the_services_are_told_from_a_hanging_one_and_end_in_time() {
    for unit in ["systemd/seald.service", "systemd/user/seald.service"] {
        let unit = read(unit);
        let expected = [
            ("Type", "notify"),
            ("NotifyAccess", "main"),
            ("WatchdogSec", "120"),
            ("TimeoutStopSec", "60"),
            ("KillMode", "mixed"),
            ("Restart", "on-failure"),
            ("OOMPolicy", "continue"),
            ("NoNewPrivileges", "true"),
            ("MemoryDenyWriteExecute", "true"),
        ];
        expected.iter().for_each(|(name, value)| assert_eq!(setting(&unit, name), *value, "{name}"));
    }
}

#[test]
fn every_lock_of_the_sandbox_says_why() {
    let unit = read("systemd/seald.service");
    let sandbox = unit.split_once("# The sandbox.").unwrap().1.split_once("\n[Install]").unwrap().0;
    let mut explained = false;
    let mut locks = 0;
    for line in sandbox.lines().skip(1) {
        let is_setting = !line.starts_with('#') && line.contains('=');
        assert!(!is_setting || explained, "{line} stands without a comment above it");
        locks += usize::from(is_setting);
        // A comment holds for the settings right beneath it.
        explained = line.starts_with("# ") || (is_setting && explained);
    }
    assert!(locks > 25, "{locks}");
}

#[test]
fn the_sandbox_is_tight() {
    // Beside the unit, its drop-ins would count.
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("seald.service");
    fs::copy(repository("systemd/seald.service"), &unit).unwrap();
    let words = ["security", "--offline=true", "--no-pager", unit.to_str().unwrap()];
    let Some(output) = tool("systemd-analyze", &words) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(level) = text.split("Overall exposure level for seald.service: ").nth(1) else {
        // systemd before 250 has no --offline.
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(why.contains("unrecognized option"), "{text}{why}");
        return;
    };
    let level: f64 = level.split_whitespace().next().unwrap().parse().unwrap();
    assert!(level <= MAX_EXPOSED, "{text}");
}

#[test]
fn systemd_understands_the_unit_and_its_drop_ins() {
    let dir = tempfile::tempdir().unwrap();
    let drop_ins = dir.path().join("seald.service.d");
    fs::create_dir(&drop_ins).unwrap();
    // What is judged is the text; the programs need not be installed here.
    let unit = read("systemd/seald.service")
        .replace("/usr/bin/seald", "/bin/true")
        .replace("/bin/kill", "/bin/true");
    fs::write(dir.path().join("seald.service"), unit).unwrap();
    for name in DROP_INS {
        fs::copy(repository("systemd/seald.service.d").join(name), drop_ins.join(name)).unwrap();
    }
    let path = dir.path().join("seald.service");
    let Some(output) = tool("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]) else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| names(line, dir.path()) && !newer(line)).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

/// Whether a message of systemd is about the files in `dir`.
fn names(line: &str, dir: &Path) -> bool {
    line.contains(dir.to_str().unwrap())
}

/// Whether a message says that this systemd is older than two settings of the unit.
fn newer(line: &str) -> bool {
    ["RestartSteps", "RestartMaxDelaySec"].iter().any(|name| line.contains(&format!("Unknown key '{name}'")))
        || ["RestartSteps", "RestartMaxDelaySec"]
            .iter()
            .any(|name| line.contains(&format!("Unknown key name '{name}'")))
}
