//! JSON objects as machines write them, read in one pass over their bytes.
//!
//! What is common (plain strings, decimal numbers, the words) is read here; a value of any other form is given to
//! `serde_json` alone. Whatever looks wrong is left to it as a whole: it is the judge of what is JSON and has the words
//! for what is not, so this scan may only accept what it accepts, with the same values.

use serde::de::DeserializeSeed as _;
use serde_json::value::RawValue;

use super::{
    json::{Field, Keys},
    slot::{Number, Slots},
};

/// Reads a record into `slots`; `None` if `serde_json` must have a look, after which `slots` holds anything.
pub(super) fn object<'a>(keys: &mut Keys, record: &'a str, slots: &mut Slots<'a>) -> Option<()> {
    let mut scan = Scan { text: record, at: 0 };
    scan.eat(b'{')?;
    if scan.peek()? == b'}' {
        scan.at += 1;
        return scan.end();
    }
    for position in 0.. {
        scan.eat(b'"')?;
        let member = keys.member(position, &mut scan)?;
        scan.eat(b':')?;
        scan.value(member.field, slots)?;
        match scan.peek()? {
            b',' => scan.at += 1,
            b'}' => {
                scan.at += 1;
                return scan.end();
            }
            _ => return None,
        }
    }
    None
}

/// A place in a record.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    #[inline]
    fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Nothing but white space may follow.
    #[inline]
    fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Whether this text and a quote come next; goes behind them if so.
    #[inline]
    pub(super) fn passes(&mut self, text: &str) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let same = rest.strip_prefix(text.as_bytes()).and_then(<[u8]>::first) == Some(&b'"');
        if same {
            self.at += text.len() + 1;
        }
        same
    }

    /// The rest of a string without escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        let end = start + special(rest)?;
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    #[inline]
    fn value(&mut self, field: Option<usize>, slots: &mut Slots<'a>) -> Option<()> {
        let start = self.peek()?;
        let before = self.at;
        match start {
            b'"' => {
                self.at += 1;
                if let Some(text) = self.string()
                    && field.is_none_or(|field| slots.takes_string(field, text))
                {
                    return Some(());
                }
            }
            b'-' | b'0'..=b'9' => {
                if let Some(number) = self.number()
                    && field.is_none_or(|field| {
                        let text = || self.text.get(before..self.at).unwrap_or_default();
                        slots.takes_number(field, number) || slots.takes_decimal(field, text)
                    })
                {
                    return Some(());
                }
            }
            _ => {}
        }
        self.at = before;
        self.other(field, slots)
    }

    /// A number of few digits without an exponent.
    #[inline]
    fn number(&mut self) -> Option<Number> {
        let bytes = self.text.as_bytes();
        let negative = bytes.get(self.at) == Some(&b'-');
        let mut at = self.at + usize::from(negative);
        let first = at;
        let mut digits = 0_u64;
        let mut point = None;
        let next = loop {
            match *bytes.get(at)? {
                digit @ b'0'..=b'9' => digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')),
                b'.' if point.is_none() => point = Some(at),
                next => break next,
            }
            at += 1;
        };
        let whole = point.unwrap_or(at) - first;
        let fraction = point.map(|point| at - point - 1);
        let zero_before_digits = whole > 1 && bytes.get(first) == Some(&b'0');
        // Up to 18 digits fit; minus zero is a float; after the number there must be an end.
        if whole == 0
            || fraction == Some(0)
            || whole + fraction.unwrap_or(0) > 18
            || zero_before_digits
            || (negative && digits == 0)
            || !matches!(next, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r')
        {
            return None;
        }
        let number = match fraction {
            None => Number::Int(if negative { -(digits as i64) } else { digits as i64 }),
            Some(fraction) => {
                // Both are exact in a double, so their quotient is the double nearest to the decimal.
                if digits > 1 << 53 {
                    return None;
                }
                let value = digits as f64 / POWERS.get(fraction)?;
                Number::Float(if negative { -value } else { value })
            }
        };
        self.at = at;
        Some(number)
    }

    /// A value of any form.
    fn other(&mut self, field: Option<usize>, slots: &mut Slots<'a>) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&'a RawValue>();
        let value = values.next()?.ok()?.get();
        self.at += values.byte_offset();
        match field {
            None => Some(()),
            Some(field) => Field::new(field, slots).deserialize(&mut serde_json::Deserializer::from_str(value)).ok(),
        }
    }
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// Where the first quote, backslash or control character is. Eight bytes at a time
/// (<https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>).
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut start = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().ok()?);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = control | zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            // Borrows can set wrong bits, but only above a right one.
            return Some(start + (found.trailing_zeros() / 8) as usize);
        }
        start += 8;
    }
    let rest = words.remainder().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(start + rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DataType, Field as SchemaField, Schema};

    fn schema() -> Schema {
        use DataType::*;
        let decimal = Decimal(crate::DecimalType::new(6, 2).expect("digits"));
        let fields = Schema::new([SchemaField::new("i", Int64)]);
        let types = [
            ("i", Int64),
            ("f", Float64),
            ("s", String),
            ("t", Timestamp),
            ("j", Json),
            ("b", Bool),
            ("d", decimal.clone()),
            ("l", decimal.list()),
            ("r", Struct(fields)),
        ];
        Schema::new(types.map(|(name, data_type)| SchemaField::new(name, data_type)))
    }

    /// What the scan and `serde_json` each make of a record.
    fn both(keys: &mut Keys, record: &str) -> (Option<String>, Result<String, String>) {
        let mut slots = Slots::new(&schema());
        let scanned = object(keys, record, &mut slots).map(|()| format!("{slots:?}"));
        let mut slots = Slots::new(&schema());
        let judged = keys.judge(record, &mut slots).map(|()| format!("{slots:?}"));
        (scanned, judged)
    }

    #[test]
    fn common_forms_need_no_judge() {
        let mut keys = Keys::new(&schema());
        for record in [
            r#"{"i":1,"f":2.50,"s":"x é","t":"2026-01-01T00:00:00Z","b":true,"other":null}"#,
            " { \"i\" : -12 , \"s\":\"\" , \"x\" : [1, {\"y\": \"}\"}], \"f\": 1e3 }\r\n",
            r#"{"s":"a\"b","j":{"k":[1]},"f":123456789012345678901234567890,"i":-0}"#,
            r#"{"i":"not a number","f":[1],"s":7}"#,
            r#"{"d":12.5,"l":[1,"2.5",null,1.234],"r":{"i":7}}"#,
            "{}",
        ] {
            let (scanned, judged) = both(&mut keys, record);
            assert!(scanned.is_some(), "{record}");
            assert_eq!(scanned, judged.ok(), "{record}");
        }
    }

    #[test]
    fn a_key_with_a_quote_in_its_name_hides_no_fault() {
        let mut keys = Keys::new(&schema());
        assert!(keys.judge(r#"{"a\"b":1}"#, &mut Slots::new(&schema())).is_ok());
        let (scanned, judged) = both(&mut keys, r#"{"a"b":1}"#);
        assert!(scanned.is_none() && judged.is_err());
    }

    #[test]
    fn specials_are_found_wherever_they_are() {
        for length in 0..40 {
            for at in 0..length {
                for byte in [b'"', b'\\', 0, 0x1F, b'\n'] {
                    let mut bytes: Vec<u8> = (0..length).map(|index| [b' ', b'!', 0xC3, 0x7F][index % 4]).collect();
                    assert_eq!(special(&bytes), None);
                    bytes[at] = byte;
                    bytes[length - 1] = b'"';
                    assert_eq!(special(&bytes), Some(at), "{bytes:?}");
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn accepts_only_what_the_judge_accepts(
            values in prop::collection::vec((
                "([ifstjbdlrx]|s\\\\n|[\\x00-\\x7Fé]{0,3})",
                prop_oneof![
                    "-?[0-9]{0,20}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?",
                    "\"[ -~é\\x00]{0,12}\"?",
                    "[{}\\[\\]\":,a0-9.e\\\\ nultrfas-]{0,12}",
                    "true|false|null|nul|\\[\\]|\\{\\}",
                    "\"20[0-9]{2}-01-0[0-9]T00:00:00(\\.[0-9]{1,7})?Z\"",
                ],
            ), 0..5),
            space in "[ \\n]{0,2}",
            end in "\\}|\\},|| |\\}\\}|\\} x",
        ) {
            let mut keys = Keys::new(&schema());
            let members: Vec<String> = values.iter().map(|(key, value)| format!("\"{key}\"{space}:{space}{value}")).collect();
            let record = format!("{space}{{{}{space}{end}", members.join(","));
            for _ in 0..2 {
                let (scanned, judged) = both(&mut keys, &record);
                if scanned.is_some() {
                    prop_assert_eq!(scanned, judged.ok(), "{:?}", record);
                }
            }
        }

        #[test]
        fn decimals_are_the_nearest_doubles(text in "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,8}") {
            let record = format!("{text}}}");
            if let Some(Number::Float(number)) = (Scan { text: &record, at: 0 }).number() {
                prop_assert_eq!(number.to_bits(), text.parse::<f64>().expect("a number").to_bits());
            }
        }
    }
}
