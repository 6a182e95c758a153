//! Message templates: text with SQL expressions in braces.

use std::ops::Range;

/// A part of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as it is.
    Text(String),
    /// The bytes of an expression within the template.
    Value(Range<usize>),
}

/// Why a text is no template, and the bytes that the fault is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) title: &'static str,
    pub(super) help: &'static str,
    pub(super) place: Range<usize>,
}

/// Takes a template apart.
pub(super) fn parse(template: &str) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template.char_indices().peekable();
    while let Some((at, char)) = rest.next() {
        match char {
            '{' | '}' if rest.next_if(|(_, next)| *next == char).is_some() => text.push(char),
            '{' => {
                let start = at + 1;
                let end = end_of(template, start).ok_or(Fault {
                    title: "the `{` has no `}`",
                    help: "close it, or write `{{` for a brace",
                    place: at..start,
                })?;
                if template[start..end].trim().is_empty() {
                    return Err(Fault {
                        title: "there is nothing between the braces",
                        help: "write the name of a column, as in `{product_id}`; `{{}}` is text",
                        place: at..end + 1,
                    });
                }
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Value(start..end));
                while rest.next_if(|(next, _)| *next <= end).is_some() {}
            }
            '}' => {
                return Err(Fault {
                    title: "this `}` closes nothing",
                    help: "write `}}` for a brace",
                    place: at..at + 1,
                });
            }
            char => text.push(char),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

/// Where the expression that begins here ends: at the first `}` outside of a quoted text or name.
fn end_of(template: &str, start: usize) -> Option<usize> {
    let mut quote = None;
    for (at, char) in template[start..].char_indices() {
        match (char, quote) {
            ('}', None) => return Some(start + at),
            ('\'' | '"', None) => quote = Some(char),
            (char, Some(open)) if char == open => quote = None,
            _ => {}
        }
    }
    None
}

/// The template as an SQL expression of type string, which is never null.
pub(super) fn to_sql(template: &str, parts: &[Part]) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => format!("'{}'", text.replace('\'', "''")),
        // On lines of their own, since an expression can end in a comment.
        Part::Value(range) => format!("coalesce(CAST((\n{}\n) AS string), 'null')", &template[range.clone()]),
    };
    let parts: Vec<String> = parts.iter().map(part).collect();
    if parts.is_empty() { "''".to_owned() } else { parts.join(" || ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_taken_apart() {
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(parse("a {b}!"), Ok(vec![text("a "), Part::Value(3..4), text("!")]));
        assert_eq!(parse("{x}{ y + 1 }"), Ok(vec![Part::Value(1..2), Part::Value(4..11)]));
        assert_eq!(parse("{{x}} é}}"), Ok(vec![text("{x} é}")]));
        assert_eq!(parse("{concat('}', \"a}\")}é"), Ok(vec![Part::Value(1..18), text("é")]));
        assert_eq!(parse(""), Ok(vec![]));
        for (template, place) in [("a {b", 2..3), ("a} b", 1..2), ("{ }", 0..3), ("{'}", 0..1)] {
            assert_eq!(parse(template).map_err(|fault| fault.place), Err(place), "{template}");
        }
    }

    #[test]
    fn templates_become_sql() {
        let sql = |template: &str| parse(template).map(|parts| to_sql(template, &parts));
        assert_eq!(sql("it's {n}"), Ok("'it''s ' || coalesce(CAST((\nn\n) AS string), 'null')".to_owned()));
        assert_eq!(sql(""), Ok("''".to_owned()));
    }
}
