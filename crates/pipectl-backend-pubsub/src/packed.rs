//! Ids of messages, and many of them in few bytes.
//!
//! The service's ids are numbers of up to 17 digits, close to each other when they come from one time. Sorted, as the
//! differences from one to the next, in bytes of seven bits, a thousand of them take a few kilobytes. An id that is no
//! number (another server's) stays a text.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};

/// An id of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Id {
    /// A number, written without anything that is not needed.
    Number(u64),
    /// Anything else.
    Text(Box<str>),
}

impl Id {
    /// From the service's text.
    pub(crate) fn new(text: &str) -> Self {
        let canonical = !text.starts_with('0') && !text.starts_with('+');
        match text.parse() {
            Ok(number) if canonical => Self::Number(number),
            _ => Self::Text(text.into()),
        }
    }
}

/// Many ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Packed {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    numbers: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    texts: Vec<Box<str>>,
}

/// Packs ids; their order is not kept.
pub(crate) fn write<'a>(ids: impl Iterator<Item = &'a Id>) -> Packed {
    let mut numbers = Vec::new();
    let mut texts = Vec::new();
    for id in ids {
        match id {
            Id::Number(number) => numbers.push(*number),
            Id::Text(text) => texts.push(text.clone()),
        }
    }
    numbers.sort_unstable();
    texts.sort_unstable();
    let mut bytes = Vec::with_capacity(numbers.len() * 3);
    let mut last = 0;
    for number in numbers {
        let mut step = number - last;
        last = number;
        while step >= 0x80 {
            bytes.push(step as u8 | 0x80);
            step >>= 7;
        }
        bytes.push(step as u8);
    }
    Packed { numbers: BASE64.encode(bytes), texts }
}

/// Unpacks them; `None` if it is not what [`write`] makes.
pub(crate) fn read(packed: &Packed) -> Option<Vec<Id>> {
    let bytes = BASE64.decode(&packed.numbers).ok()?;
    let mut ids = Vec::new();
    let (mut last, mut step, mut shift) = (0_u64, 0_u64, 0);
    for byte in bytes {
        let part = u64::from(byte & 0x7f);
        if shift > 63 || (part << shift) >> shift != part {
            return None;
        }
        step |= part << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add(step)?;
            ids.push(Id::Number(last));
            (step, shift) = (0, 0);
        }
    }
    if shift != 0 {
        return None;
    }
    ids.extend(packed.texts.iter().cloned().map(Id::Text));
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_take_few_bytes() {
        let mut ids: Vec<Id> = (0..1_000).map(|number| Id::Number(15_123_456_789_012_345 + number * 37)).collect();
        ids.extend(["0", "007", "m17", "+5", "", "99999999999999999999999"].map(Id::new));
        ids.extend([Id::Number(u64::MAX), Id::Number(0)]);
        let packed = write(ids.iter());
        let mut back = read(&packed).unwrap();
        back.sort_unstable();
        ids.sort_unstable();
        assert_eq!(back, ids);
        assert!(packed.numbers.len() < 1_500, "{}", packed.numbers.len());
    }

    #[test]
    fn only_plain_numbers_are_numbers() {
        assert_eq!(Id::new("17"), Id::Number(17));
        for text in ["017", "+17", "17 ", "m17", "18446744073709551616"] {
            assert_eq!(Id::new(text), Id::Text(text.into()), "{text}");
        }
    }

    #[test]
    fn damaged_bytes_are_noticed() {
        for numbers in ["gA", "////////////////", "!"] {
            assert_eq!(read(&Packed { numbers: numbers.into(), texts: Vec::new() }), None, "{numbers}");
        }
    }
}
