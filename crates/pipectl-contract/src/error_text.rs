//! What a person is reported the errors of libraries and services: each cause once, on one line that can be read.

use std::error::Error;

/// Characters of a line; services answer with whole pages now and then.
const LONGEST: usize = 400;

/// An error and what caused it, each once.
pub fn chained(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let more = one.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = one.source();
    }
    text
}

/// A text on one line, cut where it grows too long to be read.
pub fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(LONGEST) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(texts: &[&'static str]) -> Option<Box<Link>> {
        let (text, rest) = texts.split_first()?;
        Some(Box::new(Link { text, source: chain(rest) }))
    }

    #[test]
    fn each_cause_is_reported_once() {
        let reported = |texts: &[&'static str]| chained(&*chain(texts).unwrap());
        assert_eq!(reported(&["cannot connect", "refused", "os error 111"]), "cannot connect: refused: os error 111");
        assert_eq!(reported(&["cannot connect: refused", "refused"]), "cannot connect: refused");
    }

    #[test]
    fn a_page_becomes_a_line() {
        assert_eq!(one_line("<html>\n  busy\n</html>\n"), "<html> busy </html>");
        let cut = one_line(&"ü ".repeat(10_000));
        assert_eq!(cut.chars().count(), LONGEST + 1);
        assert!(cut.ends_with('…'));
    }
}
