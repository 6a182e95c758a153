//! What `pipectl explain` knows beside codes: functions, kinds and options, cut from the pages that are made of the code,
//! so that it works without a network and never says something else than they do.

use std::fmt::Write as _;

use pipectl_diag::nearest;

use crate::reference::kinds_page;

/// The windows, which are no functions: they stand in `GROUP BY` only.
const WINDOWS: &[(&str, &str)] = &[
    (
        "tumble",
        "tumble(size)\ntumble(size, offset)\n\n  Windows of a fixed size that do not overlap, for GROUP BY. The offset shifts their start. `window_start` and\n  `window_end` are the bounds of the window.\n\n  example: GROUP BY sensor_id, tumble(INTERVAL '1 minute')\n",
    ),
    (
        "hop",
        "hop(slide, size)\nhop(slide, size, offset)\n\n  Windows of a fixed size that overlap, for GROUP BY: a new window starts with each slide, so a record can be in several\n  windows. The offset shifts their start. `window_start` and `window_end` are the bounds of the window.\n\n  example: GROUP BY sensor_id, hop(INTERVAL '10 seconds', INTERVAL '1 minute')\n",
    ),
    (
        "window_start",
        "window_start\n\n  The start of the window of a group, in a query that groups by tumble or hop.\n\n  example: SELECT sensor_id, window_start, count(*) AS readings FROM … GROUP BY sensor_id, tumble(INTERVAL '1 minute')\n",
    ),
    (
        "window_end",
        "window_end\n\n  The end of the window of a group: the first instant after the window. See `window_start`.\n",
    ),
];

/// A section of a page.
struct Section<'a> {
    /// The heading of the part, and its own if it has one.
    part: &'a str,
    title: &'a str,
    lines: Vec<&'a str>,
}

/// Everything of this name: a function, a kind, an option, or an option of a kind as in `object_store.prefix`.
pub(crate) fn find(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    let mut found = Vec::new();
    if let Some((_, text)) = WINDOWS.iter().find(|(name, _)| *name == lower) {
        found.push((*text).to_owned());
    }
    let functions = pipectl_ir::functions::functions_page();
    for row in functions.lines().filter_map(cells) {
        if let [calls, gives, example, ..] = row.as_slice()
            && names(calls).chain(aliases(gives)).any(|name| name.eq_ignore_ascii_case(word))
        {
            found.push(function(calls, gives, example));
        }
    }
    let page = kinds_page();
    let sections = sections(&page);
    for section in &sections {
        if section.name() == word || (section.title.is_empty() && section.part.eq_ignore_ascii_case(word)) {
            found.push(section.text());
        }
    }
    if found.is_empty() {
        let (kind, option) = word.split_once('.').map_or((None, word), |(kind, option)| (Some(kind), option));
        for section in &sections {
            let whole = option_rows(section, word).chain(
                kind.filter(|kind| *kind == section.name()).into_iter().flat_map(|_| option_rows(section, option)),
            );
            found.extend(whole.map(|text| format!("{}\n\n{text}", section.heading())));
        }
    }
    if found.is_empty() { None } else { Some(found.join("\n")) }
}

/// The nearest name that [`find`] knows.
pub(crate) fn near(word: &str) -> Option<String> {
    let functions = pipectl_ir::functions::functions_page();
    let rows: Vec<_> = functions.lines().filter_map(cells).collect();
    let page = kinds_page();
    let sections = sections(&page);
    let names = rows.iter().filter_map(|row| row.first()).flat_map(|calls| names(calls));
    let kinds = sections.iter().map(Section::name);
    let windows = WINDOWS.iter().map(|(name, _)| *name);
    nearest(word, names.chain(kinds).chain(windows)).map(str::to_owned)
}

impl Section<'_> {
    /// The kind's name: `object_store` of `object_store: directory`.
    fn name(&self) -> &str {
        self.title.split(':').next().unwrap_or_default()
    }

    fn heading(&self) -> String {
        if self.title.is_empty() { self.part.to_owned() } else { format!("{} ({})", self.title, self.part) }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.heading());
        let mut rows = self.lines.iter().filter_map(|line| cells(line));
        for line in &self.lines {
            if line.starts_with('|') {
                // Heads of tables and lines below them are no rows.
                if cells(line).is_some()
                    && let Some(row) = rows.next()
                {
                    write!(text, "\n{}", option(&row)).unwrap_or_default();
                }
            } else if !line.is_empty() {
                write!(text, "\n{line}\n").unwrap_or_default();
            }
        }
        text
    }
}

