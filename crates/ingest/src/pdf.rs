//! PDF with a text layer: the glyphs of each page with their places, put together to lines.

use std::time::{Duration, Instant};

use hayro_interpret::font::{Glyph, GlyphRun};
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::page::Page;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, TransformExt, interpret_page,
};

use super::Limits;
use super::blocks::{first_heading, render};
use super::extract::Draft;
use super::pdf_lines::{Line, blocks};
use seald_core::error::{Error, Kind, Result};

/// Fonts count their lengths in thousandths of their size.
const UNITS_PER_EM: f64 = 1000.0;
/// A gap wider than this share of the font's size is a blank.
const BLANK: f64 = 0.15;
/// Smaller text is not there to be read, points.
const SMALLEST: f64 = 1.0;

/// Reads a document. Its title is its largest heading, or the one in its properties.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Draft> {
    let begun = Instant::now();
    let pdf = Pdf::new(bytes.to_vec()).map_err(refusal)?;
    let count = pdf.pages().len();
    if count > limits.pages {
        let text = format!("has {count} pages, at most {} are read: split it into parts", limits.pages);
        return Err(Error::new(Kind::Unsupported, text));
    }
    let cache = InterpreterCache::new();
    let (mut pages, mut unnamed, mut chars) = (Vec::new(), 0, 0);
    for page in pdf.pages().iter() {
        if begun.elapsed() > Duration::from_secs(limits.seconds) {
            let text = format!("took longer than {} s to read: split it into parts", limits.seconds);
            return Err(Error::new(Kind::Unsupported, text));
        }
        let mut lines = Lines::default();
        show(page, &pdf, &cache, &mut lines);
        unnamed += lines.unnamed;
        chars += lines.done.iter().map(|line| line.text.len()).sum::<usize>();
        // Four bytes a character at most: this much is over the limit on characters, however it is joined.
        if chars / 4 > limits.text_chars {
            let text = format!("holds more than {} characters: split it into parts", limits.text_chars);
            return Err(Error::new(Kind::Unsupported, text));
        }
        pages.push(lines.done);
    }
    refuse_silent(&pages, unnamed)?;
    let blocks = blocks(pages);
    let title = first_heading(&blocks).or_else(|| property_title(&pdf));
    Ok(Draft { title, text: render(&blocks) })
}

fn show<'a>(page: &Page<'a>, pdf: &'a Pdf, cache: &InterpreterCache<'a>, lines: &mut Lines) {
    let (width, height) = page.render_dimensions();
    let area = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let upright = page.initial_transform(true).to_kurbo();
    let mut context = Context::new(upright, area, cache, pdf.xref(), InterpreterSettings::default());
    interpret_page(page, &mut context, lines);
    lines.end_line();
}

fn refusal(e: LoadPdfError) -> Error {
    match e {
        LoadPdfError::Decryption(DecryptionError::PasswordProtected) => {
            Error::new(Kind::Unsupported, "is encrypted with a password: save it without one")
        }
        LoadPdfError::Decryption(_) => {
            let text = "is encrypted in a way that is not known here: save it without encryption";
            Error::new(Kind::Unsupported, text)
        }
        LoadPdfError::Invalid => Error::new(Kind::Corrupt, "is no whole PDF: export or download it again"),
    }
}

/// Refuses pages without words, by what they show instead.
fn refuse_silent(pages: &[Vec<Line>], unnamed: usize) -> Result<()> {
    let named =
        pages.iter().flatten().flat_map(|line| line.text.chars()).filter(|c| c.is_alphanumeric()).count();
    match (named, unnamed) {
        (0, 0) => {
            let text =
                "has no text layer, as scanned pages have none: run OCR on it (ocrmypdf) and give the result";
            Err(Error::new(Kind::Unsupported, text))
        }
        (named, unnamed) if unnamed > named => {
            let text = "its fonts do not say which characters they show: export it again, or run OCR on it (ocrmypdf --force-ocr)";
            Err(Error::new(Kind::Unsupported, text))
        }
        _ => Ok(()),
    }
}

