//! Who writes self-edits, the rounds, and what changed in one of them.

use std::collections::BTreeMap;

use seald_core::domain::ids::{DocumentId, WriterId};
use seald_core::domain::self_edit::Format;
use seald_core::domain::writer::{Whose, Writer, WriterRound, WriterSample};
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{
    RoundStory, RoundView, Tally, WriterChoice, WriterExample, WriterText, WriterView,
};
use seald_store::Store;

/// Rounds that are listed.
const ROUNDS: usize = 50;
/// Documents of which both writers' best is shown.
const EXAMPLES: usize = 3;
/// Characters of an example.
const TEXT: usize = 600;

/// The present writer and the rounds; what changed in round `number`, else in the newest that was examined.
pub(in crate::api) fn writer(store: &Store, number: Option<usize>) -> Result<WriterView> {
    let present = store.writer()?;
    let rounds = store.writer_rounds(usize::MAX)?;
    let total = rounds.len();
    let (mut views, mut told) = (Vec::new(), None);
    for (older, round) in (0..total).rev().zip(&rounds) {
        let own = older + 1;
        let wanted = number.map_or(round.examined.is_some() && told.is_none(), |number| number == own);
        if wanted {
            told = Some(story(store, own, round)?);
        }
        if views.len() < ROUNDS || number == Some(own) {
            views.push(view(own, round));
        }
    }
    if let (Some(number), None) = (number, &told) {
        let text = format!("there is no writer round {number}: {total} were begun so far");
        return Err(Error::new(Kind::NotFound, text));
    }
    Ok(WriterView {
        writer: present.as_ref().map(|writer| writer.id.folder()),
        since: present.as_ref().map(|writer| writer.created_at),
        documents: titles(store, present.as_ref())?,
        total,
        rounds: views,
        told,
    })
}

fn titles(store: &Store, writer: Option<&Writer>) -> Result<Vec<String>> {
    let documents = writer.map(|writer| &writer.documents[..]).unwrap_or_default();
    documents.iter().map(|document| Ok(store.document_row(*document)?.title)).collect()
}

fn folder(id: WriterId) -> Option<String> {
    (id != WriterId::BASE).then(|| id.folder())
}

fn view(number: usize, round: &WriterRound) -> RoundView {
    let WriterRound { job, reason, trained, examined, writer, ended_at } = round;
    RoundView {
        number,
        job: *job,
        reason: reason.clone(),
        present: folder(trained.present),
        winners: trained.winners,
        steps: trained.steps,
        tokens: trained.tokens,
        seconds: trained.seconds,
        loss: trained.loss,
        examined: examined.clone(),
        writer: writer.and_then(folder),
        ended_at: *ended_at,
    }
}

fn story(store: &Store, number: usize, round: &WriterRound) -> Result<RoundStory> {
    let samples = store.writer_samples(round.job)?;
    let discarded = |whose| {
        let own = samples.iter().filter(|sample| sample.whose == whose);
        let (of, count) = own.fold((0, 0), |(of, n), one| (of + 1, n + usize::from(one.discarded.is_some())));
        Tally { count, of }
    };
    let place = |format| Format::ALL.iter().position(|one| *one == format).unwrap_or(Format::ALL.len());
    Ok(RoundStory {
        number,
        present_discarded: discarded(Whose::Present),
        new_discarded: discarded(Whose::New),
        formats: choices(&samples, |s| (place(s.directive.format), s.directive.format.to_string())),
        learning_rates: choices(&samples, |s| {
            let rate = s.directive.learning_rate;
            // Positive numbers sort as their bits do.
            (rate.to_bits(), format!("{rate:e}"))
        }),
        epochs: choices(&samples, |s| (s.directive.epochs, s.directive.epochs.to_string())),
        examples: examples(store, &samples)?,
    })
}

