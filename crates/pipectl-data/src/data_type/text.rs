//! Types as text: `int64`, `decimal(10, 2)`, `list<string>`, `struct<sku:string!, qty:int64>`.

use std::ops::Range;

use super::DataType;
use crate::{DecimalType, Field, Schema};

/// Why a text is no type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadType {
    /// What is wrong, in one line.
    pub reason: String,
    /// The word that is no type, for a suggestion; `None` if the form is wrong.
    pub word: Option<String>,
    /// Where in the text.
    pub range: Range<usize>,
}

/// Lists in lists beyond this are refused: no data has them, and every level is a level of recursion.
const DEEPEST: usize = 16;

pub(super) fn parse(text: &str) -> Result<DataType, BadType> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let data_type = parser.data_type()?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.bad(parser.at..text.len(), "the type ends before this"));
    }
    Ok(data_type)
}

/// A field's name as a type's text has it.
pub(super) fn quoted(name: &str) -> String {
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '@' | '$')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn bad(&self, range: Range<usize>, reason: impl std::fmt::Display) -> BadType {
        let part = self.text.get(range.clone()).unwrap_or_default();
        let reason = if part.is_empty() { format!("`{}`: {reason}", self.text) } else { format!("`{part}`: {reason}") };
        BadType { reason, word: None, range }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Whether this character comes next; goes behind it if so.
    fn eats(&mut self, wanted: char) -> bool {
        self.space();
        let eats = self.rest().starts_with(wanted);
        if eats {
            self.at += wanted.len_utf8();
        }
        eats
    }

    fn expect(&mut self, wanted: char, of: &str) -> Result<(), BadType> {
        if self.eats(wanted) {
            return Ok(());
        }
        Err(self.bad(self.at..self.text.len(), format!("expected `{wanted}` here: {of}")))
    }

    /// The characters that go on while `keep` holds.
    fn run(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        self.space();
        let rest = self.rest();
        let end = rest.find(|character| !keep(character)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn data_type(&mut self) -> Result<DataType, BadType> {
        self.space();
        let start = self.at;
        let word = self.run(|character| character.is_alphanumeric() || character == '_');
        match word {
            "decimal" => return self.decimal(start),
            "list" => {
                const FORM: &str = "write `list<string>`";
                self.expect('<', FORM)?;
                let element = self.nested(start)?;
                self.expect('>', FORM)?;
                return Ok(element.list());
            }
            "struct" => return self.fields(start),
            _ => {}
        }
        let named = DataType::NAMED.into_iter().find(|named| named.word() == word);
        // The whole word as it stands, also with characters that no type has.
        let end = start
            + self
                .text
                .get(start..)
                .unwrap_or_default()
                .find([',', '<', '>', '(', ')'])
                .unwrap_or(usize::MAX)
                .min(self.text.len() - start);
        named.ok_or_else(|| {
            let range = start..end.max(self.at);
            let word = self.text.get(range.clone()).unwrap_or_default().trim().to_owned();
            if word.is_empty() {
                return self.bad(start..self.text.len(), "expected a type here, such as `string`");
            }
            BadType { reason: format!("there is no type `{word}`"), word: Some(word), range }
        })
    }

    fn nested(&mut self, start: usize) -> Result<DataType, BadType> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.bad(start..self.at, format!("types are nested more than {DEEPEST} times")));
        }
        let inside = self.at;
        let data_type = self.data_type()?;
        self.depth -= 1;
        if matches!(data_type, DataType::EpochMillis | DataType::EpochSeconds) {
            let reason = "inside of a list or struct write int64, and from_epoch_ms(x) or from_epoch_s(x) in SQL";
            return Err(self.bad(inside..self.at, reason));
        }
        Ok(data_type)
    }

    fn decimal(&mut self, start: usize) -> Result<DataType, BadType> {
        const FORM: &str = "write all digits and those after the point: `decimal(18, 2)`";
        self.expect('(', FORM)?;
        let precision = self.number(FORM)?;
        let scale = if self.eats(',') { self.number(FORM)? } else { 0 };
        self.expect(')', FORM)?;
        DecimalType::new(precision, scale).map(DataType::Decimal).map_err(|reason| self.bad(start..self.at, reason))
    }

    fn number(&mut self, form: &str) -> Result<u8, BadType> {
        let start = self.at;
        let digits = self.run(|character| character.is_ascii_digit());
        // Too large a number is too large in every way.
        match digits.parse() {
            Ok(number) => Ok(number),
            Err(_) if !digits.is_empty() => Ok(u8::MAX),
            Err(_) => Err(self.bad(start..self.text.len(), format!("expected a number here: {form}"))),
        }
    }

    fn fields(&mut self, start: usize) -> Result<DataType, BadType> {
        const FORM: &str = "write `struct<sku:string!, qty:int64>`";
        self.expect('<', FORM)?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            self.space();
            let named = self.at;
            let name = self.name(FORM)?;
            // Both `a:int64` and `a int64` are usual.
            self.eats(':');
            let data_type = self.nested(start)?;
            let required = self.eats('!');
            if !required {
                self.eats('?');
            }
            if fields.iter().any(|field| field.name == name) {
                return Err(self.bad(named..self.at, format!("the field `{name}` is there twice")));
            }
            fields.push(Field { name, data_type, nullable: !required });
            if !self.eats(',') {
                break;
            }
        }
        self.expect('>', FORM)?;
        Ok(DataType::Struct(Schema::new(fields)))
    }

    fn name(&mut self, form: &str) -> Result<String, BadType> {
        let start = self.at;
        if !self.eats('`') {
            let name = self.run(is_plain);
            if name.is_empty() {
                return Err(self.bad(start..self.text.len(), format!("expected the name of a field here: {form}")));
            }
            return Ok(name.to_owned());
        }
        let mut name = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find('`') else {
                return Err(self.bad(start..self.text.len(), "the quoted name does not end"));
            };
            name.push_str(rest.get(..end).unwrap_or_default());
            self.at += end + 1;
            if !self.rest().starts_with('`') {
                return Ok(name);
            }
            name.push('`');
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{DataType, DecimalType, Field, Schema};

    fn decimal(precision: u8, scale: u8) -> DataType {
        DataType::Decimal(DecimalType::new(precision, scale).unwrap())
    }

    #[test]
    fn types_are_read() {
        let order = DataType::Struct(Schema::new([
            Field::required("sku", DataType::String),
            Field::new("price", decimal(10, 2)),
            Field::new("tags", DataType::String.list()),
        ]));
        for (text, expected) in [
            ("int64", DataType::Int64),
            ("decimal(10,2)", decimal(10, 2)),
            ("decimal( 10 , 2 )", decimal(10, 2)),
            ("decimal(10)", decimal(10, 0)),
            ("list<list<decimal(5, 1)>>", decimal(5, 1).list().list()),
            ("struct<sku:string!, price:decimal(10, 2), tags:list<string>>", order.clone()),
            ("struct<sku: string!, price: decimal(10,2)?, tags: list<string>>", order.clone()),
            ("struct<sku string!,price decimal(10,2),tags list<string>>", order),
            ("struct<`a b`:int64>", DataType::Struct(Schema::new([Field::new("a b", DataType::Int64)]))),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
            assert_eq!(expected.to_string().parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, reason, word) in [
            ("integer", "there is no type `integer`", Some("integer")),
            ("list<integer>", "there is no type `integer`", Some("integer")),
            ("decimal", "expected `(` here", None),
            ("decimal(39, 2)", "a decimal has 1 to 38 digits, not 39", None),
            ("decimal(2, 3)", "cannot have 3 of them", None),
            ("decimal(x)", "expected a number here", None),
            ("list", "expected `<` here", None),
            ("list<int64", "expected `>` here", None),
            ("list<int64>>", "the type ends before this", None),
            ("struct<>", "expected the name of a field here", None),
            ("struct<a:int64, a:int64>", "the field `a` is there twice", None),
            ("", "expected a type here", None),
            ("struct<a>", "expected a type here", None),
            ("list<epoch_ms>", "inside of a list or struct write int64", None),
            ("interval", "there is no type `interval`", Some("interval")),
        ] {
            let bad = text.parse::<DataType>().unwrap_err();
            assert!(bad.reason.contains(reason), "{text}: {}", bad.reason);
            assert_eq!(bad.word.as_deref(), word, "{text}");
            assert!(text.get(bad.range.clone()).is_some(), "{text}: {:?}", bad.range);
        }
        assert!("list<".repeat(50_000).parse::<DataType>().unwrap_err().reason.contains("nested more than"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(list<|struct<|decimal\\(|a:|int64|[<>(),:!`0-9 é]){0,12}") {
            if let Ok(data_type) = text.parse::<DataType>() {
                prop_assert_eq!(data_type.to_string().parse(), Ok(data_type));
            }
        }
    }
}
