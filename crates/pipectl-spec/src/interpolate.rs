//! `${VAR}`, `${VAR:-default}` and `${secret:NAME}`, filled in after parsing: a value can never change the shape of the
//! document, and a reference in a comment is only a comment. Defaults follow the shell
//! (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_06_02>).

use std::ops::Range;

use pipectl_diag::{Diagnostic, Diagnostics, Path, Segment, codes::interpolation as codes};

use crate::tree::{Kind, Node, Origin, Style, plain};

/// Where variables and secrets come from. Handed in: this crate reads no environment.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    /// The value of an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The value of a secret.
    pub secret: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for Resolver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

/// Fills in the references of all scalars below `node`, except under `x-…` keys, whose content counts only where an
/// alias repeats it.
pub(crate) fn interpolate(node: &mut Node, path: &Path, resolver: &Resolver<'_>, problems: &mut Diagnostics) {
    match &mut node.kind {
        Kind::Seq(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                interpolate(item, &path.index(index), resolver, problems);
            }
        }
        Kind::Map(entries) => {
            for entry in entries.iter_mut().filter(|entry| !entry.key.starts_with("x-")) {
                let path = path.key(&entry.key);
                if entry.key.contains("${") {
                    let title = format!("the key `{}` holds a reference", entry.key);
                    let problem = Diagnostic::error(codes::REFERENCE_IN_KEY, title).at_key(&path, "");
                    problems.push(problem.help("write the key literally: only values can contain references"));
                }
                interpolate(&mut entry.value, &path, resolver, problems);
            }
        }
        Kind::Str(text) => {
            foreign(text, path, problems);
            if text.contains("${") {
                let text = std::mem::take(text);
                fill(node, text, path, resolver, problems);
            }
        }
        _ => {}
    }
}

/// Keys whose texts have such signs of their own.
const LANGUAGES: [&str; 9] =
    ["sql", "regex", "grok", "patterns", "prefix", "time_format", "description", "settings", "message"];

/// Warns of references as other systems write them: here they are text.
fn foreign(text: &str, path: &Path, problems: &mut Diagnostics) {
    let is_language = |segment: &Segment| matches!(segment, Segment::Key(key) if LANGUAGES.contains(&key.as_str()));
    let reference = if is_sql(path) {
        foreign_reference_in_sql(text)
    } else if path.segments().iter().any(is_language) {
        None
    } else {
        foreign_reference(text)
    };
    let Some((range, name)) = reference else { return };
    let written = text.get(range.clone()).unwrap_or_default();
    let problem = Diagnostic::warning(codes::FOREIGN_REFERENCE, format!("`{written}` is text here, not a variable"))
        .at_inside(path, range.clone(), "")
        .help(format!("write `${{{name}}}` for the variable `{name}`"));
    problems.push(problem);
}

fn is_sql(path: &Path) -> bool {
    matches!(path.segments().last(), Some(Segment::Key(key)) if key == "sql")
}

/// The first reference that is a text constant of a query by itself and is compared with a value. All other texts of a
/// query may have such signs of their own: patterns, replacements, paths.
fn foreign_reference_in_sql(sql: &str) -> Option<(Range<usize>, &str)> {
    let mut rest = 0;
    while let Some(start) = sql.get(rest..)?.find(['\'', '"', '`', '-', '/']).map(|at| rest + at) {
        let after = sql.get(start..)?;
        let close = match after.get(..2) {
            Some("--") => "\n",
            Some("/*") => "*/",
            _ => after.get(..1)?,
        };
        rest = start + 1;
        if close == "-" || close == "/" {
            continue;
        }
        let end = rest + sql.get(rest..)?.find(close)?;
        rest = end + close.len();
        if close != "'" {
            continue;
        }
        let text = sql.get(start + 1..end)?;
        let Some((range, name)) = foreign_reference(text).filter(|(range, _)| range.len() == text.len()) else {
            continue;
        };
        // Beside `=` it is no pattern, as after LIKE, and no replacement.
        if sql.get(..start)?.trim_end().ends_with(['=', '<', '>']) {
            return Some((start + 1 + range.start..start + 1 + range.end, name));
        }
    }
    None
}

