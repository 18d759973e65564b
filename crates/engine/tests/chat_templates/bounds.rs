//! What a template may take: work, nesting, texts that grow, and what it says to a terminal.

use seald_core::Kind;
use seald_engine::chat::{ChatTemplate, Role};

use super::{chat_of, turns};
use crate::held::peak_of;

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
        "{{ [1] | batch(9223372036854775807, 'x') }}",
        "{{ 'a' | indent(9223372036854775807, true) }}",
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

/// Ways to make much of little: each would take gigabytes, or for ever.
const GROWTHS: [&str; 41] = [
    "{% set ns.t = ns.t ~ ns.t %}",
    "{% set ns.t = ns.t + ns.t %}",
    "{% set ns.t = ns.t * 8 %}",
    "{% set ns.t = 8 * ns.t %}",
    "{% set ns.t = [ns.t, ns.t] | join('-') %}",
    "{% set ns.t = ns.t | join(ns.t) %}",
    "{% set ns.t = ns.t.join([ns.t, ns.t, ns.t]) %}",
    "{% set ns.t = '%s%s' | format(ns.t, ns.t) %}",
    "{% set ns.t = '{0}{0}'.format(ns.t) %}",
    "{% set ns.t = ns.t.replace('a', 'aa') %}",
    "{% set ns.t = ns.t | replace('a', 'aa') %}",
    "{% set ns.t = ns.t | e | e | replace('a', '&') %}",
    "{% set ns.t = [ns.t, ns.t] | string %}",
    "{% set ns.t = [ns.t, ns.t] | tojson %}",
    "{% set ns.t = [ns.t, ns.t] | pprint %}",
    "{% set ns.t = {'a': ns.t, 'b': ns.t} ~ '' %}",
    "{% set ns.t %}{{ ns.t }}{{ ns.t }}{% endset %}",
    "{% set ns.t = twice(ns.t) %}",
    "{% filter twice %}{{ ns.t }}{% endfilter %}{% set ns.t = twice(ns.t) %}",
    "{% set ns.t %}{% call(x) called() %}{{ ns.t }}{{ ns.t }}{% endcall %}{% endset %}",
    "{{ ns.t }}{% set ns.t = ns.t ~ '0123456789' * 9999 %}",
    "{% set ns.t = ns.t ~ '0123456789abcdef' * 6000000 %}",
    "{% set ns.l = ns.l + ns.l %}",
    "{% set ns.l = ns.l * 8 %}",
    "{% set ns.l = [ns.l, ns.l] %}",
    "{% set ns.l = (ns.l, ns.l) %}",
    "{% set ns.l = {'a': ns.l, 'b': ns.l} %}",
    "{% set ns.l = dict(a=ns.l, b=ns.l) %}",
    "{% set ns.l = ns.l + (ns.t * 99999) | list %}",
    "{% set ns.l = ns.l + [ns.t * 99999 ~ ns.l | length] %}",
    "{% set ns.l = ns.l + [('0123456789abcdef' * 99999)[1:]] %}",
    "{% set ns.l = ns.l + [('0123456789abcdef' * 99999) | upper] %}",
    "{% set ns.l = ns.l + ('a b ' * 99999).split(' ') %}",
    "{% set ns.l = ns.l + (range(99999) | list) %}",
    "{% set ns.l = ns.l + (range(99999) | batch(1) | list) %}",
    "{% set ns.l = [ns.l] %}",
    "{% set ns.l = [1] | batch(2, ns.l) %}",
    "{% set ns.l = ns.l[:] + [1] %}",
    "{% set ns.l = namespace(l=ns.l, m=ns.l) %}",
    "{% set ns.l = ns %}",
    "{% set ns.l = [ns] %}",
];

#[test]
fn whatever_a_template_doubles_it_takes_less_than_64_mib() {
    let hello = turns(&[(Role::User, "Hello")]);
    let begin = "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}{% macro called() %}{{ caller(1) }}{% endmacro %}\
                 {% set ns = namespace(t='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', l=[1, 2]) %}";
    for growth in GROWTHS {
        for end in ["{{ ns.t }}{{ ns.l }}", ""] {
            let loops = "{% for a in range(1000) %}";
            let chat = chat_of(&format!("{begin}{loops}{growth}{{% endfor %}}{end}"));
            let (rendered, peak) = peak_of(|| chat.render(&hello, true));
            assert!(peak < 64 << 20, "{growth}: {peak} bytes");
            let error = rendered.unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{growth}: {error}");
        }
    }
    // Text of the template's own, printed and captured, and what is written out while the template is read.
    let long = "a".repeat(30_000);
    for source in [
        format!("{{% for a in range(9999) %}}{long}{{% endfor %}}"),
        format!("{{% set x %}}{{% for a in range(9999) %}}{long}{{% endfor %}}{{% endset %}}"),
        format!("{{{{ {} }}}}", vec!["'a' * 90000000"; 300].join(" ~ ")),
        format!("{{% set x = [{}] %}}", vec!["['a'] * 9000000"; 300].join(", ")),
        "{{ strftime_now('%c' * 9000000) }}".to_string(),
        format!("{{{{ f({}) }}}}", vec!["('a' * 9000000)[1:]"; 300].join(", ")),
        "{% for a in range(9999) %}{% for b in range(9999) %}{% macro m() %}{% endmacro %}{% endfor %}{% endfor %}"
            .to_string(),
    ] {
        let (rendered, peak) =
            peak_of(|| ChatTemplate::new(&source, []).and_then(|chat| chat.render(&hello, true)));
        assert!(peak < 64 << 20, "{}: {peak} bytes", &source[..60]);
        assert_eq!(rendered.unwrap_err().kind(), Kind::Invalid);
    }
    let doubled = chat_of(&format!("{begin}{{% for a in range(99) %}}{}{{% endfor %}}", GROWTHS[0]));
    let error = doubled.render(&hello, true).unwrap_err().to_string();
    for part in ["makes more than 24 MB of text", "fewer or shorter", "chat_template.jinja"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_long_conversation_is_not_much_and_what_is_usual_is_as_it_was() {
    let usual = "{% set ns = namespace(all='', list=[]) %}{% for m in messages %}{% set content = m.content | trim %}\
        {% if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\n') %}{% endif %}\
        {% set ns.list = ns.list + [m] %}{{ '<|' + m.role + '|>' + content ~ '<|end|>' ~ (loop.index * 2 + 1) }}{% endfor %}\
        {{ ns.list | length }}{{ messages[1:][0].content }}{{ '=' * 3 }}{{ 2 * 3.5 }}{{ ([1] + [2]) * 2 }}{{ (1, 2) + (3,) }}";
    let mut many = Vec::new();
    for at in 0..300 {
        many.extend([(Role::User, "What is it? "), (Role::Assistant, "<think>so</think>\nIt is.")]);
        assert!(many.len() == 2 * at + 2);
    }
    let text = chat_of(usual).render(&turns(&many), false).unwrap();
    assert!(
        text.starts_with("<|user|>What is it?<|end|>3<|assistant|>It is.<|end|>5<|user|>"),
        "{}",
        &text[..99]
    );
    let end = "600<think>so</think>\nIt is.===7.0[1, 2, 1, 2](1, 2, 3)";
    assert!(text.ends_with(end), "{}", &text[text.len() - 99..]);
    let megabyte = "a word or two, ".repeat(70_000);
    let text = chat_of(usual)
        .render(&turns(&[(Role::User, &megabyte), (Role::Assistant, &megabyte)]), false)
        .unwrap();
    assert!(text.len() > 3 << 20);
}
