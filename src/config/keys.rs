//! The options by name, with what is said of them: taken from the structs themselves.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use utoipa::PartialSchema;

use super::{AnswersOptions, ApiOptions, Config, InboxOptions, LogOptions, ResourceOptions, ScheduleOptions};
use crate::endpoint::{EndpointOptions, ServingOptions};
use seald_ingest::Limits;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::gate::GateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::writer::WriterOptions;

/// One `[section]` of the file, or what stands above all sections.
pub(super) struct Section {
    /// Its name; "" above all sections.
    pub(super) name: &'static str,
    /// What it is about, from the comment on the field of [`Config`].
    pub(super) about: String,
    /// Its options, in the order of the struct.
    pub(super) keys: Vec<Key>,
}

/// One option.
pub(super) struct Key {
    /// As written in the file.
    pub(super) name: &'static str,
    /// Meaning, unit and range, from the comment on its field.
    pub(super) about: String,
    /// Where the option is a list of tables: what one of them holds.
    pub(super) each: Vec<Key>,
}

/// Every section, what stands above them first.
pub(super) fn sections() -> Vec<Section> {
    let mut sections = vec![
        section::<ApiOptions>("api"),
        section::<AnswersOptions>("answers"),
        section::<InboxOptions>("inbox"),
        section::<LearnOptions>("learn"),
        section::<EndpointOptions>("writer"),
        section::<GateOptions>("gate"),
        section::<ConsolidateOptions>("consolidate"),
        section::<WriterOptions>("writer_rounds"),
        section::<Limits>("reading"),
        section::<ScheduleOptions>("schedule"),
        section::<ResourceOptions>("resources"),
        section::<LogOptions>("log"),
    ];
    let mut top = section::<Config>("");
    for key in top.keys.iter_mut().filter(|key| key.name == "serve_to") {
        key.each = section::<ServingOptions>(key.name).keys;
    }
    for section in &mut sections {
        if let Some(at) = top.keys.iter().position(|key| key.name == section.name) {
            section.about = top.keys.remove(at).about;
        }
    }
    sections.insert(0, top);
    sections
}

fn section<T: DeserializeOwned + PartialSchema>(name: &'static str) -> Section {
    let schema = serde_json::to_value(T::schema()).unwrap_or_default();
    let about = |key: &str| {
        let text = schema["properties"][key]["description"].as_str().unwrap_or_default();
        // Names of code mean nothing to who reads the file.
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`")
    };
    let keys = fields::<T>().iter().map(|&name| Key { name, about: about(name), each: Vec::new() });
    let keys = keys.collect();
    Section { name, about: String::new(), keys }
}

/// The names that a struct is read by, in order.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // Always an error: all it is for is to be asked.
    let _ = T::deserialize(Asked(&mut names));
    names
}

/// Is told by a struct which fields it wants, and gives it none.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only the names were asked for"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
