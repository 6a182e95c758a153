//! JSON that is not one object a line: documents one after another, or in an array, over as many lines as they like.
//!
//! Nothing is parsed here: brackets are counted and texts passed over, so that an array of any size is cut into records
//! without ever being held as a whole. What is wrong inside a document is seen by the decoder.

use std::ops::Range;

/// The whole documents of `bytes` from `start` on, and where the first starts that is not whole. In an array, brackets and
/// commas between documents are passed over.
pub(crate) fn documents(bytes: &[u8], start: usize, in_array: bool) -> (Vec<Range<usize>>, usize) {
    let mut found = Vec::new();
    let mut at = start;
    loop {
        at += separators(bytes.get(at..).unwrap_or_default(), in_array);
        let Some(length) = bytes.get(at..).and_then(|rest| document(rest, in_array)) else { return (found, at) };
        found.push(at..at + length);
        at += length;
    }
}

/// The layout that a file has, by its first line, if it is not one document a line.
pub(crate) fn looks_like(first_line: &[u8]) -> Option<&'static str> {
    match first_line.trim_ascii() {
        [b'[', ..] => Some("array"),
        [b'{'] => Some("concatenated"),
        _ => None,
    }
}

/// Finds the end of a document that is too long to be held, in one part after another.
#[derive(Debug, Default)]
pub(crate) struct DocumentEnd {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl DocumentEnd {
    /// How many bytes of this part belong to the document, if it ends in it. A number or word ends before what separates it
    /// from the next document.
    pub(crate) fn find(&mut self, part: &[u8]) -> Option<usize> {
        for (at, byte) in part.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => {
                    self.in_text = !self.in_text;
                    if !self.in_text && self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ if self.in_text => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => return Some(at + usize::from(self.depth == 1)),
                b'}' | b']' => self.depth -= 1,
                byte if self.depth == 0 && is_separator(*byte, true) => return Some(at),
                _ => {}
            }
        }
        None
    }
}

fn is_separator(byte: u8, in_array: bool) -> bool {
    byte.is_ascii_whitespace() || (in_array && matches!(byte, b'[' | b']' | b','))
}

fn separators(bytes: &[u8], in_array: bool) -> usize {
    bytes.iter().take_while(|byte| is_separator(**byte, in_array)).count()
}

/// The length of the document that `bytes` begin with; `None` if its end is not there yet.
fn document(bytes: &[u8], in_array: bool) -> Option<usize> {
    match bytes.first()? {
        b'{' | b'[' => nested(bytes),
        b'"' => text(bytes),
        // Out of place. Alone it is a record that the decoder refuses.
        b'}' | b']' | b',' | b':' => Some(1),
        _ => bytes
            .iter()
            .position(|byte| is_separator(*byte, in_array) || matches!(byte, b'{' | b'[' | b'}' | b']' | b',' | b'"')),
    }
}

/// The length of an object or array.
fn nested(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += text(bytes.get(at..).unwrap_or_default())?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The length of a text in quotes.
fn text(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn cut(text: &str, in_array: bool) -> (Vec<&str>, &str) {
        let (found, rest) = documents(text.as_bytes(), 0, in_array);
        (found.into_iter().map(|range| &text[range]).collect(), &text[rest..])
    }

    #[test]
    fn the_end_of_a_document_is_found_in_parts() {
        for (text, expected) in [
            (r#"{"a":"x}\"]","b":[1,{}]} {"c":1}"#, r#"{"a":"x}\"]","b":[1,{}]}"#),
            ("[1,[2],\"]\"],3", "[1,[2],\"]\"]"),
            ("\"a b\",1", "\"a b\""),
            ("123456,7", "123456"),
            ("123456]", "123456"),
        ] {
            for size in 1..text.len() {
                let mut end = DocumentEnd::default();
                let mut length = 0;
                for part in text.as_bytes().chunks(size) {
                    let found = end.find(part);
                    length += found.unwrap_or(part.len());
                    if found.is_some() {
                        break;
                    }
                }
                assert_eq!(&text[..length], expected, "in parts of {size}");
            }
        }
    }

    #[test]
    fn documents_of_all_kinds() {
        assert_eq!(
            cut("{\"a\":1}{\"b\":[{}]}\n\n{\n \"c\": \"}\\\"{\"\n}", false).0,
            ["{\"a\":1}", "{\"b\":[{}]}", "{\n \"c\": \"}\\\"{\"\n}"]
        );
        assert_eq!(cut("1 \"x y\" null\n[1,2]{} tr", false), (vec!["1", "\"x y\"", "null", "[1,2]", "{}"], "tr"));
        assert_eq!(
            cut("[\n  {\"a\": 1},\n  {\"a\": [2, {}]}\n]\n", true),
            (vec!["{\"a\": 1}", "{\"a\": [2, {}]}"], "")
        );
        assert_eq!(cut("[1,\"a,]\",{}, {\"a\"", true), (vec!["1", "\"a,]\"", "{}"], "{\"a\""));
        assert_eq!(cut("", true), (vec![], ""));
        assert_eq!(looks_like(b" [{\"a\":1}"), Some("array"));
        assert_eq!(looks_like(b"{ "), Some("concatenated"));
        assert_eq!(looks_like(b"{\"a\":[1]}"), None);
        assert_eq!(cut("[]", true), (vec![], ""));
        assert_eq!(
            cut("{\"a\":1}}{}", false).0,
            ["{\"a\":1}", "}", "{}"],
            "what is out of place is a record of its own"
        );
        assert_eq!(cut("{\"a\":\"\\", false), (vec![], "{\"a\":\"\\"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[\\PC\\\\\"{}\\[\\],:\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c\"{]{0,3}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn documents_come_back_as_they_were_written(values in prop::collection::vec(value(), 0..6), pretty in any::<bool>()) {
            let objects: Vec<Value> = values.into_iter().map(|value| json!({ "v": value })).collect();
            let write = |value: &Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            let array = write(&Value::from(objects.clone())).expect("writes");
            let concatenated: String = objects.iter().map(|value| write(value).expect("writes")).collect();
            for (text, in_array) in [(&array, true), (&concatenated, false)] {
                let (found, rest) = cut(text, in_array);
                let found: Vec<Value> = found.iter().map(|text| serde_json::from_str(text).expect("a document")).collect();
                prop_assert_eq!(&found, &objects);
                prop_assert_eq!(rest, "");
            }
        }
    }
}
