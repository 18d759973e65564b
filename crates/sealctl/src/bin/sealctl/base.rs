//! `sealctl models use`: changes over to another base model, once somebody has seen what that does.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{ModelsView, UseModelRequest, UseModelView};
use seald_terminal::words::count;
use seald_terminal::{Look, models as page, one_line};

use crate::cli::UseModel;
use crate::output::{self, say};

/// Longest that the daemon takes to give back what it does and begin again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(200);

/// Changes over.
pub(crate) async fn use_model(client: &Client, args: UseModel, json: bool) -> Result<ExitCode, Failure> {
    let UseModel { model, yes, waiting } = args;
    let wanted = UseModelRequest { model: named(model)?, preview: true };
    let answer = client.post(routes::MODELS, &wanted).await?;
    let view: UseModelView = parse(&answer, routes::MODELS)?;
    if !yes {
        if !io::stdin().is_terminal() {
            let text =
                "a change of the base model trains everything anew, and nobody can be asked here: say --yes";
            return Err(Error::new(Kind::Invalid, text).into());
        }
        say(page::change(&view, &Look::of_stderr()));
        if !output::agreed("Change over to it?")? {
            say("Nothing was changed.");
            return Ok(ExitCode::FAILURE);
        }
    }
    let place = view.model.model.clone();
    let answer = client.post(routes::MODELS, &UseModelRequest { preview: false, ..wanted }).await?;
    if !waiting.no_wait {
        begun(client, &place).await?;
    }
    if json {
        output::json(&answer)?;
    } else {
        output::text(&output::hints(&done(&view, waiting.no_wait)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A folder that is there by its whole path, as the daemon stands elsewhere; any other name as it is.
fn named(model: String) -> Result<String> {
    let path = Path::new(&model);
    if model == "nano" || !(model.contains('/') || path.is_dir()) {
        return Ok(model);
    }
    let whole = std::path::absolute(path).map_err(|e| {
        Error::new(Kind::Invalid, format!("cannot tell where {} lies", path.display())).with_source(e)
    })?;
    let text = || Error::new(Kind::Invalid, format!("the path of {} is not UTF-8", path.display()));
    Ok(whole.to_str().ok_or_else(text)?.to_string())
}

/// Waits until the daemon has begun again with the model.
async fn begun(client: &Client, model: &str) -> Result<(), Failure> {
    say("The daemon gives back what it is doing and begins again ...");
    let started = Instant::now();
    loop {
        // For a moment nobody listens.
        if let Ok(view) = client.read::<ModelsView>(routes::MODELS).await
            && view.base == model
        {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            let text = format!(
                "{} is not used yet: `sealctl status` tells what the daemon does, its log why",
                one_line(model)
            );
            return Err(Error::new(Kind::Busy, text).into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn done(view: &UseModelView, begins_later: bool) -> String {
    let mut text = if begins_later {
        format!("{} will be used\n", one_line(&view.model.model))
    } else {
        format!("{} is used; it was {}\n", one_line(&view.model.model), one_line(&view.from))
    };
    if view.learned_again > 0 {
        let documents = count(view.learned_again, "document");
        text += &format!("{documents} wait to be learned again; `sealctl watch` follows that.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn folders_are_named_by_their_whole_path_and_names_stay() {
        assert_eq!(named("nano".into()).unwrap(), "nano");
        assert_eq!(named("Qwen--Qwen2.5-0.5B".into()).unwrap(), "Qwen--Qwen2.5-0.5B");
        assert_eq!(named("/models/x".into()).unwrap(), "/models/x");
        let here = std::env::current_dir().unwrap();
        assert_eq!(named("./nano".into()).unwrap(), here.join("nano").display().to_string());
        assert_eq!(named("src".into()).unwrap(), here.join("src").display().to_string());
    }
}