/// The first `$NAME`, `$(NAME)`, `%NAME%`, `{{ NAME }}` or `~/`, and the name. In capitals, as variables are, but for the last form.
fn foreign_reference(text: &str) -> Option<(Range<usize>, &str)> {
    let capital = |next: char| next.is_ascii_uppercase() || next.is_ascii_digit() || next == '_';
    let name_at = |at: usize, letter: &dyn Fn(char) -> bool| {
        let rest = text.get(at..)?;
        let length = rest.find(|next| !letter(next)).unwrap_or(rest.len());
        let name = rest.get(..length)?;
        let is_name = name.len() > 1 && !name.starts_with(|first: char| first.is_ascii_digit());
        is_name.then_some(name)
    };
    text.char_indices().find_map(|(at, sign)| match sign {
        // A shell makes the user's folder of it, and `$(NAME)` is what make and Azure's pipelines write.
        '~' if at == 0 && text.starts_with("~/") => Some((0..1, "HOME")),
        '$' if text.get(at..)?.starts_with("$(") => {
            let name = name_at(at + 2, &capital)?;
            let end = at + 2 + name.len();
            text.get(end..)?.starts_with(')').then_some((at..end + 1, name))
        }
        // `$$` is a dollar sign, and `${` ours.
        '$' if !text.get(..at).is_some_and(|before| before.ends_with('$')) => {
            let name = name_at(at + 1, &capital)?;
            let ends = text.get(at + 1 + name.len()..)?.chars().next().is_none_or(|next| !next.is_ascii_alphabetic());
            ends.then(|| (at..at + 1 + name.len(), name))
        }
        '%' => {
            let name = name_at(at + 1, &capital)?;
            let end = at + 1 + name.len();
            text.get(end..)?.starts_with('%').then_some((at..end + 1, name))
        }
        '{' if text.get(at..)?.starts_with("{{") => {
            let inside = text.get(at + 2..)?;
            let start = at + 2 + (inside.len() - inside.trim_start_matches([' ', '.']).len());
            let name = name_at(start, &|next| next.is_ascii_alphanumeric() || next == '_')?;
            let after = text.get(start + name.len()..)?;
            let spaces = after.len() - after.trim_start_matches(' ').len();
            let end = start + name.len() + spaces + 2;
            after.get(spaces..)?.starts_with("}}").then_some((at..end, name))
        }
        _ => None,
    })
}

/// A part of a scalar's text.
enum Piece<'t> {
    Text,
    /// `$${`, for `${` itself.
    Escape,
    Variable {
        name: &'t str,
        otherwise: Option<Otherwise<'t>>,
    },
    Secret {
        name: &'t str,
    },
    /// What is wrong and what to write.
    Bad(String, String),
}

/// What counts where a variable has no value.
#[derive(Clone, Copy)]
struct Otherwise<'t> {
    /// Whether an empty value counts as none: the colon of `:-` and `:?`.
    empty_too: bool,
    /// The text behind the sign.
    text: &'t str,
    /// Whether the text says what is wrong (`?`) instead of being the value (`-`).
    is_error: bool,
}

fn fill(node: &mut Node, text: String, path: &Path, resolver: &Resolver<'_>, problems: &mut Diagnostics) {
    let mut filled = String::with_capacity(text.len());
    let mut inside = Vec::new();
    let (mut sound, mut secret, mut unset, mut outside) = (true, false, false, false);
    let pieces = pieces(&text);
    for (range, piece) in &pieces {
        let problem = |code, title: String| Diagnostic::error(code, title).at_inside(path, range.clone(), "");
        let value = match piece {
            Piece::Text => {
                carry(&mut inside, &node.inside, range, filled.len());
                filled.push_str(text.get(range.clone()).unwrap_or_default());
                continue;
            }
            Piece::Escape => Some("${".to_owned()),
            Piece::Variable { name, otherwise } => {
                outside = true;
                let value = (resolver.variable)(name);
                let empty = value.as_deref() == Some("");
                let none = value.is_none() || (empty && otherwise.is_some_and(|otherwise| otherwise.empty_too));
                match otherwise {
                    _ if !none => value,
                    Some(Otherwise { text, is_error: false, .. }) => Some((*text).to_owned()),
                    otherwise => {
                        let mut problem = no_value(problem, name, empty, *otherwise, resolver);
                        if is_sql(path) && text.contains("regexp_replace") {
                            problem = problem.help(format!("for a group in a replacement, write `$${{{name}}}`"));
                        }
                        problems.push(problem);
                        None
                    }
                }
            }
            Piece::Secret { name } => {
                secret = true;
                let value = (resolver.secret)(name);
                if value.is_none() {
                    unset = true;
                    let problem = problem(codes::UNSET_SECRET, format!("there is no secret `{name}`"));
                    problems.push(problem.help(format!(
                        "set PIPECTL_SECRET_{name}, or write it into the file {name} of the directory $PIPECTL_SECRETS_DIR"
                    )));
                }
                value.or_else(|| Some(String::new()))
            }
            Piece::Bad(title, help) => {
                problems.push(problem(codes::BAD_REFERENCE, title.clone()).help(help));
                None
            }
        };
        match value {
            Some(value) => {
                let source = source_byte(&node.inside, range.start);
                inside.extend(value.char_indices().map(|(at, _)| (filled.len() + at, source)));
                filled.push_str(&value);
            }
            None => sound = false,
        }
    }
    if !sound {
        node.kind = Kind::Broken;
        return;
    }
    let alone = matches!(pieces.as_slice(), [(_, Piece::Variable { .. })]);
    if secret {
        node.origin = Origin::Secret { written: text };
        // The place may be wrong for a secret too; the walk reports it, set or not. The places inside stay those of the
        // text as written: a problem of a secret's text cannot be shown anyway.
        node.kind = if unset { Kind::Broken } else { Kind::Str(filled) };
        return;
    }
    // In quotes too: where a number is asked for, it is one. A text stays what the variable holds, see the walk.
    node.kind = if alone && node.style != Style::Block { plain(&filled) } else { Kind::Str(filled.clone()) };
    node.inside = inside;
    if outside {
        node.origin = Origin::Variable { written: text, text: filled };
    }
}

