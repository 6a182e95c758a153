//! A path into a JSON value: `$.a.b[0]`, `$."odd key"`, `$['odd key']`. Checked by the compiler, followed by the operators.

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into the member of this name.
    Key(String),
    /// Into the element of this number, from 0.
    Index(usize),
}

/// Reads a path; the error says what is wrong and at which byte.
pub fn parse(text: &str) -> Result<Vec<Step>, (usize, &'static str)> {
    let Some(mut rest) = text.strip_prefix('$') else { return Err((0, "a path starts with `$`")) };
    let mut steps = Vec::new();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        match first {
            '.' => {
                let name = &rest[1..];
                if let Some(quote @ ('\'' | '"')) = name.chars().next() {
                    let (key, end) = quoted(&name[1..], quote).map_err(|(byte, why)| (at + 1 + byte, why))?;
                    steps.push(Step::Key(key));
                    rest = &name[1 + end..];
                    continue;
                }
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 {
                    return Err((at + 1, "a name must follow the point"));
                }
                if name.starts_with('*') {
                    return Err((at + 1, "`*` is not supported: name one member"));
                }
                if let Some(quote) = name[..end].find(['\'', '"']) {
                    return Err((at + 1 + quote, "write a name that contains quotes in quotes: $.\"it's\""));
                }
                steps.push(Step::Key(name[..end].to_owned()));
                rest = &name[end..];
            }
            '[' => {
                let inner = rest[1..].trim_start();
                let inner_at = text.len() - inner.len();
                if let Some(quote @ ('\'' | '"')) = inner.chars().next() {
                    let (key, end) = quoted(&inner[1..], quote).map_err(|(byte, why)| (inner_at + byte, why))?;
                    steps.push(Step::Key(key));
                    rest = inner[1 + end..].trim_start().strip_prefix(']').ok_or((at, "`]` is missing"))?;
                } else {
                    let Some(end) = inner.find(']') else { return Err((at, "`]` is missing")) };
                    let index = inner[..end]
                        .trim_end()
                        .parse()
                        .map_err(|_| (inner_at, "an element number, from 0, or a name in quotes is expected here"))?;
                    steps.push(Step::Index(index));
                    rest = &inner[end + 1..];
                }
            }
            _ => return Err((at, "`.name` or `[number]` must follow")),
        }
    }
    Ok(steps)
}

/// The text up to the closing quote, and where what follows begins. Escapes are those of JSON, and `\'`. An error counts
/// bytes from the opening quote.
fn quoted(text: &str, quote: char) -> Result<(String, usize), (usize, &'static str)> {
    const OPEN: (usize, &str) = (0, "the quote is not closed");
    let mut key = String::new();
    let mut rest = text;
    loop {
        let character = rest.chars().next().ok_or(OPEN)?;
        let at = text.len() - rest.len();
        rest = &rest[character.len_utf8()..];
        if character == quote {
            return Ok((key, text.len() - rest.len()));
        }
        if character != '\\' {
            key.push(character);
            continue;
        }
        let escape = rest.chars().next().ok_or(OPEN)?;
        rest = &rest[escape.len_utf8()..];
        key.push(match escape {
            '"' | '\'' | '\\' | '/' => escape,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (found, after) = unicode(rest).ok_or((at + 1, "`\\u` needs the four digits of a character"))?;
                rest = after;
                found
            }
            _ => return Err((at + 1, "this is no escape of JSON; write a backslash as `\\\\`")),
        });
    }
}

/// The character of `XXXX`, or of a pair `XXXX\uXXXX`, and what follows.
fn unicode(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(text)?;
    let rest = text.get(4..)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, rest));
    }
    let second = rest.strip_prefix("\\u")?;
    let mut pair = char::decode_utf16([first, unit(second)?]);
    Some((pair.next()?.ok()?, second.get(4..)?))
}

#[cfg(test)]
mod tests {
    use super::{Step, parse};

    #[test]
    fn paths() {
        let key = |text: &str| Step::Key(text.to_owned());
        assert_eq!(parse("$"), Ok(vec![]));
        assert_eq!(parse("$.a.b[0]['c d']"), Ok(vec![key("a"), key("b"), Step::Index(0), key("c d")]));
        assert_eq!(parse("$.\"a.b\".c"), Ok(vec![key("a.b"), key("c")]));
        assert_eq!(parse(r#"$."say \"hi\"\\"['it\'s'][ "x" ][ 2 ]"#).map(|steps| steps.len()), Ok(4));
        assert_eq!(parse(r#"$."say \"hi\"\\""#), Ok(vec![key("say \"hi\"\\")]));
        assert_eq!(parse("$.\"\"['']"), Ok(vec![key(""), key("")]));
        assert_eq!(parse(r#"$."a\u0062\n\u00e9\ud83d\ude00\/""#), Ok(vec![key("ab\n\u{e9}\u{1f600}/")]));
        for (bad, at) in [(r#"$."a\x""#, 4), (r#"$."\u12""#, 3), (r#"$."\ud83d""#, 3), (r"$['\ud83d\u0041']", 3)] {
            assert_eq!(parse(bad).map_err(|(byte, _)| byte), Err(at), "{bad}");
        }
        for bad in ["$.\"a", "$.\"a\"b", "$.a\"b\"", "$['a\\']", "$[]", "$[-1]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for (bad, at) in [("a", 0), ("$.", 2), ("$.a[x]", 4), ("$.a[1", 3), ("$x", 1), ("$['a", 2), ("$.*", 2)] {
            assert_eq!(parse(bad).map_err(|(byte, _)| byte), Err(at), "{bad}");
        }
    }
}
