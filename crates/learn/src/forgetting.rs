//! The matrix of generations and documents: what each generation knows of each document, and what that says of forgetting.

use std::collections::{BTreeMap, BTreeSet};

use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId};

/// One probe put to one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Who answered; [`GenerationId::BASE`] for the base model.
    pub generation: GenerationId,
    /// Whose probe it is.
    pub document: DocumentId,
    /// What was asked.
    pub probe: ProbeId,
    /// Whether the answer was right.
    pub right: bool,
}

/// A document of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Which document.
    pub document: DocumentId,
    /// The generation that learned it; none if it is not learned yet.
    pub learned: Option<GenerationId>,
}

/// Right answers of one generation on one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Probes answered right.
    pub right: usize,
    /// Probes asked, 1 or more.
    pub asked: usize,
}

impl Cell {
    /// Share of right answers, 0 to 1.
    pub fn accuracy(self) -> f64 {
        self.right as f64 / self.asked as f64
    }
}

/// A mean over documents and how many had the cells for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanOver {
    /// The mean.
    pub value: f64,
    /// Documents that it is over, 1 or more.
    pub documents: usize,
}

/// Some of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// The share, 0 to 1; none of nothing.
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }
}

/// How answers changed between two askings of the same probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flips {
    /// 1->0: of those that were right, those that are wrong now.
    pub lost: Share,
    /// 0->1: of those that were wrong, those that are right now.
    pub gained: Share,
}

impl Flips {
    /// Counts pairs of (right before, right after).
    pub fn count(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut flips = Self::default();
        for (before, after) in pairs {
            let share = if before { &mut flips.lost } else { &mut flips.gained };
            share.of += 1;
            share.count += usize::from(before != after);
        }
        flips
    }
}

/// What the matrix says at its last row. `R(g, d)` is the accuracy of generation g on document d. A document that lacks a
/// cell that a figure needs is left out of that figure; a figure that no document has the cells for is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Mean of `R(last, d)` over learned documents (ACC, Lopez-Paz & Ranzato 2017, eq. 2).
    pub accuracy: Option<MeanOver>,
    /// Mean of `R(last, d) - R(learned, d)` over documents learned before the last row (BWT, eq. 3): below 0 is forgetting.
    pub backward_transfer: Option<MeanOver>,
    /// Mean of `R(before learned, d) - R(base, d)` over documents learned after the first generation (FWT, eq. 4; the base stands
    /// for their untrained network).
    pub forward_transfer: Option<MeanOver>,
    /// Mean of `max R(g, d) over g before the last - R(last, d)` over documents learned before the last row (Chaudhry et
    /// al. 2018, section 3.2, eq. 3).
    pub forgetting: Option<MeanOver>,
    /// Probes asked both when their document was learned and in the last row, documents learned before the last row.
    pub flips: Flips,
    /// Learned documents that the last row knows less of than the base did, among those asked of both.
    pub below_base: Share,
}

/// Generations by documents. Cells may be missing: a document is not learned yet, or was not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    generations: Vec<GenerationId>,
    columns: Vec<Column>,
    answers: BTreeMap<(GenerationId, DocumentId), BTreeMap<ProbeId, bool>>,
}

impl Matrix {
    /// The matrix of the generations that lead to the live one, oldest first, and of `columns`. Outcomes of other generations or
    /// documents are passed over; of two outcomes of one probe and generation the later in order counts.
    pub fn new(generations: Vec<GenerationId>, columns: Vec<Column>, outcomes: &[Outcome]) -> Self {
        let rows: BTreeSet<GenerationId> = generations.iter().copied().collect();
        let documents: BTreeSet<DocumentId> = columns.iter().map(|column| column.document).collect();
        let mut answers: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for outcome in outcomes {
            if rows.contains(&outcome.generation) && documents.contains(&outcome.document) {
                let cell: &mut BTreeMap<_, _> =
                    answers.entry((outcome.generation, outcome.document)).or_default();
                cell.insert(outcome.probe, outcome.right);
            }
        }
        Self { generations, columns, answers }
    }

    /// Its rows, oldest first.
    pub fn generations(&self) -> &[GenerationId] {
        &self.generations
    }

    /// Its columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What a generation answered on a document; none if nothing was asked.
    pub fn cell(&self, generation: GenerationId, document: DocumentId) -> Option<Cell> {
        let answers = self.answers.get(&(generation, document))?;
        Some(Cell { right: answers.values().filter(|right| **right).count(), asked: answers.len() })
    }

    /// The figures at the last row.
    pub fn figures(&self) -> Figures {
        self.figures_at(self.generations.len().saturating_sub(1))
    }

    /// The figures as they stood when row `last` was the last one; all none beyond the matrix.
    pub fn figures_at(&self, last: usize) -> Figures {
        let learned =
            || self.columns.iter().filter_map(move |c| self.learned_row(c, last).map(|row| (row, c)));
        let earlier = || learned().filter(|(row, _)| *row < last);
        let below = learned()
            .filter_map(|(_, column)| Some(self.accuracy(last, column)? < self.base_accuracy(column)?));
        let below: Vec<bool> = below.collect();
        Figures {
            accuracy: mean(learned().map(|(_, column)| self.accuracy(last, column))),
            backward_transfer: mean(
                earlier().map(|(row, c)| Some(self.accuracy(last, c)? - self.accuracy(row, c)?)),
            ),
            forward_transfer: mean(
                learned()
                    .filter(|(row, _)| self.has_learned_before(*row))
                    .map(|(row, c)| Some(self.accuracy(row.checked_sub(1)?, c)? - self.base_accuracy(c)?)),
            ),
            forgetting: mean(
                earlier().map(|(_, c)| Some(self.best_before(last, c)? - self.accuracy(last, c)?)),
            ),
            flips: Flips::count(earlier().flat_map(|(row, column)| self.pairs(row, last, column))),
            below_base: Share { count: below.iter().filter(|b| **b).count(), of: below.len() },
        }
    }

    /// The row that learned a column, if that is `last` or earlier.
    fn learned_row(&self, column: &Column, last: usize) -> Option<usize> {
        let learned = column.learned?;
        self.generations.iter().position(|generation| *generation == learned).filter(|row| *row <= last)
    }

    /// Whether anything was learned before that row: forward transfer is from something.
    fn has_learned_before(&self, row: usize) -> bool {
        self.generations[..row].iter().any(|generation| *generation != GenerationId::BASE)
    }

    fn accuracy(&self, row: usize, column: &Column) -> Option<f64> {
        self.cell(*self.generations.get(row)?, column.document).map(Cell::accuracy)
    }

    fn base_accuracy(&self, column: &Column) -> Option<f64> {
        self.cell(GenerationId::BASE, column.document).map(Cell::accuracy)
    }

    fn best_before(&self, last: usize, column: &Column) -> Option<f64> {
        (0..last).filter_map(|row| self.accuracy(row, column)).reduce(f64::max)
    }

    fn pairs(&self, from: usize, to: usize, column: &Column) -> Vec<(bool, bool)> {
        let cell = |row: usize| self.answers.get(&(*self.generations.get(row)?, column.document));
        let (Some(before), Some(after)) = (cell(from), cell(to)) else { return Vec::new() };
        before.iter().filter_map(|(probe, right)| Some((*right, *after.get(probe)?))).collect()
    }
}

/// The mean of what there is.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<MeanOver> {
    let values: Vec<f64> = values.flatten().collect();
    let documents = values.len();
    (documents > 0).then(|| MeanOver { value: values.iter().sum::<f64>() / documents as f64, documents })
}

#[cfg(test)]
mod tests;