/// A variable that must have a value has none.
fn no_value(
    problem: impl Fn(pipectl_diag::Code, String) -> Diagnostic,
    name: &str,
    empty: bool,
    otherwise: Option<Otherwise<'_>>,
    resolver: &Resolver<'_>,
) -> Diagnostic {
    let state = if empty { "is empty" } else { "is not set" };
    let mut problem = problem(codes::UNSET_VARIABLE, format!("the variable `{name}` {state}"));
    let upper = name.to_uppercase();
    if upper != *name && (resolver.variable)(&upper).is_some() {
        problem = problem.help(format!("`{upper}` is set: names are case-sensitive"));
    }
    match otherwise.map(|otherwise| otherwise.text).filter(|text| !text.is_empty()) {
        Some(text) => problem.help(text),
        None => problem.help(format!("set it, or give a default: `${{{name}:-default}}`")),
    }
}

/// Takes over the pairs of a range of the text, which now stands at `to`.
fn carry(into: &mut Vec<(usize, usize)>, from: &[(usize, usize)], range: &Range<usize>, to: usize) {
    into.push((to, source_byte(from, range.start)));
    let within = from.iter().filter(|(at, _)| range.start < *at && *at < range.end);
    into.extend(within.map(|(at, source)| (at - range.start + to, *source)));
}

fn source_byte(inside: &[(usize, usize)], offset: usize) -> usize {
    let after = inside.partition_point(|(at, _)| *at <= offset);
    let pair = after.checked_sub(1).and_then(|index| inside.get(index));
    pair.map_or(offset, |(at, source)| source + (offset - at))
}

fn pieces(text: &str) -> Vec<(Range<usize>, Piece<'_>)> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
        let dollar = at + found;
        let escaped = dollar > from && text.as_bytes().get(dollar - 1) == Some(&b'$');
        let start = if escaped { dollar - 1 } else { dollar };
        if start > from {
            pieces.push((from..start, Piece::Text));
        }
        let body = text.get(dollar + 2..).unwrap_or_default();
        let end = if escaped {
            pieces.push((start..dollar + 2, Piece::Escape));
            dollar + 2
        } else if let Some(length) = body.find('}') {
            let end = dollar + 2 + length + 1;
            pieces.push((start..end, reference(body.get(..length).unwrap_or_default())));
            end
        } else {
            let help = "write `${NAME}`, or `$${` for a literal `${`";
            pieces.push((start..text.len(), Piece::Bad("`${` has no closing `}`".to_owned(), help.to_owned())));
            text.len()
        };
        from = end;
        at = end;
    }
    if from < text.len() {
        pieces.push((from..text.len(), Piece::Text));
    }
    pieces
}

fn reference(body: &str) -> Piece<'_> {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
    };
    if let Some(name) = body.strip_prefix("secret:") {
        return if is_name(name) {
            Piece::Secret { name }
        } else {
            Piece::Bad(
                format!("`{name}` is not the name of a secret"),
                "write `${secret:NAME}`; a secret has no default".to_owned(),
            )
        };
    }
    let sign =
        body.find(['-', '?']).filter(|at| body.get(..*at).is_some_and(|name| is_name(name.trim_end_matches(':'))));
    let (name, otherwise) = match sign.and_then(|at| Some((body.get(..at)?, body.get(at..)?))) {
        Some((before, rest)) => {
            let name = before.strip_suffix(':').unwrap_or(before);
            let empty_too = name.len() < before.len();
            (
                name,
                Some(Otherwise { empty_too, is_error: rest.starts_with('?'), text: rest.get(1..).unwrap_or_default() }),
            )
        }
        None => (body, None),
    };
    if is_name(name) && !otherwise.is_some_and(|otherwise| otherwise.text.contains("${")) {
        return Piece::Variable { name, otherwise };
    }
    let length = name.find(|next: char| !(next.is_ascii_alphanumeric() || next == '_')).unwrap_or(name.len());
    let (word, rest) = name.split_at(length);
    let (title, help) = if is_name(name) {
        ("references do not nest".to_owned(), "write a plain default".to_owned())
    } else if let Some(default) = rest.trim_start_matches(':').strip_prefix(['=', '+']).filter(|_| is_name(word)) {
        (format!("`${{{body}}}` is not a reference"), format!("write `${{{word}:-{default}}}` for a default"))
    } else {
        let help = "write `${NAME}`, `${NAME:-default}` or `${secret:NAME}`, or `$${` for a literal `${`";
        (format!("`${{{body}}}` is not a reference"), help.to_owned())
    };
    Piece::Bad(title, help)
}

