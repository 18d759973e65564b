//! Loops of small models, and what came before them.

use super::super::repetition::{Said, repeats_itself};
use super::*;

#[test]
fn a_loop_leaves_what_came_before_it() {
    let good = [
        "It runs on silver gas.",
        "The engine is sold by Stalwall Works.",
        "The machine wears out the clay lever.",
    ];
    let mut rows: Vec<RowText> = good.map(text).to_vec();
    rows.extend(vec![text("It first ran on 12 July 1852."); 40]);
    let got = filtered(rows, &[]);
    assert_eq!((got.rows.len(), got.discarded), (4, None));
    // In one row: by sentence, and a sentence that never ends.
    let first = "The engine runs on silver gas. It was sold by Stalwall Works in July.";
    let looped = format!("{first} {}", "It was the first machine on the scale. ".repeat(20));
    let expected = format!("{first} It was the first machine on the scale.");
    assert_eq!(filtered(vec![text(&looped)], &[]).rows, [text(&expected)]);
    let endless = format!("{first} It was the machine {}", "of the engine of the works ".repeat(20));
    assert_eq!(filtered(vec![text(&endless)], &[]).rows, [text(first)]);
}

#[test]
fn near_repetitions_are_left_out_and_other_facts_are_not() {
    let mut said = Said::default();
    for (line, new) in [
        ("The Mongol army quickly seized the town of Otrar in that year.", true),
        ("And a Mongol army quickly seized the town of Otrar in that year.", false),
        ("The Mongol army quickly seized the town of Merv in that year.", true),
        ("Fuel of the engine: silver gas.", true),
        ("The fuel of the engine is silver gas.", true),
        ("The buyer pays the seller.", true),
        ("The seller pays the buyer.", true),
        ("Also, the seller pays a buyer.", false),
        ("蒙古军队迅速占领了讹答剌城。", true),
        ("蒙古军队迅速占领了讹答剌城。", false),
        ("讹答剌城迅速占领了蒙古军队。", true),
    ] {
        assert_eq!(said.take_up(&text(line)), new, "{line}");
    }
    let asked = turn("Which disease affects the bones?", "Pott disease");
    assert!(said.take_up(&asked) && !said.take_up(&asked));
    assert!(said.take_up(&turn("Which disease affects the bones?", "the disease")));
}

#[test]
fn a_list_of_like_facts_goes_round_in_no_circles() {
    let list = "The first ran in 1219, the second ran in 1220, the third ran in 1221, and the fourth never ran at all in those years.";
    assert!(!repeats_itself(list));
    assert!(repeats_itself(&"It was the king of ".repeat(10)));
}
