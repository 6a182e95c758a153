//! For people: rustc's look, drawn by `annotate-snippets`.
//!
//! Only the lines that matter are handed over, so that a hundred problems in a file of ten megabytes stay cheap.

use std::ops::Range;

use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Origin, Patch, Renderer, Snippet, normalize_untrusted_str,
    renderer::{DEFAULT_ERROR_STYLE, DEFAULT_WARNING_STYLE},
};

use super::{Item, RenderOptions, count, located::Located};
use crate::{Diagnostic, FileId, Place, Severity, SourceMap};

/// Labels that are further apart than this many lines are shown as two excerpts.
const GAP: usize = 30;
/// A range of more lines than this is marked on its first line only.
const TALL: usize = 6;
/// An excerpt of more bytes than this is not drawn; the place and a few words around it are reported instead.
const HUGE: usize = 64 * 1024;
/// A replacement in a line of more bytes than this is reported rather than drawn.
const WIDE: usize = 200;
/// Bytes to quote on each side of a place in a huge line.
const AROUND: usize = 30;

pub(super) fn render(items: &[Item<'_>], map: &SourceMap, options: RenderOptions) -> String {
    let Some(first) = items.first() else { return String::new() };
    let renderer = if options.color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(options.width.max(40));
    let mut out = String::new();
    for item in items {
        out.push_str(renderer.render(&report(item, map)).trim_end_matches('\n'));
        out.push_str("\n\n");
    }
    let (errors, warnings) = count(items);
    let counts: Vec<_> = [plural(errors, "error"), plural(warnings, "warning")].into_iter().flatten().collect();
    let mut counts = counts.join(", ");
    if options.color {
        let style = if errors > 0 { DEFAULT_ERROR_STYLE } else { DEFAULT_WARNING_STYLE };
        counts = format!("{style}{counts}{style:#}");
    }
    let example = items.iter().find(|item| item.diagnostic.severity == Severity::Error).unwrap_or(first);
    out + &format!("{counts}\nfor details, run `pipectl explain {}`\n", example.diagnostic.code)
}

fn plural(count: usize, word: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        _ => Some(format!("{count} {word}s")),
    }
}

/// A label that could be located.
struct Mark<'a> {
    place: Located<'a>,
    text: &'a str,
    primary: bool,
    /// First and last line, from 1.
    lines: Range<usize>,
}

/// Marks of one file that are near each other.
struct Excerpt<'a> {
    marks: Vec<Mark<'a>>,
    lines: Range<usize>,
}

fn report<'a>(item: &Item<'a>, map: &'a SourceMap) -> Vec<Group<'a>> {
    let diagnostic = item.diagnostic;
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = normalize_untrusted_str(&diagnostic.title.replace('\n', " "));
    let mut main = Group::with_title(level.primary_title(title).id(diagnostic.code.as_str()));
    for excerpt in excerpts(item, map) {
        main = main.elements(draw(&excerpt));
    }
    main = main.elements(notes(diagnostic, map));
    let suggestion = suggestion(diagnostic, map);
    // The first line of help becomes the title of the drawn replacement.
    let said = usize::from(matches!(suggestion, Suggestion::Drawn(_)));
    let help = diagnostic.help.iter().skip(said).map(|line| Level::HELP.message(normalize_untrusted_str(line)));
    main = main.elements(help);
    match suggestion {
        Suggestion::None => vec![main],
        Suggestion::Told(text) => vec![main.element(Level::HELP.message(text))],
        Suggestion::Drawn(group) => vec![main, group],
    }
}

/// Facts, and labels whose place is in no file.
fn notes<'a>(diagnostic: &Diagnostic, map: &SourceMap) -> Vec<Element<'a>> {
    let mut lines = Vec::new();
    for label in &diagnostic.labels {
        if let (Place::Node(path, _), None) = (&label.place, Located::shown(&label.place, map)) {
            let path = path.to_string();
            match (path.is_empty(), label.text.is_empty()) {
                (true, true) => {}
                (true, false) => lines.push(label.text.clone()),
                (false, true) => lines.push(format!("at `{path}`")),
                (false, false) => lines.push(format!("at `{path}`: {}", label.text)),
            }
        }
    }
    lines.extend(diagnostic.notes.iter().cloned());
    lines.into_iter().map(|line| Level::NOTE.message(normalize_untrusted_str(&line)).into()).collect()
}

