//! `completions`: the script of a shell, made from the command line's own description; what it asks the daemon for is added to it.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use sealctl::client::Failure;

use crate::cli::{Cli, Completions};
use crate::output;

/// Behind the generated script of bash.
const BASH: &str = include_str!("complete/words.bash");
/// The same of fish.
const FISH: &str = include_str!("complete/words.fish");
/// In the generated script of zsh.
const ZSH: &str = include_str!("complete/words.zsh");
/// What the script of zsh ends with.
const ZSH_END: &str = "if [ \"$funcstack[1]\"";
/// Arguments that have words of the daemon: how the script of zsh describes them, and which function finds them.
const ZSH_ARGUMENTS: [(&str, &str); 4] = [
    ("':doc -- ", "_sealctl_documents"),
    ("':generation -- `live`", "_sealctl_generations_or_live"),
    ("':generation -- ", "_sealctl_generations_or_base"),
    ("'--gen=", "_sealctl_generations"),
];

/// Prints the completions of a shell.
pub(crate) fn script(args: &Completions) -> Result<ExitCode, Failure> {
    let mut bytes = Vec::new();
    // What is hidden from people is not offered to them.
    let hidden: Vec<_> = Cli::command()
        .get_subcommands()
        .filter(|verb| verb.is_hide_set())
        .map(|verb| verb.get_name().to_string())
        .collect();
    let shown = without(Cli::command(), &hidden);
    clap_complete::generate(args.shell, &mut { shown }, "sealctl", &mut bytes);
    let script = String::from_utf8_lossy(&bytes).into_owned();
    let script = match args.shell {
        Shell::Bash => script + BASH,
        Shell::Fish => script + FISH,
        Shell::Zsh => zsh(&script),
        _ => script,
    };
    output::text(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The same command line without some verbs.
fn without(whole: clap::Command, verbs: &[String]) -> clap::Command {
    let kept: Vec<_> =
        whole.get_subcommands().filter(|v| !verbs.iter().any(|name| name == v.get_name())).cloned().collect();
    let options: Vec<_> = whole.get_arguments().cloned().collect();
    clap::Command::new("sealctl")
        .version(env!("CARGO_PKG_VERSION"))
        .args(options)
        .subcommands(kept)
        .disable_help_subcommand(true)
}

fn zsh(script: &str) -> String {
    let mut text = String::new();
    for line in script.lines() {
        if line.starts_with(ZSH_END) {
            text += ZSH;
        }
        let finds = ZSH_ARGUMENTS.iter().find(|(begins, _)| line.starts_with(begins)).map(|(_, finds)| finds);
        match finds
            .and_then(|finds| Some(line.strip_suffix(":_default' \\")?.to_string() + ":" + finds + "' \\"))
        {
            Some(line) => text += &line,
            None => text += line,
        }
        text.push('\n');
    }
    text
}