/// The title in the properties, unless a program put a file name there.
fn property_title(pdf: &Pdf) -> Option<String> {
    let bytes = pdf.metadata().title.as_deref()?;
    // PDF strings are UTF-16 or UTF-8 with a mark, or PDFDocEncoding, which is Latin-1 but for a few signs.
    let text = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned(),
        None => bytes.iter().map(|b| char::from(*b)).collect(),
    };
    let lower = text.trim().to_lowercase();
    let file = lower.starts_with("microsoft word") || lower.starts_with("untitled");
    let ending =
        [".doc", ".docx", ".pdf", ".tex", ".dvi", ".indd", ".odt"].iter().any(|e| lower.ends_with(e));
    (!lower.is_empty() && !file && !ending).then_some(text)
}

/// A page's text as far as it was drawn. Lengths are points; y grows downwards.
#[derive(Default)]
struct Lines {
    done: Vec<Line>,
    line: Option<Line>,
    /// Where the last run began and what it said: text drawn twice (filled, then outlined) is said once.
    last: Option<(Point, String)>,
    /// Glyphs of fonts that do not say what they are.
    unnamed: usize,
}

impl Lines {
    fn end_line(&mut self) {
        if let Some(line) = self.line.take().filter(|line| !line.text.trim().is_empty()) {
            self.done.push(line);
        }
    }

    /// Adds what stands from `from` to `to` in letters of `size`.
    fn push(&mut self, text: &str, from: Point, to: Point, size: f64) {
        let follows = self.line.as_ref().is_some_and(|line| {
            let tall = line.size.max(size);
            (from.y - line.y).abs() < tall / 2.0 && from.x > line.x1 - tall
        });
        if !follows {
            self.end_line();
        }
        let line = self.line.get_or_insert_with(|| Line::new(from.x, from.y, size));
        let gap = from.x - line.x1 > BLANK * size;
        if (gap && !line.text.is_empty() && !line.text.ends_with(' ') && text != " ")
            || (text == " " && line.text.ends_with(' '))
        {
            line.text.push(' ');
        }
        line.text.push_str(text);
        if !text.trim().is_empty() {
            line.x1 = line.x1.max(to.x);
            line.size = line.size.max(size);
        }
    }
}

impl<'a> Device<'a> for Lines {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        let mut said = String::new();
        let mut placed = Vec::with_capacity(run.glyphs().len());
        for glyph in run.glyphs() {
            let place = props.transform * glyph.transform();
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => String::new(),
            };
            let text: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
            if text.is_empty() || text.contains('\u{fffd}') {
                self.unnamed += 1;
                continue;
            }
            said.push_str(&text);
            placed.push((text, place, advance(glyph)));
        }
        let Some((_, first, _)) = placed.first() else { return };
        let origin = *first * Point::ZERO;
        let again = self
            .last
            .as_ref()
            .is_some_and(|(at, text)| *text == said && at.distance(origin) < 0.1 * size_of(*first));
        if again {
            return;
        }
        self.last = Some((origin, said));
        for (text, place, advance) in placed {
            let (from, to, size) = (place * Point::ZERO, place * Point::new(advance, 0.0), size_of(place));
            if size >= SMALLEST && size.is_finite() && from.is_finite() && to.is_finite() {
                self.push(&text, from, to, size);
            }
        }
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {}
    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}

/// How far a glyph reaches, in its own units.
fn advance(glyph: &Glyph<'_>) -> f64 {
    let width = match glyph {
        Glyph::Outline(glyph) => glyph.advance_width(),
        Glyph::Type3(glyph) => glyph.advance_width(),
    };
    width.map_or(UNITS_PER_EM / 2.0, f64::from)
}

/// The height of a font's square as it is drawn, points.
fn size_of(place: Affine) -> f64 {
    let [_, _, c, d, _, _] = place.as_coeffs();
    c.hypot(d) * UNITS_PER_EM
}
