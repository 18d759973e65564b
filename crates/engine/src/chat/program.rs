//! A chat template as the template engine's instructions, changed so that what makes texts and lists asks first (`filters`, `made`).
//!
//! The engine counts instructions, not bytes, and has no hook where texts are joined: forty rounds of `x ~ x` are a
//! terabyte. So the instructions that make much are surrounded by filters of our own, whose names no template can write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use minijinja::machinery::{
    CodeGenerator, Instruction, Instructions, Token, eval, make_string_output, parse, tokenize,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error};

use super::filters::{BESIDE, JOINED, MACRO, NAMED, PART, REPEATED, STORED};

const NAME: &str = "chat_template";
/// The filter that gives back what it gets. With it before a `*`, nothing is multiplied while the template is read.
pub(super) const AS_IS: &str = "as_is_when_rendered";
/// Instructions find the filter by its name each time.
const BY_NAME: u8 = u8::MAX;

/// A template ready to be rendered.
#[derive(Debug)]
pub(super) struct Program {
    instructions: Instructions<'static>,
    blocks: BTreeMap<&'static str, Instructions<'static>>,
}

impl Program {
    /// Reads a template. Its depth is that of the stack it needs.
    pub(super) fn read(source: &str, syntax: &SyntaxConfig) -> Result<Self, Error> {
        let source = kept(multiplied_later(source, syntax));
        let tree = parse(source, NAME, syntax.clone())?;
        let mut generator = CodeGenerator::new(NAME, source);
        generator.compile_stmt(&tree);
        let (instructions, blocks) = generator.finish();
        let blocks = blocks.iter().map(|(name, block)| (*name, counted(block))).collect();
        Ok(Self { instructions: counted(&instructions), blocks })
    }

    /// What the template makes of `context`.
    pub(super) fn render(&self, env: &Environment<'_>, context: Value) -> Result<String, Error> {
        let mut text = String::new();
        let mut out = make_string_output(&mut text);
        eval(env, &self.instructions, context, &self.blocks, &mut out, AutoEscape::None)?;
        Ok(text)
    }
}

/// The text for as long as the process lives: instructions borrow from it, and a process meets few templates.
fn kept(source: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(source) = kept.get(source.as_str()) {
        return source;
    }
    let source = Box::leak(source.into_boxed_str());
    kept.insert(source);
    source
}

/// `source` with [`AS_IS`] before each `*` between two values.
fn multiplied_later(source: &str, syntax: &SyntaxConfig) -> String {
    let mut text = String::with_capacity(source.len());
    let mut from = 0;
    let mut value_before = false;
    // What cannot be told apart is an error for the parser.
    for (token, span) in tokenize(source, false, syntax.clone()).map_while(Result::ok) {
        let at = span.start_offset as usize;
        if let (Token::Mul, true, Some(before)) = (&token, value_before, source.get(from..at)) {
            text.extend([before, "|", AS_IS, " "]);
            from = at;
        }
        value_before = matches!(
            token,
            Token::Ident(_)
                | Token::Str(_)
                | Token::String(_)
                | Token::Int(_)
                | Token::Int128(_)
                | Token::Float(_)
                | Token::ParenClose
                | Token::BracketClose
                | Token::BraceClose
        );
    }
    text.push_str(source.get(from..).unwrap_or_default());
    text
}

/// The instructions with those that ask.
fn counted(plain: &Instructions<'static>) -> Instructions<'static> {
    let all: Vec<_> = (0..).map_while(|at| plain.get(at)).map(asking).collect();
    let mut begins = Vec::with_capacity(all.len() + 1);
    let mut next: u32 = 0;
    for some in &all {
        begins.push(next);
        next += some.len() as u32;
    }
    begins.push(next);
    let mut new = Instructions::new(plain.name(), plain.source());
    for (at, some) in all.into_iter().enumerate() {
        let at = at as u32;
        for mut instruction in some {
            if let Some(target) = target(&mut instruction) {
                *target = begins.get(*target as usize).copied().unwrap_or(next);
            }
            match (plain.get_span(at), plain.get_line(at)) {
                (Some(span), _) => new.add_with_span(instruction, span),
                (None, Some(line)) => new.add_with_line(instruction, line.try_into().unwrap_or(u16::MAX)),
                (None, None) => new.add(instruction),
            };
        }
    }
    new
}

/// What stands for an instruction. The two values that an operator takes are given back in the order that it takes them in.
fn asking(instruction: &Instruction<'static>) -> Vec<Instruction<'static>> {
    let ask = |filter: &'static str, values: u16| Instruction::ApplyFilter(filter, Some(values), BY_NAME);
    let own = instruction.clone();
    match instruction {
        Instruction::StringConcat => vec![ask(JOINED, 2)],
        Instruction::Add => vec![ask(BESIDE, 2), Instruction::UnpackList(2), own],
        Instruction::Mul => vec![ask(REPEATED, 2), Instruction::UnpackList(2), own, ask(PART, 1)],
        Instruction::Slice => vec![own, ask(PART, 1)],
        Instruction::BuildList(_) | Instruction::BuildTuple(_) | Instruction::BuildMap(_) => {
            vec![own, ask(STORED, 1)]
        }
        Instruction::BuildMacro(..) => vec![own, ask(MACRO, 1)],
        Instruction::SetAttr(_) => vec![Instruction::Swap, ask(NAMED, 1), Instruction::Swap, own],
        // The formatter counts it; what is safe is not escaped.
        Instruction::EmitRaw(raw) => {
            let raw = Value::from_safe_string((*raw).to_string());
            vec![Instruction::LoadConst(raw), Instruction::Emit]
        }
        _ => vec![own],
    }
}

/// Where an instruction jumps to.
fn target<'i>(instruction: &'i mut Instruction<'static>) -> Option<&'i mut u32> {
    match instruction {
        Instruction::Iterate(to)
        | Instruction::Jump(to)
        | Instruction::JumpIfFalse(to)
        | Instruction::JumpIfFalseOrPop(to)
        | Instruction::JumpIfTrueOrPop(to)
        | Instruction::BuildMacro(_, to, _) => Some(to),
        _ => None,
    }
}
