//! What cargo and Debian make of this: the README's first command, and a package whose files are in the repository or built, whose scripts keep people's documents.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::config::{read, repository};

/// What cargo and tools/package/build.sh make.
const BUILT: [(&str, &[&str]); 3] = [
    ("target/release/", &["seald", "sealctl"]),
    ("target/package/man/*.1", &["sealctl.1"]),
    ("target/package/completions/", &["sealctl.bash", "_sealctl", "sealctl.fish"]),
];

/// The `[package.metadata.deb]` of Cargo.toml.
fn deb() -> toml::Table {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    manifest["package"]["metadata"]["deb"].as_table().unwrap().clone()
}

/// Every file of the package: where it comes from, and where it is installed, from `/`.
pub(crate) fn shipped() -> Vec<(String, String)> {
    let deb = deb();
    let mut files = Vec::new();
    for asset in deb["assets"].as_array().unwrap() {
        let [from, to, _] = asset.as_array().unwrap().as_slice() else { panic!("{asset}") };
        let (from, to) = (from.as_str().unwrap(), to.as_str().unwrap());
        for source in sources(from) {
            let name = source.rsplit('/').next().unwrap();
            let to = if to.ends_with('/') { format!("/{to}{name}") } else { format!("/{to}") };
            files.push((source, to));
        }
    }
    files
}

/// The files that an asset stands for.
fn sources(from: &str) -> Vec<String> {
    if let Some((start, names)) = BUILT.iter().find(|(start, _)| from.starts_with(start)) {
        let folder = &start[..=start.rfind('/').unwrap()];
        let built: Vec<String> = names.iter().map(|name| format!("{folder}{name}")).collect();
        return if from.contains('*') { built } else { built.into_iter().filter(|b| b == from).collect() };
    }
    let Some((folder, end)) = from.split_once("/*") else { return vec![from.to_string()] };
    let entries =
        fs::read_dir(repository(folder)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| name.ends_with(end)).map(|name| format!("{folder}/{name}")).collect()
}

#[test]
fn every_file_of_the_package_exists_or_is_built() {
    let shipped = shipped();
    for (from, to) in &shipped {
        let built = BUILT.iter().any(|(start, _)| from.starts_with(start.trim_end_matches("*.1")));
        assert!(built || repository(from).is_file(), "{from} (for {to}) is not there");
    }
    let assets = deb()["assets"].as_array().unwrap().len();
    assert!(shipped.len() > assets, "a glob found nothing: {shipped:#?}");
    for wanted in [
        "/usr/bin/seald",
        "/usr/bin/sealctl",
        "/etc/seald/seald.toml",
        "/usr/lib/systemd/system/seald.service",
        "/usr/lib/systemd/user/seald.service",
        "/usr/lib/sysusers.d/seald.conf",
        "/usr/lib/tmpfiles.d/seald.conf",
        "/usr/share/doc/seald/README.md",
        "/usr/share/doc/seald/operations.md",
        "/usr/share/doc/seald/seald.service.d/gpu.conf",
        "/usr/share/man/man1/sealctl.1",
    ] {
        assert!(shipped.iter().any(|(_, to)| to == wanted), "{wanted} is not shipped");
    }
}

#[test]
fn the_scripts_are_programs_that_a_shell_reads() {
    for name in ["postinst", "prerm", "postrm"] {
        let path = repository(deb()["maintainer-scripts"].as_str().unwrap()).join(name);
        assert!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o111 == 0o111,
            "{name} is not executable"
        );
        assert!(Command::new("sh").arg("-n").arg(&path).status().unwrap().success(), "{name}");
    }
    let build = repository("tools/package/build.sh");
    assert!(Command::new("bash").arg("-n").arg(build).status().unwrap().success());
}

#[test]
fn purging_leaves_what_was_learned_and_says_where() {
    let script = repository("systemd/debian/postrm");
    let text = fs::read_to_string(&script).unwrap();
    let commands = text.lines().filter(|line| !line.trim_start().starts_with(['#', 'e']));
    assert!(commands.clone().count() > 5);
    for line in commands {
        assert!(!["rm ", "userdel", "rmdir", "-delete"].iter().any(|word| line.contains(word)), "{line}");
    }
    assert!(text.contains("echo") && text.contains("still in /var/lib/seald"));
}

/// There are two programs, and the README's first command names neither.
#[test]
fn the_first_command_of_the_readme_means_seald() {
    assert!(read("README.md").contains("\ncargo run --release -- once examples/inbox\n"));
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"].get("default-run"), Some(&toml::Value::from("seald")));
}
