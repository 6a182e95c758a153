//! Cuts a file into documents before it is parsed.

use std::ops::Range;

/// Ranges that start at the file's start and at its `---` lines. What stands before the first content (comments,
/// directives) stays with the document that it introduces.
pub(super) fn chunks(text: &str) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut position, mut content) = (0, 0, false);
    for line in text.split_inclusive('\n') {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.starts_with(char::is_whitespace) || rest.is_empty());
        if marker {
            if content {
                chunks.push(start..position);
                start = position;
            }
            content = line.strip_prefix("---").is_some_and(has_content);
        } else if has_content(line) && !line.starts_with('%') {
            content = true;
        }
        position += line.len();
    }
    chunks.push(start..text.len());
    chunks
}

fn has_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn cuts_at_markers_only() {
        let cut = |text: &str| chunks(text).into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>();
        assert_eq!(cut("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(cut("# head\n---\nb: 2\n"), ["# head\n---\nb: 2\n"]);
        assert_eq!(cut("a: |\n  x\n  ---\n--- b\n"), ["a: |\n  x\n  ---\n", "--- b\n"]);
        assert_eq!(cut(""), [""]);
    }
}
