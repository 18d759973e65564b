//! What a template may take: work, nesting, texts that grow, and what it says to a terminal.

use seald_core::Kind;
use seald_engine::chat::{ChatTemplate, Role};

use super::{chat_of, turns};

#[test]
fn a_template_without_bounds_is_refused_and_the_program_goes_on() {
    let hello = turns(&[(Role::User, "Hello")]);
    let loops = "{% for a in range(9000) %}{% for b in range(9000) %}{% for c in range(9000) %}{% endfor %}{% endfor %}{% endfor %}";
    let grown = "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(40) %}{% set ns.t = ns.t | replace('a', 'aaaaaaaa') %}{% endfor %}{{ ns.t }}";
    let method = grown.replace("ns.t | replace('a', 'aaaaaaaa')", "ns.t.replace('a', 'aaaaaaaa')");
    for source in [
        loops,
        grown,
        &method,
        "{{ messages | tojson(indent=1000000000) }}",
        "{{ 'a' | indent(1000000000, true) }}",
        "{{ 'a' | indent(width=1000000000, first=true) }}",
        "{{ [1] | batch(1000000000, 'x') }}",
        "{{ [1] | slice(1000000000) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 'a' * 10000000000 }}",
    ] {
        let error = chat_of(source).render(&hello, true).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(error.to_string().contains("chat template"), "{error}");
    }
    let usual =
        "{{ 'a\nb' | indent(2) }}{{ [1, 2, 3] | batch(2, 0) }}{{ '%3d' | format(1) }}{{ '{:>3}'.format(1) }}";
    assert_eq!(chat_of(usual).render(&hello, true).unwrap(), "a\n  b[[1, 2], [3, 0]]  1  1");
    // Nested as deep as the longest template can: it is read, or refused.
    for (begin, repeated, end) in [
        ("{{ ", "not ", "true }}"),
        ("{{ ", "-", "1 }}"),
        ("{{ 1", "+1", " }}"),
        ("{{ 'a'", "~'a'", " }}"),
        ("{{ x", ".a", " }}"),
        ("{{ 'a'", "|upper", " }}"),
        ("{{ ", "(", "1"),
        ("", "{% if 1 %}", ""),
    ] {
        let room = (64 << 10) - begin.len() - end.len();
        let source = format!("{begin}{}{end}", repeated.repeat(room / repeated.len()));
        if let Ok(chat) = ChatTemplate::new(&source, []) {
            let _ = chat.render(&hello, true);
        }
    }
    let error = ChatTemplate::new(&"a".repeat((64 << 10) + 1), []).unwrap_err();
    assert!(error.to_string().contains("65536"), "{error}");
}

#[test]
fn what_a_template_says_is_fit_for_a_terminal() {
    let chat = chat_of("{{ raise_exception('no\u{1b}[31m red\n line') }}");
    let error = chat.render(&turns(&[(Role::User, "Hello")]), true).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(one) = cause {
        text.push_str(&one.to_string());
        cause = one.source();
    }
    assert!(text.contains("red") && !text.contains(char::is_control), "{text:?}");
}
