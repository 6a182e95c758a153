//! What the parser complains about, in the user's words.

use std::ops::Range;

use granit_parser::{ErrorKind, ScanError};
use pipectl_diag::{Diagnostic, FileId, Place, Span, codes::syntax};

use super::MAX_DEPTH;

/// The span of the character at a byte.
fn character(text: &str, at: usize) -> Range<usize> {
    let length =
        text.get(at..).and_then(|rest| rest.chars().next()).filter(|next| *next != '\n').map_or(0, char::len_utf8);
    at..at + length
}

/// A span without the white space at its end, which the parser counts to a block scalar.
pub(super) fn trimmed(span: Range<usize>, source: &str) -> Range<usize> {
    let end = span.start + source.trim_end().len();
    span.start..end.max(span.start).min(span.end)
}

pub(super) fn not_utf8(bytes: &[u8], at: usize, file: FileId) -> Diagnostic {
    let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let byte = bytes.get(at).copied().unwrap_or_default();
    let problem = Diagnostic::error(syntax::NOT_UTF8, format!("the byte 0x{byte:02X} is not valid UTF-8"))
        .at_span(Span { file, start: at, end: at + '\u{FFFD}'.len_utf8() }, "");
    if utf16 {
        problem.help("the file seems to be UTF-16: save it as UTF-8")
    } else {
        problem.help("save the file as UTF-8; write binary data as base64")
    }
}

pub(super) fn too_deep(at: usize, file: FileId) -> Diagnostic {
    Diagnostic::error(syntax::TOO_DEEP, format!("collections are nested deeper than {MAX_DEPTH} levels"))
        .at_span(Span { file, start: at, end: at + 1 }, "")
        .help("no valid spec is nested that deeply: look for brackets that are not closed")
}

/// A syntax error and what is known about the place.
pub(super) struct Fault<'t> {
    pub(super) text: &'t str,
    /// Where the parser gave up, in the text.
    pub(super) at: usize,
    /// Where the last thing that it understood ends.
    pub(super) read: usize,
    /// The bracket or brace that is open there.
    pub(super) bracket: Option<usize>,
    /// Where the text starts in the file.
    pub(super) base: usize,
    pub(super) file: FileId,
}

const QUOTING: &str = "quote a text that begins with one of [ ] { } , & * # ? | - > ! % @ or a backtick";

