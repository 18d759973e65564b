//! Learning while it is under way: a few lines that change at a terminal, plain lines elsewhere.

use indicatif::ProgressDrawTarget;
use seald_core::domain::progress::Progress;
use seald_terminal::Look;
use seald_terminal::lines::Lines;

use super::live_view::View;
use crate::output::{self, say};

/// What is shown on stderr while documents are learned.
pub(crate) enum Live {
    /// For a person at a terminal.
    View(Box<View>),
    /// For a log.
    Lines(Box<Lines>),
}

impl Live {
    /// Nothing is expected yet.
    pub(crate) fn new() -> Self {
        let look = Look::of_stderr();
        if output::watched() {
            Self::View(Box::new(View::new(look, ProgressDrawTarget::stderr())))
        } else {
            Self::Lines(Box::new(Lines::new(Some(0), look)))
        }
    }

    /// So many documents will come.
    pub(crate) fn expect(&mut self, documents: usize) {
        match self {
            Self::View(view) => view.expect(documents),
            Self::Lines(lines) => lines.expect(documents),
        }
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &Progress) {
        match self {
            Self::View(view) => view.show(event),
            Self::Lines(lines) => lines.tell(event).iter().for_each(say),
        }
    }

    /// Takes away what still moves; the lines of finished documents stay, and what follows begins on a new line.
    pub(crate) fn end(&mut self) {
        if let Self::View(view) = self {
            view.end();
            // The view fills its last line to the edge and leaves the cursor there.
            say("");
        }
    }
}
