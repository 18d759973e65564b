//! From training texts to rows of tokens, and which rows each optimiser step sees.

use rand::SeedableRng;
use rand::seq::{SliceRandom, index};
use rand_pcg::Pcg64Mcg;

use super::exam;
use super::prompt::{self, Fill, PromptSet};
use super::rehearsal::labelled;
use super::session::Session;
use seald_core::domain::self_edit::RowText;
use seald_core::error::Result;
use seald_engine::examples::TrainRow;
use seald_engine::lora::Adapter;
use seald_engine::score::ScoreRow;

/// Tokens of one training text.
///
/// # Errors
/// From the tokenizer or the chat template.
pub fn row(session: &Session<'_>, text: &RowText) -> Result<TrainRow> {
    let limit = session.context();
    Ok(match text {
        RowText::Text(text) => {
            let mut tokens = session.model.tokenizer.encode_document(text)?;
            tokens.truncate(limit);
            TrainRow::whole(tokens)
        }
        RowText::Turn { question, answer } => {
            let asked = prompt::CLOSED_BOOK.fill(Fill { question, ..Fill::default() });
            let (mut tokens, first) = session.turn(&asked, answer)?;
            tokens.truncate(limit);
            let answer = tokens.split_off(first.min(tokens.len()));
            TrainRow::completion(tokens, &answer)
        }
    })
}

/// Whether a row has a token to learn: a text of one token has none.
pub fn has_target(row: &TrainRow) -> bool {
    row.target_count() > 0
}

/// Rows of which the turns say what the model itself says there with its passage in sight (prompt distillation, arXiv 2412.14964): soft
/// labels in place of the answer's tokens. Plain texts stay as they are. `texts` name their passage by number.
///
/// # Errors
/// From the engine.
pub fn distilled(
    session: &Session<'_>,
    title: &str,
    passages: &[String],
    texts: &[(usize, RowText)],
    teacher: Option<&Adapter>,
) -> Result<Vec<TrainRow>> {
    let mut rows = texts.iter().map(|(_, text)| row(session, text)).collect::<Result<Vec<_>>>()?;
    let (mut places, mut asked) = (Vec::new(), Vec::new());
    for (i, (passage, text)) in texts.iter().enumerate() {
        let RowText::Turn { question, answer } = text else { continue };
        // What a statement lacks is known word for word; a teacher may be wrong there.
        if exam::is_cloze(question) {
            continue;
        }
        let prompt = session.prompts.in_sight(title, &passages[*passage], question);
        let (tokens, first) = session.turn(&prompt, answer)?;
        if tokens.len() <= session.context() && tokens.len() - first == rows[i].target_count() {
            places.push(i);
            asked.push(ScoreRow { tokens, first, adapter: teacher.map(|_| 0) });
        }
    }
    if !asked.is_empty() {
        for (place, taught) in places.into_iter().zip(labelled(session, asked, teacher)?) {
            rows[place].soft = taught.soft;
        }
    }
    Ok(rows)
}

/// Weighs rows so that long ones do not drown short ones: by `(mean targets / targets)^½`, so a row's share of the loss grows with the root of its
/// length. Between counting every token alike (a passage of 250 tokens is 60 answers) and every row alike (an answer of two tokens pulls as hard as
/// the passage).
pub fn balance(rows: &mut [TrainRow]) {
    let targets: Vec<f64> = rows.iter().map(|row| row.target_count().max(1) as f64).collect();
    let mean = targets.iter().sum::<f64>() / targets.len().max(1) as f64;
    for (row, targets) in rows.iter_mut().zip(targets) {
        row.weight = (mean / targets).sqrt() as f32;
    }
}

/// What a training mixes.
#[derive(Debug, Clone, Copy)]
pub struct Mixture<'a> {
    /// Rows of the self-edits and the passage, seen once each epoch.
    pub new: &'a [TrainRow],
    /// Rows of earlier documents.
    pub earlier: &'a [TrainRow],
    /// Base samples.
    pub base: &'a [TrainRow],
}

/// How many rows of each sort one step holds. The default holds none.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepRows {
    /// Of the new ones.
    pub new: usize,
    /// Of the earlier ones.
    pub earlier: usize,
    /// Of the base samples.
    pub base: usize,
    /// Weight of the mean KL on base samples against the mean loss on all other tokens.
    pub kl_weight: f32,
    /// Whether that mean is one over samples, so that an answer of three words counts as much as a page; else it is one over tokens.
    pub samples_alike: bool,
}

/// Times that a training sees each base sample at least, on average, on models other than nano. A page is trained on in some 160 steps, which with one of 78 samples a step
/// sees each twice, and what such a model reads stayed as it was (decision 20); after 38 steps with one sample each, Qwen2.5-Coder-0.5B answered 20 of 51
/// questions wrong that it had answered right, their texts in sight.
const ROUNDS: usize = 2;

/// Base samples in each of so many steps: as many as `asked` for, or more where each of the `samples` would not have its turn [`ROUNDS`] times.
pub(super) fn base_rows(prompts: PromptSet, asked: usize, samples: usize, steps: usize) -> usize {
    match prompts {
        PromptSet::General if asked > 0 => asked.max((ROUNDS * samples).div_ceil(steps.max(1))),
        _ => asked,
    }
}

/// All rows end to end, and for every step the rows it sees.
#[derive(Debug)]
pub struct Plan {
    /// New, earlier, base.
    pub rows: Vec<TrainRow>,
    /// Indices into `rows`.
    pub steps: Vec<Vec<usize>>,
}