impl Fault<'_> {
    fn span(&self, range: &Range<usize>) -> Span {
        Span { file: self.file, start: self.base + range.start, end: self.base + range.end }
    }

    fn at(&self, at: usize) -> Span {
        self.span(&character(self.text, at))
    }

    /// The text of the line of the place, up to the place.
    fn before(&self) -> &str {
        let before = self.text.get(..self.at.min(self.text.len())).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    /// A tab in the indentation of the line of the place.
    fn tab(&self) -> Option<usize> {
        let start = self.at.min(self.text.len()) - self.before().len();
        let line = self.text.get(start..)?.lines().next()?;
        let indent = line.len() - line.trim_start().len();
        line.get(..indent)?.find('\t').map(|tab| start + tab)
    }

    /// The `${…}` at or before the place in its line: YAML reads its braces as a mapping's, inside other braces.
    fn reference(&self) -> Option<&str> {
        let start = self.at.min(self.text.len()) - self.before().len();
        let line = self.text.get(start..)?.lines().next()?;
        let reference = line.find("${")?;
        let length = line.get(reference..)?.find('}')?;
        line.get(reference..=reference + length)
    }

    /// The quote that opened the text that has no end: the first one after what was understood.
    fn quote(&self) -> Option<usize> {
        let rest = self.text.get(self.read..)?;
        let (mut comment, mut space) = (false, false);
        for (offset, next) in rest.char_indices() {
            match next {
                '\n' => comment = false,
                '#' if space => comment = true,
                '"' | '\'' if !comment => return Some(self.read + offset),
                _ => {}
            }
            space = next.is_whitespace();
        }
        None
    }

    /// The backslash of the escape that YAML does not know, in the double-quoted text at the place.
    fn escape(&self) -> Option<Range<usize>> {
        let mut rest = self.text.get(self.at + 1..)?.char_indices();
        while let Some((offset, next)) = rest.next() {
            if next == '\\' {
                let (_, letter) = rest.next()?;
                let start = self.at + 1 + offset;
                if !"0abt\tnvfre \"/\\N_LP\r\nxuU".contains(letter) {
                    return Some(start..start + 1 + letter.len_utf8());
                }
                let digits = match letter {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => continue,
                };
                let code = self.text.get(start + 2..start + 2 + digits);
                let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
                if code.is_none_or(|code| char::from_u32(code).is_none()) {
                    return Some(start..start + 2);
                }
            }
        }
        None
    }

    pub(super) fn diagnostic(&self, error: &ScanError) -> Diagnostic {
        use ErrorKind as K;
        let here = self.at(self.at);
        match error.kind() {
            K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabNotAllowed
            | K::TabAtBlockScalarStart
            | K::TabInPlainScalar => match self.tab() {
                Some(tab) => self.indented_by_tab(tab),
                None => Diagnostic::error(syntax::TAB, "a tab is not allowed here")
                    .at_span(here, "")
                    .help("use spaces; quote a text that needs a tab: \"\\t\""),
            },
            K::RecursionLimitExceeded => too_deep(here.start, self.file),
            K::UnclosedQuotedScalar | K::DocumentIndicatorInQuotedScalar | K::InvalidQuotedScalarIndent => {
                self.unclosed_quote()
            }
            K::UnclosedFlowCollection { open } => Self::unclosed(*open, here),
            K::MismatchedFlowCollectionEnd { open, close } => {
                let title = format!("`{open}` is closed by `{close}`");
                self.opened(Diagnostic::error(syntax::UNCLOSED_BRACKET, title).at_span(here, ""))
                    .help(format!("close it with `{}`", if *open == '[' { ']' } else { '}' }))
            }
            K::MisplacedFlowCollectionEnd => Diagnostic::error(syntax::UNCLOSED_BRACKET, "this bracket closes nothing")
                .at_span(here, "")
                .help("remove it, or quote the text that it belongs to"),
            K::UnknownQuotedScalarEscape
            | K::InvalidQuotedScalarHexEscape
            | K::InvalidLowSurrogateHexEscape
            | K::InvalidLowSurrogate
            | K::MissingLowSurrogate
            | K::UnpairedLowSurrogate
            | K::InvalidUnicodeEscape => self.bad_escape(here),
            _ if self.bracket.is_some() => {
                let title = "a bracket is not closed, or a comma is missing";
                let problem = Diagnostic::error(syntax::UNCLOSED_BRACKET, title);
                let problem = self.opened(problem.at_span(here, "the text is not valid from here"));
                match self.reference() {
                    Some(reference) => problem.help(format!("inside brackets, quote a reference: `\"{reference}\"`")),
                    None => problem
                        .help("separate the entries with commas and close every `[` with `]` and every `{` with `}`"),
                }
            }
            K::MappingValueNotAllowed | K::InvalidColonPlacement | K::MappingKeyNotAllowed => {
                if let Some(tab) = self.tab() {
                    return self.indented_by_tab(tab);
                }
                let before = self.before();
                if !before.contains(':')
                    && self.text.get(here.start - self.base..).is_some_and(|rest| rest.starts_with(':'))
                {
                    let start = self.at - before.trim_start().len();
                    return Self::bad_indentation(self.span(&(start..self.at.max(start))));
                }
                Diagnostic::error(syntax::MISPLACED_COLON, "a second key is not allowed on this line")
                    .at_span(here, "")
                    .help("quote a text that holds `: `, or write the inner mapping on its own indented lines")
            }
            K::InvalidIndentation
            | K::InvalidFlowScalarIndent
            | K::InvalidBlockScalarIndent
            | K::ExpectedBlockMappingKey
            | K::ExpectedBlockSequenceEntry
            | K::BlockSequenceEntryNotAllowed
            | K::InvalidSimpleKey
            | K::SimpleKeyExpected
            | K::ExpectedDocumentStart
            | K::UnexpectedEofBlockMapping
            | K::UnexpectedEofBlockSequence => match self.tab() {
                Some(tab) => self.indented_by_tab(tab),
                None => Self::bad_indentation(here),
            },
            K::UnexpectedCharacter { character } => Diagnostic::error(
                syntax::INVALID_YAML,
                format!("a text cannot begin with `{}`", character.escape_debug()),
            )
            .at_span(here, "")
            .help(QUOTING),
            K::MissingAnchorOrAliasName => Diagnostic::error(
                syntax::INVALID_YAML,
                "`*` and `&` need the name of an anchor",
            )
            .at_span(here, "")
            .help(
                "write `&name` to define an anchor and `*name` to refer to it; quote a string that begins with `&` or `*`",
            ),
            K::InvalidTrailingDoubleQuotedScalar | K::InvalidTrailingSingleQuotedScalar => {
                Diagnostic::error(syntax::INVALID_YAML, "text continues after the closing quote")
                    .at_span(here, "")
                    .help("put the whole text in quotes; inside single quotes, write '' for an apostrophe")
            }
            other => Diagnostic::error(syntax::INVALID_YAML, format!("this is not YAML: {other}"))
                .at_span(here, "")
                .help(QUOTING),
        }
    }

    fn indented_by_tab(&self, tab: usize) -> Diagnostic {
        Diagnostic::error(syntax::TAB, "a tab cannot indent YAML")
            .at_span(self.span(&(tab..tab + 1)), "this is a tab")
            .help("indent with spaces")
    }

    fn bad_indentation(span: Span) -> Diagnostic {
        Diagnostic::error(syntax::BAD_INDENTATION, "this line does not match the lines above it")
            .at_span(span, "")
            .help("indent all keys of a mapping equally, and write `key: value` with a colon and a space")
    }

    fn unclosed_quote(&self) -> Diagnostic {
        let quote = self.quote().unwrap_or(self.at);
        let sign = if self.text.get(quote..).is_some_and(|rest| rest.starts_with('\'')) { "'" } else { "\"" };
        let problem = Diagnostic::error(syntax::UNCLOSED_QUOTE, "a quoted text is not closed")
            .at_span(self.at(quote), "opened here");
        if sign == "'" {
            problem.help("close it with '; write '' for an apostrophe inside")
        } else {
            problem.help("close it with \"; write \\\" for a quote inside")
        }
    }

    fn unclosed(open: char, here: Span) -> Diagnostic {
        Diagnostic::error(syntax::UNCLOSED_BRACKET, format!("`{open}` is not closed"))
            .at_span(here, "")
            .help(format!("close it with `{}`", if open == '[' { ']' } else { '}' }))
    }

    fn opened(&self, problem: Diagnostic) -> Diagnostic {
        match self.bracket {
            Some(bracket) => problem.related(Place::Span(self.at(bracket)), "opened here"),
            None => problem,
        }
    }

    fn bad_escape(&self, here: Span) -> Diagnostic {
        let escape = self.escape();
        let span = escape.as_ref().map_or(here, |escape| self.span(escape));
        let written = escape.and_then(|escape| self.text.get(escape)).unwrap_or("\\");
        Diagnostic::error(
            syntax::BAD_ESCAPE,
            format!("YAML does not know the escape `{}`", written.escape_debug().to_string().replace("\\\\", "\\")),
        )
        .at_span(span, "")
        .help("write the text in single quotes, where a backslash is literal, or double the backslash")
    }
}
