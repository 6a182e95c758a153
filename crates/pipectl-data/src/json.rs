//! The one judge of what is JSON: for decoders, casts, constants and functions alike.

use serde_json::value::RawValue;

/// The one JSON value that a text holds, without the white space around it; `None` if it is anything else.
///
/// This is RFC 8259's grammar and no more: a number may be beyond every type, a string may hold half of a surrogate
/// pair, an object the same name twice. Whoever takes such a value out of a document says what cannot be done with it.
pub fn value(text: &str) -> Option<&str> {
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn the_grammar_decides() {
        for (text, expected) in [
            (" {\"a\": 1} ", "{\"a\": 1}"),
            ("null", "null"),
            ("1e400", "1e400"),
            (r#""\ud800""#, r#""\ud800""#),
            (r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#),
            ("-0.0", "-0.0"),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["", "a", "{", "{'a':1}", "[1,]", "01", "+1", "NaN", "1 2", "\"\t\"", "\u{feff}1", "nulL"] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