/// Mixes. Every epoch sees each new row once, in an order of its own; rehearsal rows are drawn anew for each step. At most `max_steps`.
pub fn plan(mixture: Mixture<'_>, each: StepRows, epochs: usize, max_steps: usize, seed: u64) -> Plan {
    let Mixture { new, earlier, base } = mixture;
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut steps: Vec<Vec<usize>> = Vec::new();
    // An epoch is one step at least.
    'epochs: for _ in 0..epochs.min(max_steps) {
        let mut order: Vec<usize> = (0..new.len()).collect();
        order.shuffle(&mut rng);
        for chunk in order.chunks(each.new.max(1)) {
            if steps.len() == max_steps {
                break 'epochs;
            }
            let mut step = chunk.to_vec();
            step.extend(some_of(&mut rng, earlier.len(), each.earlier).map(|i| new.len() + i));
            step.extend(some_of(&mut rng, base.len(), each.base).map(|i| new.len() + earlier.len() + i));
            steps.push(step);
        }
    }
    let mut rows: Vec<TrainRow> = new.iter().chain(earlier).chain(base).cloned().collect();
    let first_base = new.len() + earlier.len();
    let targets = |wanted: &dyn Fn(usize) -> bool| -> usize {
        steps.iter().flatten().filter(|i| wanted(**i)).map(|&i| rows[i].target_count()).sum()
    };
    let (hard, soft) = (targets(&|i| i < first_base), targets(&|i| i >= first_base));
    let drawn = steps.iter().flatten().filter(|i| **i >= first_base).count();
    if soft > 0 {
        let all = each.kl_weight * hard as f32;
        for row in &mut rows[first_base..] {
            row.weight = match each.samples_alike {
                true => all / (drawn * row.target_count().max(1)) as f32,
                false => all / soft as f32,
            };
        }
    }
    Plan { rows, steps }
}

/// `count` of the numbers below `all`, or all of them.
fn some_of(rng: &mut Pcg64Mcg, all: usize, count: usize) -> impl Iterator<Item = usize> {
    index::sample(rng, all, count.min(all)).into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize, tokens: usize) -> Vec<TrainRow> {
        (0..count).map(|i| TrainRow::whole(vec![i as u32; tokens])).collect()
    }

    #[test]
    fn every_epoch_sees_every_new_row_and_each_step_its_rehearsal() {
        let (new, earlier, base) = (rows(10, 5), rows(3, 5), rows(20, 21));
        let mixture = Mixture { new: &new, earlier: &earlier, base: &base };
        let each = StepRows { new: 4, earlier: 2, base: 3, kl_weight: 1.0, ..StepRows::default() };
        let plan = plan(mixture, each, 3, 100, 1);
        assert_eq!(plan.steps.len(), 9);
        for epoch in plan.steps.chunks(3) {
            let mut seen: Vec<_> = epoch.iter().flatten().filter(|i| **i < 10).copied().collect();
            seen.sort();
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
        for step in &plan.steps {
            assert_eq!(step.iter().filter(|i| (10..13).contains(*i)).count(), 2);
            assert_eq!(step.iter().filter(|i| **i >= 13).count(), 3);
        }
        // 4 target tokens a row: 3 epochs of 10 and 9 times 2 earlier ones; 9 times 3 samples of 20.
        let expected = (4 * (30 + 18)) as f32 / (9 * 3 * 20) as f32;
        assert!((plan.rows[13].weight - expected).abs() < 1e-6);
        assert_eq!(plan.rows[0].weight, 1.0);
    }

    #[test]
    fn a_short_sample_counts_as_much_as_a_long_one_where_samples_count_alike() {
        let (new, base) = (rows(4, 5), [rows(1, 3), rows(1, 31)].concat());
        let mixture = Mixture { new: &new, earlier: &[], base: &base };
        let each = StepRows { new: 4, earlier: 0, base: 2, kl_weight: 4.0, samples_alike: true };
        let plan = plan(mixture, each, 5, 100, 1);
        // 5 times 4 rows of 4 targets, and 5 times 2 samples.
        let all = 4.0 * (5 * 4 * 4) as f32 / (5 * 2) as f32;
        for (row, targets) in [(4, 2.0), (5, 30.0)] {
            assert!((plan.rows[row].weight * targets - all).abs() < 1e-3, "{}", plan.rows[row].weight);
        }
    }

    #[test]
    fn a_short_training_sees_every_base_sample_twice() {
        let general = |asked, steps| base_rows(PromptSet::General, asked, 78, steps);
        assert_eq!([general(1, 160), general(1, 156), general(1, 155), general(1, 38)], [1, 1, 2, 5]);
        assert_eq!([general(7, 38), general(0, 38), general(1, 0)], [7, 0, 156], "no fewer than asked for");
        assert_eq!(base_rows(PromptSet::Nano, 1, 78, 38), 1);
    }

    #[test]
    fn steps_are_bounded_and_missing_sorts_are_legal() {
        let new = rows(9, 3);
        let each = StepRows { new: 4, earlier: 2, base: 3, kl_weight: 1.0, ..StepRows::default() };
        let plan = plan(Mixture { new: &new, earlier: &[], base: &[] }, each, 50, 7, 1);
        assert_eq!((plan.steps.len(), plan.rows.len()), (7, 9));
    }
}
