//! The worked examples that a model sees before it is asked: invented texts, so that no answer of theirs is one of a document's.

use std::sync::LazyLock;

use crate::filter::{self, Example};

/// What one of the examples may have lent to a question.
pub(super) fn example(worked: &Worked) -> Option<&'static Example> {
    static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
        let texts = |worked: &Worked| {
            let pairs = worked.pairs.iter().flat_map(|(answer, question)| [*answer, *question]);
            [worked.title, worked.text].into_iter().chain(pairs).collect()
        };
        filter::examples(&WORKED.iter().map(texts).collect::<Vec<_>>())
    });
    let place = WORKED.iter().position(|one| one.title == worked.title)?;
    EXAMPLES.get(place)
}

/// A text with questions about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worked {
    /// What the text is about.
    pub(super) title: &'static str,
    /// One to three sentences.
    pub(super) text: &'static str,
    /// An answer that stands in the text, and a question for it.
    pub(super) pairs: &'static [(&'static str, &'static str)],
}

/// They are of the kinds that people have: an article, a manual, minutes, a README, a policy, a biography.
pub(super) const WORKED: &[Worked] = &[
    Worked {
        title: "Lindow Lighthouse",
        text: "The lighthouse was built in 1874 by the engineer Ruth Calder. It stands 31 metres tall on a reef of black basalt.",
        pairs: &[
            ("Ruth Calder", "Which engineer built Lindow Lighthouse?"),
            ("1874", "In what year was Lindow Lighthouse built?"),
            ("31 metres", "How tall is Lindow Lighthouse?"),
            ("black basalt", "What kind of rock does Lindow Lighthouse stand on?"),
        ],
    },
    Worked {
        title: "Tarn 400 coffee grinder",
        text: "Clean the burrs of the Tarn 400 every two weeks with a dry brush. Never put the hopper into the dishwasher; its seal melts at 70 degrees.",
        pairs: &[
            ("every two weeks", "How often should the burrs of the Tarn 400 be cleaned?"),
            ("a dry brush", "What are the burrs of the Tarn 400 cleaned with?"),
            ("70 degrees", "At what temperature does the seal of the Tarn 400's hopper melt?"),
            ("the hopper", "Which part of the Tarn 400 must not go into the dishwasher?"),
        ],
    },
    Worked {
        title: "Minutes of the Fernhill allotment club",
        text: "Odette Marsh was elected treasurer with nine votes. The club will buy a second water tank from Hobbs & Lane in April.",
        pairs: &[
            ("Odette Marsh", "Who was elected treasurer of the Fernhill allotment club?"),
            ("nine votes", "How many votes did the new treasurer of the Fernhill allotment club get?"),
            ("Hobbs & Lane", "From whom will the Fernhill allotment club buy a water tank?"),
            ("April", "In which month will the Fernhill allotment club buy its second water tank?"),
        ],
    },
    Worked {
        title: "quillsync",
        text: "quillsync copies notes between two folders. Start it with --watch to copy whenever a file changes; it keeps 12 old versions in the folder .quill.",
        pairs: &[
            ("--watch", "Which option makes quillsync copy whenever a file changes?"),
            ("12", "How many old versions of a file does quillsync keep?"),
            (".quill", "In which folder does quillsync keep old versions?"),
            ("notes", "What does quillsync copy between two folders?"),
        ],
    },
    Worked {
        title: "Travel policy of Brightwell Freight",
        text: "Employees of Brightwell Freight book train tickets through the office in Skelby. Hotels above 140 crowns a night need the signature of the regional manager.",
        pairs: &[
            (
                "Skelby",
                "Through the office in which town do employees of Brightwell Freight book train tickets?",
            ),
            (
                "140 crowns",
                "Above what price a night does Brightwell Freight ask for a signature for hotels?",
            ),
            ("the regional manager", "Whose signature do expensive hotels need at Brightwell Freight?"),
            ("train tickets", "What do employees of Brightwell Freight book through the office in Skelby?"),
        ],
    },
    Worked {
        title: "Amadeo Ruske",
        text: "Amadeo Ruske painted theatre curtains before he turned to glass. His window \"The Ferrymen\" was shown in Port Osk in 1931 and won the Halvard Prize.",
        pairs: &[
            ("theatre curtains", "What did Amadeo Ruske paint before he turned to glass?"),
            ("Port Osk", "Where was Amadeo Ruske's window \"The Ferrymen\" shown in 1931?"),
            ("the Halvard Prize", "Which prize did \"The Ferrymen\" by Amadeo Ruske win?"),
            ("glass", "Which material did Amadeo Ruske turn to after painting?"),
        ],
    },
];
