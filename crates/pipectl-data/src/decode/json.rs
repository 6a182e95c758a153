//! JSON objects: scanned where they have the common form, otherwise visited by `serde_json` without a tree in between.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    excerpt, scan,
    slot::{Number, Slots},
};
use crate::{DataType, Schema};

/// Which keys are needed, and which key came where in the record before: most sources write the same keys in the same
/// order, so that one comparison finds the field.
#[derive(Debug)]
pub(super) struct Keys {
    /// Sorted by name.
    needed: Vec<(String, usize)>,
    seen: Vec<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    name: String,
    field: Option<usize>,
    /// Whether JSON writes the name as it is.
    plain: bool,
}

impl Seen {
    /// The field of this name.
    fn find(&mut self, needed: &[(String, usize)], name: &str) -> Option<usize> {
        let found = needed.binary_search_by(|(needed, _)| needed.as_str().cmp(name)).ok();
        let field = found.and_then(|index| needed.get(index)).map(|(_, field)| *field);
        // A long key is nobody's field name and not worth keeping. An empty one equals a place never used.
        if (1..=128).contains(&name.len()) {
            name.clone_into(&mut self.name);
            self.field = field;
            self.plain = !name.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        }
        field
    }
}

/// A member of an object.
pub(super) struct Member {
    /// The field that its key names, if it is needed.
    pub(super) field: Option<usize>,
}

/// Positions that are remembered; objects with more keys are rare and only slower.
const REMEMBERED: usize = 256;

impl Keys {
    pub(super) fn new(schema: &Schema) -> Self {
        let mut needed: Vec<_> = schema.names().enumerate().map(|(field, name)| (name.to_owned(), field)).collect();
        needed.sort();
        Self { needed, seen: Vec::new() }
    }

    pub(super) fn parse<'a>(&mut self, record: &'a str, slots: &mut Slots<'a>) -> Result<(), String> {
        if scan::object(self, record, slots).is_some() {
            return Ok(());
        }
        slots.clear();
        self.judge(record, slots)
    }

    /// The key that comes next in a scan, as the member of an object at this position; `None` if the scan cannot read
    /// it.
    #[inline]
    pub(super) fn member(&mut self, position: usize, scan: &mut scan::Scan<'_>) -> Option<Member> {
        if position == self.seen.len() && position < REMEMBERED {
            self.seen.push(Seen::default());
        }
        let field = match self.seen.get_mut(position) {
            Some(guess) if guess.plain && scan.passes(&guess.name) => guess.field,
            Some(guess) => guess.find(&self.needed, scan.string()?),
            None => Seen::default().find(&self.needed, scan.string()?),
        };
        Some(Member { field })
    }

    /// The same by `serde_json`, which also says what is wrong.
    pub(super) fn judge<'a>(&mut self, record: &'a str, slots: &mut Slots<'a>) -> Result<(), String> {
        let found = match record.trim_start().bytes().next() {
            Some(b'{') => None,
            None => return Err("the record is empty, expected a JSON object".to_owned()),
            Some(b'[') => Some("an array".to_owned()),
            Some(_) => Some(excerpt(record)),
        };
        if let Some(found) = found {
            return Err(format!("found {found}, expected a JSON object"));
        }
        let mut parser = serde_json::Deserializer::from_str(record);
        Object { keys: self, slots }
            .deserialize(&mut parser)
            .and_then(|()| parser.end())
            .map_err(|error| describe(record, &error))
    }
}

fn describe(record: &str, error: &serde_json::Error) -> String {
    let reason = reason(error);
    let line = record.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let near: String = line.chars().skip(error.column().saturating_sub(20)).take(30).collect();
    match error.line() {
        0 | 1 => format!("not valid JSON: {reason} at column {}, near {near:?}", error.column()),
        number => format!("not valid JSON: {reason} at line {number} column {}, near {near:?}", error.column()),
    }
}

/// Puts the text of a JSON value into the slot at this position.
///
/// # Errors
/// If the value cannot be read at all: why, in one line.
pub(super) fn value<'a>(position: usize, text: &'a str, slots: &mut Slots<'a>) -> Result<(), String> {
    let mut parser = serde_json::Deserializer::from_str(text);
    Field::new(position, slots).deserialize(&mut parser).map_err(|error| reason(&error))
}

/// What is wrong, without the place.
pub(super) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

struct Object<'r, 'de> {
    keys: &'r mut Keys,
    slots: &'r mut Slots<'de>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Keys { needed, seen } = self.keys;
        let mut unremembered = Seen::default();
        let mut position = 0;
        loop {
            if position == seen.len() && position < REMEMBERED {
                seen.push(Seen::default());
            }
            let guess = seen.get_mut(position).unwrap_or(&mut unremembered);
            let Some(field) = map.next_key_seed(Key { needed, guess })? else { break };
            match field {
                Some(field) => map.next_value_seed(Field { field, slots: self.slots })?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            position += 1;
        }
        Ok(())
    }
}

struct Key<'r> {
    needed: &'r [(String, usize)],
    guess: &'r mut Seen,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        // A place that was never used has an empty name and no field.
        if !name.is_empty() && self.guess.name == name {
            return Ok(self.guess.field);
        }
        Ok(self.guess.find(self.needed, name))
    }
}

/// Puts a value into its slot.
pub(super) struct Field<'r, 'de> {
    field: usize,
    slots: &'r mut Slots<'de>,
}

impl<'r, 'de> Field<'r, 'de> {
    pub(super) fn new(field: usize, slots: &'r mut Slots<'de>) -> Self {
        Self { field, slots }
    }

    /// A value for an `int64` or `decimal` field, of whose number the digits count.
    fn exact_number<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let text = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        if self.slots.set_digits(self.field, text) {
            return Ok(());
        }
        serde_json::Deserializer::from_str(text).deserialize_any(self).map_err(|error| D::Error::custom(reason(&error)))
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.slots.data_type(self.field) {
            DataType::Json => {}
            DataType::Int64 | DataType::Decimal(_) => return self.exact_number(deserializer),
            DataType::List(_) | DataType::Struct(_) => {
                let text = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
                return self.slots.set_nested(self.field, text).map_err(D::Error::custom);
            }
            _ => return deserializer.deserialize_any(self),
        }
        let text = <&RawValue as serde::Deserialize>::deserialize(deserializer)?.get();
        if text == "null" {
            self.slots.set_null(self.field);
        } else if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
            self.slots.set_text(self.field, text);
        } else {
            // Line ends are white space here, since strings escape theirs; on one line it can stand in JSON lines.
            self.slots.set_copied_text(self.field, &text.replace(['\n', '\r'], " "));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Field<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.slots.set_bool(self.field, value);
        Ok(())
    }

    #[inline]
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.slots.set_number(self.field, Number::Int(value));
        Ok(())
    }

    #[inline]
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.slots.set_number(self.field, i64::try_from(value).map_or(Number::Big(value), Number::Int));
        Ok(())
    }

    #[inline]
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.slots.set_number(self.field, Number::Float(value));
        Ok(())
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.slots.set_text(self.field, value);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.slots.set_copied_text(self.field, value);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.slots.set_null(self.field);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        self.slots.set_bad(self.field, "an array");
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.slots.set_bad(self.field, "an object");
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
