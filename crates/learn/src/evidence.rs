//! Whether a passage says what a text says: how much likelier the text is with the passage before it than with another text in its place
//! (pointwise mutual information; Padmakumar and He 2021, arXiv 2102.06272, rank sentences of summaries by it).
//!
//! Names and numbers that a passage lacks are found by rule ([`crate::filter`]); what weak models make up beside it mostly has neither.

use super::controls;
use super::grade::words;
use super::probes::Reading;
use super::self_edits::Draft;
use super::session::Session;
use seald_core::domain::self_edit::{DroppedLine, RowText};
use seald_core::error::Result;
use seald_core::sentences;
use seald_engine::score::ScoreRow;

/// A sentence must gain this share of what the passage's own sentences gain, nats a token. Measured with SmolLM2-135M over 10 passages: of 45 implications
/// that Qwen2.5-7B wrote about them 37 do, of 45 that it wrote about another passage of the same article 2, of 18 about other articles none
/// (`docs/decisions/0020`).
const MIN_SHARE: f64 = 0.3;
/// Sentences of fewer words are judged with the one before them: a few words gain by chance.
const SHORT_WORDS: usize = 4;

const COPIED: &str = "is the passage's own sentence, which is trained on anyway";
const MADE_UP: &str = "is hardly likelier with the passage in sight than without it";

/// Leaves out of the drafts of a document what its passages do not make likelier, and what is copied from them word for word; a draft of which nothing
/// is left is discarded.
///
/// # Errors
/// From the engine.
pub(super) fn leave_out_made_up(
    session: &Session<'_>,
    document: Reading<'_>,
    drafts: &mut [Draft],
) -> Result<()> {
    let mut pieces: Vec<(usize, String)> = Vec::new();
    for draft in drafts.iter() {
        let texts = draft.rows.iter().filter_map(|row| text_of(row, document.title));
        let new = texts.flat_map(pieces_of).filter(|piece| !copies(piece, &document.passages[draft.passage]));
        pieces.extend(new.map(|piece| (draft.passage, piece)));
    }
    let mut shares = shares(session, document, &pieces)?.into_iter();
    for draft in drafts {
        let mut rows = Vec::with_capacity(draft.rows.len());
        for row in std::mem::take(&mut draft.rows) {
            let Some(text) = text_of(&row, document.title) else {
                rows.push(row);
                continue;
            };
            let (mut kept, mut left_out) = (Vec::new(), false);
            for piece in pieces_of(text) {
                let fault = match copies(&piece, &document.passages[draft.passage]) {
                    true => Some(COPIED),
                    false if shares.next().is_some_and(|share| share >= MIN_SHARE) => None,
                    false => Some(MADE_UP),
                };
                match fault {
                    None => kept.push(piece),
                    Some(reason) => {
                        left_out = true;
                        let line = piece.trim().into();
                        draft.dropped.push(DroppedLine { line, reason: reason.into() });
                    }
                }
            }
            let rest = kept.concat().trim().to_string();
            match (left_out, rest.is_empty()) {
                (false, _) => rows.push(row),
                (true, true) => {}
                (true, false) => rows.push(with_title_of(&row, document.title, rest)),
            }
        }
        if rows.is_empty() && draft.discarded.is_none() {
            let reason = draft.dropped.last().map_or("", |line| line.reason.as_str());
            draft.discarded = Some(format!("no line is left; the last one {reason}"));
        }
        draft.rows = rows;
    }
    Ok(())
}

/// Whether a passage has these very words, one after another.
fn copies(piece: &str, passage: &str) -> bool {
    let normal = |text: &str| words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    format!(" {} ", normal(passage)).contains(&format!(" {} ", normal(piece)))
}

/// What a plain row says, without the title before it.
fn text_of<'r>(row: &'r RowText, title: &str) -> Option<&'r str> {
    let RowText::Text(text) = row else { return None };
    Some(text.strip_prefix(title).and_then(|rest| rest.strip_prefix('\n')).unwrap_or(text))
}

fn with_title_of(row: &RowText, title: &str, rest: String) -> RowText {
    match row {
        RowText::Text(text) if text_of(row, title) != Some(text) => RowText::Text(format!("{title}\n{rest}")),
        _ => RowText::Text(rest),
    }
}

/// Sentences with what follows them, very short ones joined to what came before; put end to end they are the text.
fn pieces_of(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let mut begun = false;
        for sentence in sentences::in_line(line) {
            match found.last_mut() {
                Some(last) if begun && sentence.split_whitespace().count() < SHORT_WORDS => {
                    last.push_str(sentence)
                }
                _ => found.push(sentence.to_string()),
            }
            begun = true;
        }
    }
    found
}

