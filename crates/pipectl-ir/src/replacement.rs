//! What `regexp_replace` puts in the place of a match: text, and references to groups as Rust's `regex` writes them.
//! Checked by the compiler, filled in by the operators.

/// A part of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text as it stands.
    Text(&'t str),
    /// What the group of this number holds; 0 is the whole match.
    Number(usize),
    /// What the group of this name holds.
    Name(&'t str),
}

/// The parts of a replacement: `$1`, `${1}`, `$name` and `${name}` stand for a group, `$$` for a dollar. A name without
/// braces takes all letters, digits and underscores that follow, so `$1x` is the group named `1x`. A `$` before anything
/// else is a dollar.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let after = &rest[at + 1..];
        let (piece, length) = if after.starts_with('$') {
            (Piece::Text("$"), 1)
        } else if let Some((name, _)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            (group(name), name.len() + 2)
        } else {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
            if end == 0 { (Piece::Text("$"), 0) } else { (group(&after[..end]), end) }
        };
        pieces.push(piece);
        rest = &after[length..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn group(name: &str) -> Piece<'_> {
    name.parse().map_or(Piece::Name(name), Piece::Number)
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn forms() {
        use Piece::{Name, Number, Text};
        assert_eq!(pieces("a$1b"), [Text("a"), Name("1b")]);
        assert_eq!(pieces("${1}b$2"), [Number(1), Text("b"), Number(2)]);
        assert_eq!(pieces("$$1 $ $-"), [Text("$"), Text("1 "), Text("$"), Text(" "), Text("$"), Text("-")]);
        assert_eq!(pieces("${year}-$month."), [Name("year"), Text("-"), Name("month"), Text(".")]);
        assert_eq!(pieces("${open"), [Text("$"), Text("{open")]);
        assert_eq!(pieces(""), []);
    }
}
