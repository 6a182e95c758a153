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
                    let (key, end) = quoted(&name[1..], quote).ok_or((at + 1, "the quote is not closed"))?;
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
                    let (key, end) = quoted(&inner[1..], quote).ok_or((inner_at, "the quote is not closed"))?;
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

/// The text up to the closing quote, and where what follows begins. A backslash makes the next character an ordinary one.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut key = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return Some((key, at + quote.len_utf8()));
        }
        key.push(if character == '\\' { characters.next()?.1 } else { character });
    }
    None
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
        for bad in ["$.\"a", "$.\"a\"b", "$.a\"b\"", "$['a\\']", "$[]", "$[-1]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for (bad, at) in [("a", 0), ("$.", 2), ("$.a[x]", 4), ("$.a[1", 3), ("$x", 1), ("$['a", 2), ("$.*", 2)] {
            assert_eq!(parse(bad).map_err(|(byte, _)| byte), Err(at), "{bad}");
        }
    }
}