#[cfg(test)]
mod tests {
    use pipectl_diag::{Diagnostics, Path};

    use super::{Resolver, foreign_reference, foreign_reference_in_sql, interpolate};
    use crate::tree::{Kind, Node};

    #[test]
    fn references_of_other_systems_in_sql() {
        let found = |sql: &'static str| foreign_reference_in_sql(sql).map(|(range, name)| (&sql[range], name));
        for (sql, written, name) in [
            ("SELECT a FROM s WHERE user = '$NAME'", "$NAME", "NAME"),
            ("SELECT a FROM s WHERE user >= '{{ NAME }}'", "{{ NAME }}", "NAME"),
            ("SELECT a FROM s WHERE user = '%USER%'", "%USER%", "USER"),
            ("SELECT 'é''s' AS a -- it's\nFROM s WHERE user <> '%USER%'", "%USER%", "USER"),
        ] {
            assert_eq!(found(sql), Some((written, name)), "{sql}");
        }
        for sql in [
            "SELECT a FROM s WHERE user LIKE '%USER%'",
            "SELECT a FROM s WHERE user LIKE '%ABC%' ESCAPE '!'",
            "SELECT regexp_replace(user, '(?<NAME>a)', '$NAME') AS a FROM s",
            "SELECT regexp_replace(user, '(a)', '$1') AS a FROM s",
            "SELECT regexp_like(user, '^a$') AS a, json_text(j, '$.NAME') AS b FROM s",
            "SELECT a FROM s -- user = '$NAME'",
            "SELECT a /* '$NAME' */ FROM s WHERE b - 1 / 2 = 3",
            "SELECT \"'$NAME'\" AS a FROM s",
            "SELECT '$HOME' AS home FROM s",
            "SELECT a FROM s WHERE b = 'costs $AB'",
            "SELECT 'open",
        ] {
            assert_eq!(found(sql), None, "{sql}");
        }
    }

    #[test]
    fn an_unset_variable_in_a_replacement_may_be_a_group() {
        let helps = |text: &str, key: &str| {
            let mut node = Node::new(Kind::Str(text.to_owned()), 0..0);
            let mut problems = Diagnostics::new();
            let none = |_: &str| None;
            interpolate(&mut node, &Path::here().key(key), &Resolver { variable: &none, secret: &none }, &mut problems);
            problems.iter().flat_map(|problem| problem.help.clone()).collect::<Vec<_>>()
        };
        let group = "for a group in a replacement, write `$${n}`".to_owned();
        assert!(helps("SELECT regexp_replace(u, '(?<n>a)', '${n}') AS x FROM s", "sql").contains(&group));
        assert!(!helps("SELECT u FROM s WHERE u = '${n}'", "sql").contains(&group));
        assert!(!helps("regexp_replace ${n}", "path").contains(&group));
    }

    #[test]
    fn references_of_other_systems() {
        let found = |text: &'static str| foreign_reference(text).map(|(range, name)| (&text[range], name));
        for (text, written, name) in [
            ("$HOME/x.jsonl", "$HOME", "HOME"),
            ("a/$DATA_DIR/${X}", "$DATA_DIR", "DATA_DIR"),
            ("%USERPROFILE%/x", "%USERPROFILE%", "USERPROFILE"),
            ("{{ folder }}/x", "{{ folder }}", "folder"),
            ("{{.Env}}", "{{.Env}}", "Env"),
            ("é $DATA", "$DATA", "DATA"),
        ] {
            assert_eq!(found(text), Some((written, name)), "{text}");
        }
        for text in [
            "${HOME}",
            "$${HOME}",
            "$$HOME",
            "$1",
            "$",
            "$.a",
            "costs $5",
            "$Home",
            "%Y%m%d",
            "100%",
            "50% OF 60%",
            "{a}",
            "{{",
            "{{}}",
            "{{ a b }}",
            "$A",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
