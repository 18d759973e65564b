//! Who examines, how varied texts are, and when a new writer takes the old one's place.

use super::*;
use seald_core::domain::self_edit::Format;

fn said(text: &str) -> Sample {
    let directive = Directive { format: Format::Rewrite, learning_rate: 1e-3, epochs: 5 };
    Sample { directive, texts: vec![text.into()], rows: Vec::new(), reward: None, discarded: None }
}

/// What the old writer earns, and the new one so much more, give or take a little.
fn pairs(more: f64) -> Vec<(f64, f64)> {
    (0..20).map(|i| (1.0 + f64::from(i), 1.0 + f64::from(i) + more + 0.1 * f64::from(i % 3 - 1))).collect()
}

#[test]
fn a_fifth_of_the_documents_examines_always_the_same() {
    let hashes: Vec<String> = (0..5000).map(|i| format!("{i:064x}")).collect();
    let exams = |share: f64| hashes.iter().filter(|hash| is_exam(hash, share)).count();
    // Four standard deviations of a binomial.
    assert!(exams(0.2).abs_diff(1000) < 113, "{}", exams(0.2));
    assert_eq!((exams(0.0), exams(1.0)), (0, 5000));
    let still = hashes.iter().all(|hash| !is_exam(hash, 0.2) || is_exam(hash, 0.3));
    assert!(still, "a larger share takes more documents, and no other ones");
}

#[test]
fn only_what_is_surely_better_is_promoted() {
    let options = WriterOptions::default();
    let better = decide(&pairs(0.5), 0.8, 0.8, &options);
    assert!(better.promoted && better.bound > 0.4 && better.documents == 20, "{better:?}");
    assert!((better.mean_gain - 0.5).abs() < 0.02, "{better:?}");
    let words = "its texts teach more: right answers are 1.6 times more probable with them, against the present writer's, on 20 documents (";
    assert!(better.reasons[0].starts_with(words), "{better:?}");
    let worse = decide(&pairs(-0.5), 0.8, 0.8, &options);
    assert!(!worse.promoted && worse.bound < 0.0, "{worse:?}");
    assert!(worse.reasons[0].starts_with("its texts teach no more: "), "{worse:?}");
    let noisy: Vec<(f64, f64)> = (0..20).map(|i| (0.0, if i % 2 == 0 { 2.0 } else { -1.5 })).collect();
    let chance = decide(&noisy, 0.8, 0.8, &options);
    assert!(!chance.promoted && chance.mean_gain > 0.0, "{chance:?}");
    assert!(chance.reasons[0].contains("could be chance"), "{chance:?}");
    assert!(!decide(&[(0.0, 0.0); 20], 0.8, 0.8, &options).promoted, "the same is not better");
}

#[test]
fn a_writer_that_always_writes_the_same_is_not_promoted() {
    let options = WriterOptions { diversity_floor: 0.5, ..WriterOptions::default() };
    assert!(decide(&pairs(0.5), 0.5, 0.25, &options).promoted, "at the floor");
    let less = decide(&pairs(0.5), 0.5, 0.25 - 1e-9, &options);
    assert!(!less.promoted && less.bound > 0.0, "{less:?}");
    assert_eq!(
        less.reasons[1],
        "its texts are too much alike: 25.0 % of the pairs of words in them differ, 50.0 % in the present writer's; at least 25.0 % are needed"
    );
}

#[test]
fn without_two_documents_nothing_is_shown() {
    for pairs in [&[][..], &[(0.0, 5.0)][..]] {
        let verdict = decide(pairs, 0.5, 0.5, &WriterOptions::default());
        assert!(!verdict.promoted && verdict.bound == f64::MIN, "{verdict:?}");
        assert!(verdict.reasons[0].contains("2 or more"), "{verdict:?}");
        assert!(serde_json::to_string(&verdict).is_ok());
    }
}

#[test]
fn diversity_counts_pairs_of_words_that_differ() {
    // a b, b a, a b: two of three.
    assert_eq!(diversity(&[said("a b a b")]), 2.0 / 3.0);
    // Pairs do not reach from one text into the next: a b, c d.
    assert_eq!(diversity(&[said("a b"), said("c d")]), 1.0);
    assert_eq!(diversity(&[said("a b"), said("a b")]), 0.5);
    assert_eq!((diversity(&[]), diversity(&[said("")])), (0.0, 0.0));
}

#[test]
fn diversity_does_not_fall_because_there_is_more_text() {
    let fresh = |from: usize, words: usize| {
        said(&(from..from + words).map(|i| format!("word{i}")).collect::<Vec<_>>().join(" "))
    };
    // Every window of 400 words begins again with the same words, which one longer window would count as repeated.
    let long: Vec<Sample> = (0..4).map(|_| fresh(0, 400)).collect();
    assert_eq!(diversity(&long[..1]), 1.0);
    assert_eq!(diversity(&long), 1.0);
    // A rest of less than a window does not count.
    assert_eq!(diversity(&[fresh(0, 400), said("a a a a")]), 1.0);
}

#[test]
fn options_out_of_range_are_named() {
    assert!(WriterOptions::default().validate().is_ok());
    let wrong = [
        ("rank", r#"{"rank": 0}"#),
        ("alpha", r#"{"alpha": 0}"#),
        ("learning_rate", r#"{"learning_rate": -1e-3}"#),
        ("epochs", r#"{"epochs": 0}"#),
        ("exam_share", r#"{"exam_share": 1}"#),
        ("exam_documents", r#"{"exam_documents": 1}"#),
        ("samples", r#"{"samples": 33}"#),
        ("trial_steps", r#"{"trial_steps": 0}"#),
        ("min_examples", r#"{"min_examples": 0}"#),
        ("confidence", r#"{"confidence": 1}"#),
        ("diversity_floor", r#"{"diversity_floor": 1.1}"#),
        ("log_floor", r#"{"log_floor": 0}"#),
    ];
    for (name, json) in wrong {
        let options: WriterOptions = serde_json::from_str(json).unwrap();
        let error = options.validate().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(serde_json::from_str::<WriterOptions>(r#"{"rnk": 1}"#).is_err());
}
