//! Capitals, numbers and abbreviations: what is a name from elsewhere, and what only looks like one.

use super::super::grounding::Source;
use super::*;

const MUSEUM: &str = "The Victoria and Albert Museum in London, in Britain, was founded in the nineteenth century. The United States \
    lent works to it in 1852. The Mongol army quickly seized the town of Otrar, as the Shah's army was split by feuds.";

const STADT: &str =
    "Die Stadt Otrar fiel 1219 an die Mongolen. Der Schah floh auf eine kleine Insel und starb dort.";

fn missing(passage: &str, statement: &str) -> Option<String> {
    let reason = Source::new("", passage).ungrounded(statement)?;
    reason.split('"').nth(1).map(str::to_string)
}

#[test]
fn forms_that_the_passage_has_otherwise_are_grounded() {
    for line in [
        "It was founded in the 19th century.",
        "In 1852 the U.S. lent works to it.",
        "In 1852 the US lent works to it.",
        "Works in the V&A came from overseas.",
        "The British museum was founded in London.",
        "The museum, as Dr. Mongol and Mr. Otrar saw, was founded in London.",
    ] {
        assert_eq!(missing(MUSEUM, line), None, "{line}");
    }
    assert_eq!(missing("The U.S. entered the war.", "After that the US fought."), None);
    assert_eq!(missing(MUSEUM, "It was founded in the 18th century.").as_deref(), Some("18th"));
    assert_eq!(missing(MUSEUM, "The French museum was founded in London."), Some("French".into()));
}

#[test]
fn title_case_is_no_name() {
    for line in [
        "Strategic Advantage: the army was split by feuds.",
        "Loss of Unity: the Shah's army was split.",
        "The Mongols Quickly Seized Otrar, Relying on Superior Planning and Division",
    ] {
        assert_eq!(missing(MUSEUM, line), None, "{line}");
    }
    for (line, name) in [
        ("Marie Curie: the army was split by feuds.", "Curie"),
        ("The Mongols Quickly Seized Samarkand, Relying on Superior Planning", "Samarkand"),
        ("The Advantage of Samarkand: the army was split.", "Samarkand"),
        ("The army was split by Bukhara.", "Bukhara"),
    ] {
        assert_eq!(missing(MUSEUM, line).as_deref(), Some(name), "{line}");
    }
}

#[test]
fn german_nouns_are_no_names() {
    for line in [
        "Der Bürgermeister zahlt eine Abgabe an die Mongolen.",
        "Nach der Eroberung war die Lage der Bewohner von Otrar schlecht.",
        "Der Statthalter Otrars verlor seine Stellung und sein Leben.",
    ] {
        assert_eq!(missing(STADT, line), None, "{line}");
    }
    for (line, name) in [
        ("Der Schah starb in Samarkand und die Stadt fiel.", "Samarkand"),
        ("Die Stadt wurde von Dschingis Khan eingenommen.", "Dschingis"),
        ("Die Stadt fiel 1220 an die Mongolen.", "1220"),
    ] {
        assert_eq!(missing(STADT, line).as_deref(), Some(name), "{line}");
    }
}

#[test]
fn code_is_no_name() {
    let passage = "The parser returns a result. It counts 32 tokens with count_tokens and is called once.";
    for line in [
        "It returns Result<u8> or calls Parser::new(x).",
        "The field of parser.Config is set, as in Count(x).",
    ] {
        assert_ne!(missing(passage, line).as_deref(), Some("Result"), "{line}");
        assert_ne!(missing(passage, line).as_deref(), Some("Config"), "{line}");
        assert_ne!(missing(passage, line).as_deref(), Some("Count"), "{line}");
    }
    assert_eq!(missing(passage, "It counts 64 tokens.").as_deref(), Some("64"));
}

#[test]
fn full_width_numbers_are_numbers() {
    let passage = "成吉思汗给了他们20,000人。1219年，蒙古军队占领了讹答剌。";
    assert_eq!(missing(passage, "蒙古军队于１２１９年占领了讹答剌。"), None);
    assert!(missing(passage, "蒙古军队于１２２０年占领了讹答剌。").is_some());
    assert!(grounded("讹答剌", passage));
    assert!(!grounded("撒马尔罕", passage));
}

#[test]
fn verdicts_are_grounded() {
    for (answer, expected) in [
        ("True", true),
        ("False", true),
        ("Yes, it was", true),
        ("No, Otrar", true),
        ("Yes, in Paris", false),
    ] {
        assert_eq!(grounded(answer, MUSEUM), expected, "{answer}");
    }
}

proptest! {
    #[test]
    fn any_statement_is_judged(passage in "\\PC{0,80}", statement in "([A-Z][a-zäß]{0,6}|\\PC{0,3}|[ :.&0-9]){0,30}") {
        let source = Source::new(&passage, &passage);
        prop_assert_eq!(source.ungrounded(""), None);
        let _ = source.ungrounded(&statement);
        let _ = source.ungrounded_answer(&statement, &passage);
    }
}
