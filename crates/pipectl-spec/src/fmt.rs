//! The text of a spec laid out in one way. Comments, blank lines and the order of keys stay; values stay the same, which is
//! held against the parser before the new text is given out.

use pipectl_diag::{Diagnostic, Diagnostics, SourceMap, codes};
use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions};

use crate::{
    load::Input,
    tree::{self, Kind, Node},
};

/// Columns that a line may have before a flow mapping is broken into several lines.
const WIDTH: usize = 120;

/// Times that a text is laid out until it stays as it is.
const ROUNDS: usize = 4;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formatted {
    /// Its standard layout. Formatting it again changes nothing.
    Text(String),
    /// It stays as it is, since the layout would change what it means; a warning says so.
    Unchanged(Diagnostic),
}

/// The text in its standard layout.
///
/// # Errors
/// What is wrong with the YAML; nothing is laid out then. The map gets the file.
pub fn format(input: &Input, map: &mut SourceMap) -> Result<Formatted, Diagnostics> {
    let mut problems = Diagnostics::new();
    let before = tree::parse(&input.name, &input.bytes, map, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    let text = String::from_utf8_lossy(&input.bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // Blanks at the ends of lines are part of a block of text.
    let formatted = [true, false].into_iter().find_map(|trims| laid_out(text, &before.documents, trims));
    Ok(formatted.map_or_else(
        || {
            let title = format!("`{}` is left as it is: another layout could change its meaning", input.name);
            Formatted::Unchanged(
                Diagnostic::warning(codes::command::CANNOT_FORMAT, title)
                    .help("the file is valid; to have it formatted, write its unusual parts in a simpler form"),
            )
        },
        Formatted::Text,
    ))
}

/// The layout that stays as it is when it is laid out again, if it means the same.
fn laid_out(text: &str, documents: &[Node], trims: bool) -> Option<String> {
    let options = FormatOptions {
        layout: LayoutOptions { print_width: WIDTH, ..LayoutOptions::default() },
        language: LanguageOptions {
            trailing_comma: false,
            trim_trailing_whitespaces: trims,
            ..LanguageOptions::default()
        },
    };
    let mut last = text.to_owned();
    for _ in 0..ROUNDS {
        let next = pretty_yaml::format_text(&last, &options).ok()?;
        if next == last {
            break;
        }
        last = next;
    }
    let mut unheard = Diagnostics::new();
    let after = tree::parse("", last.as_bytes(), &mut SourceMap::default(), &mut unheard);
    let same = documents.len() == after.documents.len()
        && documents.iter().zip(&after.documents).all(|(before, after)| is_same(before, after));
    (same && !unheard.has_errors()).then_some(last)
}

/// Whether two values mean the same, references in them included: these depend on quotes.
fn is_same(before: &Node, after: &Node) -> bool {
    match (&before.kind, &after.kind) {
        (Kind::Seq(before), Kind::Seq(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| is_same(before, after))
        }
        (Kind::Map(before), Kind::Map(after)) => {
            let same = |(before, after): (&tree::Entry, &tree::Entry)| {
                before.key == after.key && is_same(&before.value, &after.value)
            };
            before.len() == after.len() && before.iter().zip(after).all(same)
        }
        (one, other) => one == other && before.style == after.style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let input = Input { name: "a.yaml".to_owned(), bytes: text.as_bytes().to_vec() };
        match format(&input, &mut SourceMap::default()) {
            Ok(Formatted::Text(text)) => text,
            other => panic!("{other:?}\n{text}"),
        }
    }

    #[test]
    fn blanks_in_blocks_of_text_stay_and_the_layout_settles() {
        let text = "sql: |\n  SELECT k \n  FROM r\nfile:\n  path:\n  - a\n  - b # x\n  # comment\n  format: json\n";
        let once = formatted(text);
        assert!(once.contains("SELECT k \n"), "{once}");
        assert_eq!(formatted(&once), once);
    }

    #[test]
    fn comments_blank_lines_and_order_stay() {
        let text = "# Top.\nspec:\n    b:   {x: 1,y: [1,2]}   # beside\n\n    a: 'it''s'\n    sql: |\n        SELECT *\n          FROM t\n---\nkind: Environment\n";
        let expected = "# Top.\nspec:\n  b: { x: 1, y: [1, 2] } # beside\n\n  a: 'it''s'\n  sql: |\n    SELECT *\n      FROM t\n---\nkind: Environment\n";
        assert_eq!(formatted(text), expected);
        assert_eq!(formatted(expected), expected);
    }

    #[test]
    fn examples_and_cases_mean_the_same_and_settle_at_once() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/diagnostics");
        let mut count = 0;
        for file in std::fs::read_dir(folder).expect("cases").flatten() {
            let Ok(bytes) = std::fs::read(file.path()) else { continue };
            if file.path().extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let input = Input { name: file.path().display().to_string(), bytes };
            // What is not YAML is refused; nothing else may be.
            let once = match format(&input, &mut SourceMap::default()) {
                Ok(Formatted::Text(once)) => once,
                Ok(Formatted::Unchanged(why)) => panic!("{}: {why:?}", input.name),
                Err(_) => continue,
            };
            assert_eq!(formatted(&once), once, "{}", input.name);
            count += 1;
        }
        assert!(count > 100, "only {count} cases");
    }
}
