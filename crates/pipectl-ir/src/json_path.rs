//! A path into a JSON value: `$.a.b[0]`, `$['odd key']`. Checked by the compiler, followed by the operators.

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
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 {
                    return Err((at + 1, "a name must follow the point"));
                }
                if name.starts_with('*') {
                    return Err((at + 1, "`*` is not supported: name one member"));
                }
                steps.push(Step::Key(name[..end].to_owned()));
                rest = &name[end..];
            }
            '[' => {
                let inner = &rest[1..];
                if let Some(quote @ ('\'' | '"')) = inner.chars().next() {
                    let key = &inner[1..];
                    let Some(end) = key.find(quote) else { return Err((at + 1, "the quote is not closed")) };
                    steps.push(Step::Key(key[..end].to_owned()));
                    rest = key[end + 1..].strip_prefix(']').ok_or((at, "`]` is missing"))?;
                } else {
                    let Some(end) = inner.find(']') else { return Err((at, "`]` is missing")) };
                    let index =
                        inner[..end].parse().map_err(|_| (at + 1, "an element's number, from 0, must stand here"))?;
                    steps.push(Step::Index(index));
                    rest = &inner[end + 1..];
                }
            }
            _ => return Err((at, "`.name` or `[number]` must follow")),
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::{Step, parse};

    #[test]
    fn paths() {
        let key = |text: &str| Step::Key(text.to_owned());
        assert_eq!(parse("$"), Ok(vec![]));
        assert_eq!(parse("$.a.b[0]['c d']"), Ok(vec![key("a"), key("b"), Step::Index(0), key("c d")]));
        for (bad, at) in [("a", 0), ("$.", 2), ("$.a[x]", 4), ("$.a[1", 3), ("$x", 1), ("$['a", 2), ("$.*", 2)] {
            assert_eq!(parse(bad).map_err(|(byte, _)| byte), Err(at), "{bad}");
        }
    }
}
