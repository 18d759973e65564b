//! The forgetting matrix: what each generation still knows of each document.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of generations, columns of documents, and what follows from them. On the wire `matrix` and `base_row` hold
/// the cells once more as plain shares.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "ForgettingWire", into = "ForgettingWire")]
pub struct ForgettingView {
    /// Folder names of the generations, oldest first.
    pub rows: Vec<String>,
    /// Those of them that were trained anew from the base on everything.
    pub consolidated: Vec<String>,
    /// The documents, in the order in which they were learned.
    pub columns: Vec<Column>,
    /// For each row one cell a column; none where nothing was asked.
    pub cells: Vec<Vec<Option<Cell>>>,
    /// The same for the base model without any adapter.
    pub base: Vec<Option<Cell>>,
    /// What follows from the cells.
    pub measures: Measures,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Column {
    /// The document's title or, if it has none, its path.
    pub document: String,
    /// The row in which it was learned; none if it was not.
    pub learned_in: Option<String>,
}

/// One generation asked about one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cell {
    /// Answers that were right.
    pub right: usize,
    /// Questions asked, at least 1.
    pub asked: usize,
}

impl Cell {
    /// `right / asked`, 0 to 1; none if nothing was asked.
    pub fn share(self) -> Option<f64> {
        (self.asked > 0).then(|| self.right as f64 / self.asked as f64)
    }
}

/// Some out of those that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// How many.
    pub count: usize,
    /// Out of how many.
    pub of: usize,
}

impl Tally {
    /// `count / of`, 0 to 1; none out of nothing.
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }
}

/// The measures of continual learning. With R(i, j) the share of document j that generation i answers right, T
/// documents, each learned in its own generation, and b(j) the base's share. None where there is too little to say.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Measures {
    /// Mean over j of R(T, j), 0 to 1 (Lopez-Paz & Ranzato 2017).
    pub accuracy: Option<f64>,
    /// Mean over j < T of R(T, j) - R(j, j), -1 to 1: below 0, later documents cost earlier ones (ibid.).
    pub backward_transfer: Option<f64>,
    /// Mean over j > 1 of R(j - 1, j) - b(j), -1 to 1: above 0, earlier documents helped with later ones (ibid.).
    pub forward_transfer: Option<f64>,
    /// Mean over j < T of max over i < T of R(i, j) - R(T, j), -1 to 1: how far below its best (Chaudhry et al. 2018).
    pub forgetting: Option<f64>,
    /// Answers that were right when the document was learned, or last, and are wrong now (1 -> 0).
    pub lost: Tally,
    /// Answers that were wrong and are right now (0 -> 1).
    pub won: Tally,
}

/// The forgetting matrix: what each generation still knows of each document.
#[derive(Serialize, Deserialize, ToSchema)]
struct ForgettingWire {
    /// Folder names of the generations, oldest first.
    rows: Vec<String>,
    /// Those of them that were trained anew from the base on everything.
    #[serde(default)]
    consolidated: Vec<String>,
    /// The documents, in the order in which they were learned.
    columns: Vec<Column>,
    /// For each row the share of right answers for each column, 0 to 1; null where nothing was asked.
    matrix: Vec<Vec<Option<f64>>>,
    /// The same as counts.
    cells: Vec<Vec<Option<Cell>>>,
    /// The shares of the base model without any adapter.
    base_row: Vec<Option<f64>>,
    /// The same as counts.
    base_cells: Vec<Option<Cell>>,
    #[serde(flatten)]
    measures: Measures,
    /// `lost` as a share, 0 to 1.
    lost_rate: Option<f64>,
    /// `won` as a share, 0 to 1.
    won_rate: Option<f64>,
}

wire_schema!(ForgettingView, ForgettingWire);

fn shares(cells: &[Option<Cell>]) -> Vec<Option<f64>> {
    cells.iter().map(|cell| cell.and_then(Cell::share)).collect()
}

impl From<ForgettingView> for ForgettingWire {
    fn from(view: ForgettingView) -> Self {
        let ForgettingView { rows, consolidated, columns, cells, base, measures } = view;
        Self {
            rows,
            consolidated,
            columns,
            matrix: cells.iter().map(|row| shares(row)).collect(),
            cells,
            base_row: shares(&base),
            base_cells: base,
            measures,
            lost_rate: measures.lost.rate(),
            won_rate: measures.won.rate(),
        }
    }
}

/// The plain shares and rates say nothing that the counts do not.
impl From<ForgettingWire> for ForgettingView {
    fn from(wire: ForgettingWire) -> Self {
        let ForgettingWire { rows, consolidated, columns, cells, base_cells: base, measures, .. } = wire;
        Self { rows, consolidated, columns, cells, base, measures }
    }
}
