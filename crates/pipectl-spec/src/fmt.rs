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

/// The text in its standard layout. Formatting it again changes nothing.
///
/// # Errors
/// What is wrong with the YAML; nothing is laid out then. The map gets the file.
pub fn format(input: &Input, map: &mut SourceMap) -> Result<String, Diagnostics> {
    let mut problems = Diagnostics::new();
    let before = tree::parse(&input.name, &input.bytes, map, &mut problems);
    if problems.has_errors() {
        return Err(problems);
    }
    let text = String::from_utf8_lossy(&input.bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let options = FormatOptions {
        layout: LayoutOptions { print_width: WIDTH, ..LayoutOptions::default() },
        language: LanguageOptions { trailing_comma: false, ..LanguageOptions::default() },
    };
    let cannot = |why: &str| {
        let title = format!("`{}` cannot be formatted: {why}", input.name);
        Diagnostics::from(
            Diagnostic::error(codes::command::CANNOT_FORMAT, title)
                .note("the file is unchanged")
                .help("this is a bug in pipectl, not an error in the file: please report it with the file"),
        )
    };
    let formatted = pretty_yaml::format_text(text, &options).map_err(|error| cannot(&error.to_string()))?;
    let mut unheard = Diagnostics::new();
    let after = tree::parse(&input.name, formatted.as_bytes(), &mut SourceMap::default(), &mut unheard);
    let is_same = before.documents.len() == after.documents.len()
        && before.documents.iter().zip(&after.documents).all(|(before, after)| is_same(before, after));
    if unheard.has_errors() || !is_same {
        return Err(cannot("its meaning would change"));
    }
    Ok(formatted)
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

    fn laid_out(text: &str) -> String {
        let input = Input { name: "a.yaml".to_owned(), bytes: text.as_bytes().to_vec() };
        format(&input, &mut SourceMap::default()).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
    }

    #[test]
    fn comments_blank_lines_and_order_stay() {
        let text = "# Top.\nspec:\n    b:   {x: 1,y: [1,2]}   # beside\n\n    a: 'it''s'\n    sql: |\n        SELECT *\n          FROM t\n---\nkind: Environment\n";
        let expected = "# Top.\nspec:\n  b: { x: 1, y: [1, 2] } # beside\n\n  a: 'it''s'\n  sql: |\n    SELECT *\n      FROM t\n---\nkind: Environment\n";
        assert_eq!(laid_out(text), expected);
        assert_eq!(laid_out(expected), expected);
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
                Ok(once) => once,
                Err(problems) => {
                    let refused = problems.iter().any(|problem| problem.code == codes::command::CANNOT_FORMAT);
                    assert!(!refused, "{}: {problems:?}", input.name);
                    continue;
                }
            };
            assert_eq!(laid_out(&once), once, "{}", input.name);
            count += 1;
        }
        assert!(count > 100, "only {count} cases");
    }
}
