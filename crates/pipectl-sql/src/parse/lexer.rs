//! Text to tokens, each with its range of bytes.

use std::ops::Range;

use super::{Fault, FaultKind};

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// A word: a keyword or a name.
    Word(String),
    /// A name in double quotes or backticks.
    Quoted(String),
    /// A number as written.
    Number(String),
    /// A text constant, its quotes removed; where its first byte stands; whether a `''` was in it.
    Text(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spot {
    pub(crate) token: Token,
    pub(crate) place: Range<usize>,
}

/// Longest first, so that `<=` is not read as `<` and `=`.
const SYMBOLS: &[&str] = &[
    "#>>", "!~~", "!~*", "->>", "<=>", "#>", "@>", "<@", "&&", "!~", "~~", "~*", "<<", ">>", "::", "<>", "!=", "<=",
    ">=", "||", "->", "(", ")", "[", "]", "{", "}", ",", ".", ";", "+", "-", "*", "/", "%", "=", "<", ">", "^", "&",
    "|", "~", "?", ":", "@", "#", "!", "$",
];

/// All tokens, `End` last.
pub(crate) fn tokens(sql: &str) -> Result<Vec<Spot>, Fault> {
    let mut spots = Vec::new();
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        let start = at;
        if first.is_whitespace() || first == '\u{feff}' {
            at += first.len_utf8();
        } else if sql[at..].starts_with("--") {
            at = sql[at..].find('\n').map_or(sql.len(), |end| at + end + 1);
        } else if sql[at..].starts_with("/*") {
            at = comment_end(sql, at)?;
        } else if first == '\'' || first == '"' || first == '`' {
            let (text, end) = quoted(sql, at, first)?;
            at = end;
            let token = if first == '\'' { Token::Text(text) } else { Token::Quoted(text) };
            spots.push(Spot { token, place: start..at });
        } else if first.is_ascii_digit() || (first == '.' && sql[at + 1..].starts_with(|c: char| c.is_ascii_digit())) {
            at = number_end(sql, at);
            spots.push(Spot { token: Token::Number(sql[start..at].to_owned()), place: start..at });
        } else if first.is_alphabetic() || first == '_' {
            at += sql[at..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(sql.len() - at);
            spots.push(Spot { token: Token::Word(sql[start..at].to_owned()), place: start..at });
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| sql[at..].starts_with(**symbol)) {
            at += symbol.len();
            spots.push(Spot { token: Token::Symbol(symbol), place: start..at });
        } else {
            let end = at + first.len_utf8();
            let title = format!("`{}` means nothing in SQL", first.escape_debug());
            return Err(Fault::new(FaultKind::Syntax, at..end, title));
        }
    }
    spots.push(Spot { token: Token::End, place: sql.trim_end().len()..sql.trim_end().len() });
    Ok(spots)
}

fn comment_end(sql: &str, start: usize) -> Result<usize, Fault> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < sql.len() {
        if sql[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if sql[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += sql[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(Fault::new(FaultKind::Syntax, start..start + 2, "this comment is not closed").help("close it with `*/`"))
}

fn quoted(sql: &str, start: usize, quote: char) -> Result<(String, usize), Fault> {
    let mut text = String::new();
    let mut characters = sql[start + 1..].char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            text.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((text, start + 1 + at + 1));
        }
    }
    let what = if quote == '\'' { "this text is not closed" } else { "this quoted name is not closed" };
    Err(Fault::new(FaultKind::Syntax, start..start + 1, what)
        .help(format!("close it with `{quote}`; `{quote}{quote}` stands for one `{quote}` inside")))
}

fn number_end(sql: &str, start: usize) -> usize {
    let bytes = sql.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = digits(start);
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at = digits(at + 1 + sign);
        }
    }
    at
}
