//! Code fences: what stands between them is code, or text that a model put there.

/// Languages that a fence names. What it names otherwise (`text`, `markdown`, nothing) does not say that it holds code.
const LANGUAGES: &str = "asm bash c c++ cmake console cpp cs csharp css diff dockerfile go haskell html ini java javascript \
    js json json5 jsonc jsonl jsx julia kotlin lua makefile nix ocaml perl php powershell proto ps1 py \
    python r rb rs ruby rust scala sh shell sql swift toml ts tsx typescript vb xml yaml yml zig zsh";

/// The lines of a text but for the fences, each with whether it is code. A fence that nothing closes goes on to the end.
pub(super) fn unfenced(text: &str) -> Vec<(&str, bool)> {
    let mut lines: Vec<(&str, bool)> = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    for line in text.lines() {
        let Some(tag) = fence(line) else {
            lines.push((line, false));
            continue;
        };
        match open.take() {
            Some((from, opened)) => {
                mark(&mut lines[from..], opened);
                // A fence that names something opens another one.
                open = (!tag.is_empty()).then_some((lines.len(), tag));
            }
            None => open = Some((lines.len(), tag)),
        }
    }
    if let Some((from, opened)) = open {
        mark(&mut lines[from..], opened);
    }
    lines
}

/// What a line that is a fence names; none if it is no fence.
fn fence(line: &str) -> Option<&str> {
    let line = line.trim();
    let named = line.strip_prefix("```").or_else(|| line.strip_prefix("~~~"))?.trim_start_matches(['`', '~']);
    (!named.contains('`')).then(|| named.trim())
}

fn mark(lines: &mut [(&str, bool)], tag: &str) {
    let first = tag.split([' ', '{', ',']).next().unwrap_or_default();
    let language = LANGUAGES.split(' ').any(|known| known.eq_ignore_ascii_case(first));
    if language || mostly_code(lines) {
        lines.iter_mut().for_each(|line| line.1 = true);
    }
}

fn mostly_code(lines: &[(&str, bool)]) -> bool {
    // `# so` is a comment or a heading.
    let telling =
        lines.iter().map(|line| line.0.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut code, mut all) = (0, 0);
    for line in telling {
        all += 1;
        code += usize::from(is_code(line));
    }
    2 * code > all
}

/// Whether a line by itself looks like code.
fn is_code(line: &str) -> bool {
    let begins = [
        "import ",
        "def ",
        "fn ",
        "pub ",
        "let ",
        "const ",
        "var ",
        "return ",
        "if (",
        "for (",
        "while (",
        "//",
        "/*",
        "$ ",
        "<",
        "function ",
        "sudo ",
        "apt ",
        "curl ",
        "cargo ",
        "pip ",
        "npm ",
        "git ",
        "cd ",
        "echo ",
        "docker ",
        "export ",
        "print(",
        "@",
        "SELECT ",
        "else",
        "elif ",
    ];
    let holds = [" = ", "==", "=>", "->", "();", "::", "&&", "||", "!=", "+=", "({", "</", "--"];
    line.ends_with([';', '{', '}', '[', '(', '\\'])
        || line == ")"
        || line == "]"
        || begins.into_iter().any(|begin| line.starts_with(begin))
        || holds.into_iter().any(|sign| line.contains(sign))
        || is_call(line)
}

/// `name(..)` and nothing else.
fn is_call(line: &str) -> bool {
    let name = line.split('(').next().unwrap_or_default();
    name.len() < line.len()
        && !name.is_empty()
        && line.ends_with([')', ':'])
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}
