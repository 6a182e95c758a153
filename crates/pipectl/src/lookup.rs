//! What `pipectl explain` knows beside codes: functions, kinds and options, cut from the pages that are made of the code,
//! so that it works without a network and never says something else than they do.

mod words;

use std::fmt::Write as _;

use clap::CommandFactory as _;
use pipectl_sql::{instead_of, one_slip};

use crate::{cli::Arguments, reference::kinds_page};

/// A section of a page.
struct Section<'a> {
    /// The heading of the part, and its own if it has one.
    part: &'a str,
    title: &'a str,
    lines: Vec<&'a str>,
}

/// Everything of this name: a function, a word of SQL, a type, a kind, an option, or an option of a kind as in
/// `object_store.prefix`.
pub(crate) fn find(word: &str) -> Option<String> {
    let lower = word.to_lowercase();
    let mut found = Vec::new();
    let functions = pipectl_ir::functions::functions_page();
    for row in functions.lines().filter_map(cells) {
        if let [calls, gives, example, ..] = row.as_slice()
            && names(calls).chain(aliases(gives)).any(|name| name.eq_ignore_ascii_case(word))
        {
            found.push(function(calls, gives, example));
        }
    }
    found.extend(command(&lower));
    let page = kinds_page();
    let sections = sections(&page);
    for section in &sections {
        if section.is_named(word) {
            found.push(section.text());
        }
    }
    if found.is_empty() {
        let (kind, option) = word.split_once('.').map_or((None, word), |(kind, option)| (Some(kind), option));
        for section in &sections {
            let whole = option_rows(section, word).chain(
                kind.filter(|kind| section.is_named(kind)).into_iter().flat_map(|_| option_rows(section, option)),
            );
            found.extend(whole.map(|text| format!("{}\n\n{text}", section.heading())));
        }
    }
    if let Some(text) = words::find(&lower) {
        found.insert(0, text);
    }
    if found.is_empty()
        && let Some(instead) = instead_of(word)
    {
        found.push(format!("{lower}\n\n  Not a function of pipectl: {instead}\n"));
    }
    if found.is_empty() { None } else { Some(found.join("\n")) }
}

/// The help of a command: `fmt`, `stream read`.
fn command(words: &str) -> Option<String> {
    let mut command = Arguments::command();
    command.build();
    let mut command = &mut command;
    for word in words.split_whitespace() {
        command = command.find_subcommand_mut(word)?;
    }
    (!words.trim().is_empty()).then(|| command.render_long_help().to_string())
}

/// The name that [`find`] knows and of which this is a slip of the pen. What is further away is another word: `cast` is
/// not meant by who writes `least`.
pub(crate) fn near(word: &str) -> Option<String> {
    let functions = pipectl_ir::functions::functions_page();
    let rows: Vec<_> = functions.lines().filter_map(cells).collect();
    let page = kinds_page();
    let sections = sections(&page);
    let names = rows.iter().filter_map(|row| row.first()).flat_map(|calls| names(calls));
    let kinds = sections.iter().map(Section::name).filter(|name| !name.is_empty());
    let meant = names.chain(kinds).find(|name| one_slip(word, name));
    meant.or_else(|| words::names().find(|name| one_slip(word, name))).map(str::to_owned)
}

impl Section<'_> {
    /// The kind's name: `object_store` of `object_store: directory`.
    fn name(&self) -> &str {
        self.title.split(':').next().unwrap_or_default()
    }

    /// Whether this is its kind, or the part of the page before all kinds.
    fn is_named(&self, word: &str) -> bool {
        self.name() == word || (self.title.is_empty() && self.part.eq_ignore_ascii_case(word))
    }

    /// Whether it is a backend that this build does not have, whose options are not known here.
    fn is_left_out(&self) -> bool {
        self.lines.iter().any(|line| line.contains("that this build was made without"))
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
            } else if self.is_left_out() && line.starts_with("No options") {
                text.push_str("\nThis build cannot show its options: a build with the backend does, and docs/generated/kinds.md lists them.\n");
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
    fn a_backend_that_the_build_lacks_has_options_all_the_same() {
        let page = "## Environment: backends\n\n### kafka\n\nA backend that this build was made without.\n\nNo options: `kafka: {}`.\n";
        let text = sections(page).iter().map(Section::text).collect::<String>();
        assert!(!text.contains("No options") && text.contains("docs/generated/kinds.md"), "{text}");
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
        for (word, part) in [
            ("lag", "neighboring rows"),
            ("year", "date_part('year', time)"),
            ("skewness", "Not a function of pipectl"),
            ("dead_letters", "cannot be processed"),
            ("metadata", "name: "),
            ("metadata.name", "checkpoints"),
            ("CAST", "CAST(amount AS string)"),
            ("try_cast", "TRY_CAST"),
            ("between", "BETWEEN"),
            ("ilike", "LIKE"),
            ("Group By", "GROUP BY"),
            ("having", "HAVING"),
            ("interval", "INTERVAL"),
            ("int64", "64 bits"),
            ("epoch_ms", "milliseconds since 1970"),
            ("watermark", "lateness"),
        ] {
            let text = find(word).unwrap_or_else(|| panic!("nothing about `{word}`"));
            assert!(text.contains(part), "{word}: {text}");
        }
        for form in pipectl_data::DataType::forms() {
            let word = form.split(['(', '<']).next().expect("a word");
            assert!(find(word).is_some(), "nothing about the type {form}");
        }
        assert_eq!(find("no_such_word"), None);
        for word in ["aws", "clause", "no_such_word", "lags"] {
            assert_eq!(near(word), None, "{word}");
        }
        assert_eq!(near("tumbel").as_deref(), Some("tumble"));
        assert_eq!(near("dead_leters").as_deref(), Some("dead_letters"));
        assert_eq!(near("objectstore").as_deref(), Some("object_store"));
    }
}