fn sections(page: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in page.lines() {
        if let Some(part) = line.strip_prefix("## ") {
            sections.push(Section { part, title: "", lines: Vec::new() });
        } else if let (Some(title), Some(part)) = (line.strip_prefix("### "), sections.last().map(|last| last.part)) {
            sections.push(Section { part, title, lines: Vec::new() });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        }
    }
    sections
}

/// The cells of a row of a table; none for its head, which has no code, and for what is no row.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix("| ")?.strip_suffix(" |").unwrap_or(line);
    if !inside.starts_with('`') {
        return None;
    }
    // A `\|` is a character of a cell.
    let cells = inside.replace("\\|", "\u{0}");
    Some(cells.split(" | ").map(|cell| cell.replace('\u{0}', "|").replace("<br>", "\n").trim().to_owned()).collect())
}

/// The names in `lower(string)`, one a line.
fn names(calls: &str) -> impl Iterator<Item = &str> {
    calls.lines().map(|call| call.trim_matches('`')).map(|call| call.split('(').next().unwrap_or(call))
}

/// The other names in "Also `char_length`, `character_length`."
fn aliases(gives: &str) -> impl Iterator<Item = &str> {
    let also = gives.find("Also `").and_then(|at| gives.get(at..)).unwrap_or_default();
    also.split('`').skip(1).step_by(2).map(|name| name.split('(').next().unwrap_or(name))
}

fn function(calls: &str, gives: &str, example: &str) -> String {
    let mut text = String::new();
    for call in calls.lines() {
        writeln!(text, "{}", call.trim_matches('`')).unwrap_or_default();
    }
    write!(text, "\n  {gives}\n").unwrap_or_default();
    if !example.is_empty() {
        write!(text, "\n  example: {}\n", example.replace('`', "")).unwrap_or_default();
    }
    text
}

fn option_rows<'a>(section: &'a Section<'_>, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let rows = section.lines.iter().filter_map(|line| cells(line));
    let is_it = move |row: &Vec<String>| {
        let key = row.first().map_or("", |key| key.trim_matches('`'));
        key == name || key.rsplit('.').next() == Some(name)
    };
    rows.filter(is_it).map(|row| option(&row))
}

/// A row of a table of options: key, type, default, text, example.
fn option(row: &[String]) -> String {
    let cell = |at: usize| row.get(at).map_or("", String::as_str);
    let mut text = format!("{}: {}", cell(0).trim_matches('`'), cell(1));
    match cell(2) {
        "" => {}
        "required" => text.push_str(", required"),
        default => write!(text, ", default {}", default.trim_matches('`')).unwrap_or_default(),
    }
    for line in cell(3).lines() {
        write!(text, "\n  {line}").unwrap_or_default();
    }
    if !cell(4).is_empty() {
        write!(text, "\n  example: {}", cell(4).trim_matches('`')).unwrap_or_default();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_kind_and_option_is_found() {
        let functions = pipectl_ir::functions::functions_page();
        let mut count = 0;
        for row in functions.lines().filter_map(cells) {
            for name in names(&row[0]).chain(aliases(&row[1])) {
                let text = find(name).unwrap_or_else(|| panic!("no function `{name}`"));
                assert!(text.lines().count() > 2, "{name}: {text}");
                count += 1;
            }
        }
        assert!(count > 60, "only {count} functions");
        let page = kinds_page();
        let mut options = 0;
        for section in sections(&page).iter().filter(|section| !section.title.is_empty()) {
            assert!(find(section.name()).is_some(), "no kind `{}`", section.name());
            for row in section.lines.iter().filter_map(|line| cells(line)) {
                let key = row[0].trim_matches('`');
                let path = format!("{}.{key}", section.name());
                assert!(find(&path).is_some_and(|text| text.contains(key)), "no option `{path}`");
                options += 1;
            }
        }
        assert!(options > 40, "only {options} options");
    }

    #[test]
    fn words_that_people_ask_for() {
        for (word, part) in [
            ("hop", "hop(slide, size)"),
            ("TUMBLE", "tumble(size)"),
            ("window_end", "window_end"),
            ("char_length", "length(string)"),
            ("object_store", "prefix: string"),
            ("object_store", "object_store (Sinks)"),
            ("object_store.flush.every", "flush.every: duration"),
            ("prefix", "object_store (Sinks)"),
            ("lateness", "time.lateness"),
            ("streams", "Streams"),
            ("sources", "Sources"),
            ("parse", "vhost_combined"),
        ] {
            let text = find(word).unwrap_or_else(|| panic!("nothing about `{word}`"));
            assert!(text.contains(part), "{word}: {text}");
        }
        assert_eq!(find("no_such_word"), None);
        assert_eq!(near("tumbel").as_deref(), Some("tumble"));
        assert_eq!(near("objectstore").as_deref(), Some("object_store"));
    }
}