/// How often each thing was chosen and what that earned, in the order of the keys.
fn choices<K: Ord>(
    samples: &[WriterSample],
    choice: impl Fn(&WriterSample) -> (K, String),
) -> Vec<WriterChoice> {
    let mut by_choice: BTreeMap<(K, String), [Vec<f64>; 2]> = BTreeMap::new();
    let mut written = [0, 0];
    for sample in samples {
        let place = usize::from(sample.whose == Whose::New);
        written[place] += 1;
        by_choice.entry(choice(sample)).or_default()[place].push(sample.reward);
    }
    let mean =
        |rewards: &[f64]| (!rewards.is_empty()).then(|| rewards.iter().sum::<f64>() / rewards.len() as f64);
    let told = by_choice.into_iter().map(|((_, what), [present, new])| WriterChoice {
        what,
        present: Tally { count: present.len(), of: written[0] },
        new: Tally { count: new.len(), of: written[1] },
        present_reward: mean(&present),
        new_reward: mean(&new),
    });
    told.collect()
}

/// The first documents of the examination, whatever came of them, with either writer's best.
fn examples(store: &Store, samples: &[WriterSample]) -> Result<Vec<WriterExample>> {
    let mut documents: Vec<DocumentId> = Vec::new();
    for sample in samples {
        if !documents.contains(&sample.document) {
            documents.push(sample.document);
        }
    }
    let best = |document, whose| {
        let own = samples.iter().filter(|one| (one.document, one.whose) == (document, whose));
        let rank = |one: &WriterSample| (one.discarded.is_none(), one.reward);
        // Of equals the first.
        own.reduce(|best, one| if rank(one) > rank(best) { one } else { best }).map(text)
    };
    let told = documents.into_iter().take(EXAMPLES).map(|document| {
        Ok(WriterExample {
            document,
            title: store.document_row(document)?.title,
            present: best(document, Whose::Present),
            new: best(document, Whose::New),
        })
    });
    told.collect()
}

fn text(sample: &WriterSample) -> WriterText {
    let WriterSample { directive, text, reward, discarded, .. } = sample;
    let text = match text.char_indices().nth(TEXT) {
        None => text.clone(),
        Some(_) => text.chars().take(TEXT - 1).chain(['\u{2026}']).collect(),
    };
    WriterText { directive: directive.clone(), text, reward: *reward, discarded: discarded.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::domain::self_edit::Directive;

    fn sample(whose: Whose, document: i64, format: Format, reward: f64, discarded: bool) -> WriterSample {
        WriterSample {
            whose,
            document: DocumentId(document),
            directive: Directive { format, learning_rate: 1e-3, epochs: 10 },
            text: "x".into(),
            reward,
            discarded: discarded.then(|| "repeats itself".into()),
        }
    }

    #[test]
    fn choices_are_counted_for_either_writer() {
        let samples = [
            sample(Whose::Present, 1, Format::KeyFacts, 0.5, false),
            sample(Whose::Present, 1, Format::Rewrite, 0.0, true),
            sample(Whose::New, 1, Format::KeyFacts, 1.0, false),
            sample(Whose::New, 2, Format::KeyFacts, 2.0, false),
        ];
        let found = choices(&samples, |s| (s.directive.format as usize, s.directive.format.to_string()));
        let [rewrite, facts] = &found[..] else { panic!("{found:?}") };
        assert_eq!((rewrite.what.as_str(), rewrite.present), ("rewrite", Tally { count: 1, of: 2 }));
        assert_eq!((rewrite.new, rewrite.new_reward), (Tally { count: 0, of: 2 }, None));
        assert_eq!((facts.present_reward, facts.new_reward), (Some(0.5), Some(1.5)));
    }

    #[test]
    fn examples_are_cut_to_their_bound() {
        let long =
            WriterSample { text: "\u{e9}".repeat(601), ..sample(Whose::New, 1, Format::Rewrite, 1.0, false) };
        let cut = text(&long).text;
        assert!(cut.chars().count() == 600 && cut.ends_with('\u{2026}'));
        let fits = WriterSample { text: "\u{e9}".repeat(600), ..long };
        assert_eq!(text(&fits).text, fits.text);
    }
}
