//! The parts of an Office Open XML file: a ZIP archive whose claims are not believed, and its XML as flat events.

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;
use zip::result::ZipError;

use super::limits::{Limits, MAX_NESTED, size};
use seald_core::error::{Error, Kind, Result};

/// A part smaller than this may be packed as tightly as it likes, bytes.
const RATIO_FROM: u64 = 1 << 20;
/// Most files in an archive.
const MAX_PARTS: usize = 10_000;

/// An open archive.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    limits: &'a Limits,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl<'a> Archive<'a> {
    /// Opens `bytes`.
    ///
    /// # Errors
    /// [`Kind::Corrupt`], or [`Kind::Unsupported`] for too many parts or more bytes than the limits allow.
    pub(super) fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        if zip.len() > MAX_PARTS {
            return Err(bomb(&format!("{} parts", zip.len())));
        }
        if let Some(bytes) = zip.decompressed_size().filter(|b| *b > u128::from(limits.unpacked_bytes)) {
            return Err(bomb(&size(u64::try_from(bytes).unwrap_or(u64::MAX))));
        }
        Ok(Self { zip, limits, left: limits.unpacked_bytes })
    }

    /// The text of a part, if there is such a part.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] if it is encrypted, or comes to more than the limits allow, whatever it claims;
    /// [`Kind::Corrupt`].
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>> {
        let file = match self.zip.by_name(name) {
            Ok(file) => file,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(e) => return Err(damaged(e)),
        };
        let packed = file.compressed_size().max(1);
        let by_ratio = packed.saturating_mul(self.limits.ratio).max(RATIO_FROM);
        let most = self.left.min(by_ratio);
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| damaged(e.into()))?;
        if bytes.len() as u64 > most {
            return Err(bomb(&format!("more than {} from {}", size(most), size(packed))));
        }
        self.left -= bytes.len() as u64;
        let text = super::encoding::decode(&bytes).map_err(|e| e.context(format!("its part {name}")))?;
        Ok(Some(text))
    }
}

fn bomb(comes_to: &str) -> Error {
    let text = format!(
        "its ZIP archive unpacks to {comes_to}, more than a document needs: save it again, with fewer or smaller parts"
    );
    Error::new(Kind::Unsupported, text)
}

fn damaged(e: ZipError) -> Error {
    match e {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => {
            Error::new(Kind::Unsupported, "is encrypted with a password: save it without one")
        }
        e => Error::new(Kind::Corrupt, "its ZIP archive is damaged: save it again").with_source(e),
    }
}

/// What an XML text says, in order.
pub(super) enum Node<'e> {
    /// An element begins; its name without prefix. One that is empty begins and ends.
    Begin(&'e str, &'e BytesStart<'e>),
    /// It ends.
    End(&'e str),
    /// Characters.
    Text(&'e str),
}

/// Goes through `xml`. Entities that the text defines itself are dropped, so that nothing multiplies.
///
/// # Errors
/// [`Kind::Corrupt`] for what is no XML; [`Kind::Unsupported`] for elements nested too deep.
pub(super) fn each_node(xml: &str, mut seen: impl FnMut(Node<'_>)) -> Result<()> {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0_usize;
    loop {
        match reader.read_event().map_err(no_xml)? {
            Event::Start(start) => {
                depth += 1;
                if depth > MAX_NESTED {
                    let text = format!(
                        "its XML is nested more than {MAX_NESTED} deep: save it again from an editor"
                    );
                    return Err(Error::new(Kind::Unsupported, text));
                }
                seen(Node::Begin(start.local_name().as_ref(), &start));
            }
            Event::Empty(start) => {
                let name = start.local_name();
                seen(Node::Begin(name.as_ref(), &start));
                seen(Node::End(name.as_ref()));
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                seen(Node::End(end.local_name().as_ref()));
            }
            Event::Text(text) => seen(Node::Text(&text)),
            Event::CData(text) => seen(Node::Text(&text)),
            Event::GeneralRef(reference) => {
                if let Some(c) = reference.resolve_char_ref().map_err(no_xml)? {
                    seen(Node::Text(c.encode_utf8(&mut [0; 4])));
                } else if let Some(text) = resolve_predefined_entity(&reference) {
                    seen(Node::Text(text));
                }
            }
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// The value of an attribute, by its name without prefix.
pub(super) fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|a| a.key.local_name().as_ref() == name)?;
    Some(found.value.into_owned())
}

fn no_xml(e: impl Into<quick_xml::Error>) -> Error {
    Error::new(Kind::Corrupt, "its XML is damaged: save it again").with_source(e.into())
}