/// For each text about a passage, how many nats a token it gains from having the passage before it rather than another text, as a share of what the
/// passage's own sentences gain.
fn shares(session: &Session<'_>, document: Reading<'_>, texts: &[(usize, String)]) -> Result<Vec<f64>> {
    let mut rows = Vec::new();
    let own: Vec<(usize, String)> = document
        .passages
        .iter()
        .enumerate()
        .flat_map(|(number, passage)| {
            sentences::ranges(passage).into_iter().map(move |range| (number, passage[range].to_string()))
        })
        .collect();
    let others = controls::texts();
    for (number, text) in own.iter().chain(texts) {
        let other = &others[number % others.len()].passage;
        for before in [&document.passages[*number], other] {
            let mut tokens = session
                .model
                .tokenizer
                .encode_document(&format!("Text: {}: {before}\n\n", document.title))?;
            let first = tokens.len();
            tokens.extend(session.model.tokenizer.encode_text(text.trim())?);
            tokens.truncate(session.context());
            rows.push(ScoreRow { first: first.min(tokens.len() - 1), tokens, adapter: None });
        }
    }
    let scores = session.score(&rows, None)?;
    let gain = |place: usize| {
        let tokens = (rows[2 * place].tokens.len() - rows[2 * place].first).max(1);
        (scores[2 * place] - scores[2 * place + 1]) / tokens as f64
    };
    let usual = |passage: usize| {
        let places = (0..own.len()).filter(|place| own[*place].0 == passage);
        super::stats::mean(&places.map(gain).collect::<Vec<_>>())
    };
    let usual: Vec<f64> = (0..document.passages.len()).map(usual).collect();
    Ok((own.len()..own.len() + texts.len())
        .zip(texts)
        // A model that a passage does not help with its own sentences can judge none.
        .map(|(place, (passage, _))| if usual[*passage] > 0.0 { gain(place) / usual[*passage] } else { 0.0 })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use seald_core::domain::self_edit::{Directive, Format};
    use seald_engine::kernels::cpu::Isa;
    use seald_engine::kernels::{Compute, Precision};
    use seald_engine::model::Model;

    use super::*;
    use crate::options::LearnOptions;

    #[test]
    fn what_the_passage_does_not_say_is_left_out() {
        let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
        let model = Model::open(Path::new("nano"), &compute).unwrap();
        let never = AtomicBool::new(false);
        let session = Session::new(&model, LearnOptions::default(), &never).unwrap();
        let passages = ["The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn. The company makes copper kettles."
            .to_string()];
        let title = "The Brastonel Works";
        let document = Reading { key: "a document", title, passages: &passages };
        let draft = |text: &str| Draft {
            candidate: 0,
            passage: 0,
            directive: Directive { format: Format::Implications, learning_rate: 1e-3, epochs: 1 },
            prompt_version: String::new(),
            text: String::new(),
            rows: vec![RowText::Text(text.into())],
            discarded: None,
            dropped: Vec::new(),
        };
        let supported = "Elmar Trondvik founded the Brastonel Works.";
        let mut drafts = [
            draft(&format!("{supported} Each river has its own mayor and seven bridges.")),
            draft("Each river has its own mayor and seven bridges."),
            draft("The company makes copper kettles."),
        ];
        leave_out_made_up(&session, document, &mut drafts).unwrap();
        assert_eq!(drafts[0].rows, [RowText::Text(supported.into())], "{:?}", drafts[0].dropped);
        let why = |draft: &Draft| draft.discarded.clone().unwrap();
        assert!(why(&drafts[1]).contains("hardly likelier") && why(&drafts[2]).contains("own sentence"));
    }

    #[test]
    fn what_is_copied_word_for_word_is_known() {
        let passage = "The ferry carries cars. It was built in 1988.";
        assert!(copies("It was built in 1988.", passage) && copies("the ferry carries cars", passage));
        assert!(
            !copies("It was built of steel in 1988.", passage) && !copies("The ferry carries car", passage)
        );
    }

    #[test]
    fn pieces_put_end_to_end_are_the_text() {
        let text = "The ferry carries cars. Yes. It was built in 1988.\nIts captain is Mara.";
        let pieces = pieces_of(text);
        assert_eq!(pieces.concat(), text);
        assert_eq!(
            pieces,
            ["The ferry carries cars. Yes. ", "It was built in 1988.\n", "Its captain is Mara."]
        );
    }

    #[test]
    fn the_title_before_a_text_is_no_part_of_what_is_judged_and_stays() {
        let row = RowText::Text("The ferry\nIt carries cars. It sings.".into());
        assert_eq!(text_of(&row, "The ferry"), Some("It carries cars. It sings."));
        let rest = with_title_of(&row, "The ferry", "It carries cars.".into());
        assert_eq!(rest, RowText::Text("The ferry\nIt carries cars.".into()));
        let turn = RowText::Turn { question: "Who?".into(), answer: "Mara".into() };
        assert_eq!(text_of(&turn, "The ferry"), None);
    }
}