/// The marks, gathered: the diagnostic's own place first, then the rest of its file, then other files.
fn excerpts<'a>(item: &Item<'a>, map: &'a SourceMap) -> Vec<Excerpt<'a>> {
    let Some(own) = item.place else { return Vec::new() };
    let mut marks: Vec<_> = item.diagnostic.labels.iter().filter_map(|label| mark(label, map)).collect();
    let rank = |id: FileId| (id != own.id, id);
    marks.sort_by_key(|mark| (rank(mark.place.id), mark.place.start));
    let mut excerpts: Vec<Excerpt<'a>> = Vec::new();
    for mark in marks {
        match excerpts.last_mut() {
            Some(last)
                if last.marks.first().is_some_and(|other| other.place.id == mark.place.id)
                    && mark.lines.start <= last.lines.end + GAP =>
            {
                last.lines.end = last.lines.end.max(mark.lines.end);
                last.marks.push(mark);
            }
            _ => excerpts.push(Excerpt { lines: mark.lines.clone(), marks: vec![mark] }),
        }
    }
    let is_own = |mark: &Mark<'_>| mark.place.id == own.id && mark.place.start == own.start;
    excerpts.sort_by_key(|excerpt| !excerpt.marks.iter().any(is_own));
    excerpts
}

fn mark<'a>(label: &'a crate::Label, map: &'a SourceMap) -> Option<Mark<'a>> {
    let mut place = Located::shown(&label.place, map)?;
    let region = place.region();
    let mut lines = region.line..region.end_line;
    if lines.len() >= TALL {
        let first = place.file.line_range(region.line);
        place.end = place.start + place.file.text[place.start..first.end].trim_end().len();
        lines.end = lines.start;
    }
    Some(Mark { place, text: &label.text, primary: label.primary, lines })
}

fn draw<'a>(excerpt: &Excerpt<'a>) -> Vec<Element<'a>> {
    let Some(file) = excerpt.marks.first().map(|mark| mark.place.file) else { return Vec::new() };
    let window = file.line_range(excerpt.lines.start).start..file.line_range(excerpt.lines.end).end;
    if window.len() > HUGE {
        return excerpt.marks.iter().flat_map(marked).collect();
    }
    let snippet = Snippet::source(&file.text[window.clone()])
        .line_start(excerpt.lines.start)
        .path(normalize_untrusted_str(&file.name))
        .annotations(excerpt.marks.iter().map(|mark| {
            let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let text = normalize_untrusted_str(&mark.text.replace('\n', " "));
            kind.span(mark.place.start - window.start..mark.place.end - window.start)
                .label((!text.is_empty()).then_some(text))
        }));
    vec![snippet.into()]
}

/// The place and what stands around it, for lines that are too long to draw.
fn marked<'a>(mark: &Mark<'a>) -> Vec<Element<'a>> {
    let region = mark.place.region();
    let origin =
        Origin::path(normalize_untrusted_str(&mark.place.file.name)).line(region.line).char_column(region.column);
    let text = &mark.place.file.text;
    let line = text[..mark.place.start].rfind('\n').map_or(0, |at| at + 1);
    let before: String = last_chars(&text[line..mark.place.start], AROUND);
    let after: String = text[mark.place.start..].lines().next().unwrap_or_default().chars().take(AROUND).collect();
    let colon = if mark.text.is_empty() { "" } else { ": " };
    let note = format!("{}{colon}here `{before}` ⟶ `{after}`", mark.text);
    vec![origin.into(), Level::NOTE.message(normalize_untrusted_str(&note)).into()]
}

fn last_chars(text: &str, count: usize) -> String {
    let skipped = text.char_indices().rev().nth(count.saturating_sub(1)).map_or(0, |(at, _)| at);
    text[skipped..].to_owned()
}

enum Suggestion<'a> {
    None,
    Told(String),
    Drawn(Group<'a>),
}

fn suggestion<'a>(diagnostic: &'a Diagnostic, map: &'a SourceMap) -> Suggestion<'a> {
    let Some(fix) = &diagnostic.fix else { return Suggestion::None };
    let Some(place) = Located::exact(&fix.place, map) else { return Suggestion::None };
    let region = place.region();
    let window = place.file.line_range(region.line).start..place.file.line_range(region.end_line).end;
    let text = &place.file.text[window.clone()];
    if place.file.text[place.start..place.end] == fix.replacement {
        return Suggestion::None;
    }
    let tall = region.end_line - region.line >= TALL || fix.replacement.lines().count() > 2 * TALL;
    if tall || text.lines().chain(fix.replacement.lines()).any(|line| line.len() > WIDE) {
        let replacement: String = fix.replacement.chars().take(WIDE).collect();
        let cut = if replacement.len() < fix.replacement.len() { "…" } else { "" };
        return Suggestion::Told(normalize_untrusted_str(&format!(
            "at {}:{} write `{replacement}{cut}`",
            region.line, region.column
        )));
    }
    let title = diagnostic.help.first().map_or("write this instead", String::as_str);
    let snippet = Snippet::source(text)
        .line_start(region.line)
        .path(normalize_untrusted_str(&place.file.name))
        .patch(Patch::new(place.start - window.start..place.end - window.start, fix.replacement.as_str()));
    Suggestion::Drawn(Level::HELP.secondary_title(normalize_untrusted_str(title)).element(snippet))
}
