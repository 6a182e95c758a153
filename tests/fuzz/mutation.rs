//! What a slip of the hand does to a spec.

use proptest::{prelude::*, sample::select};

/// One change. Numbers choose a place, whatever the size of the text.
#[derive(Debug, Clone)]
pub(crate) enum Mutation {
    DeleteLine(usize),
    DuplicateLine(usize),
    SwapLines(usize, usize),
    /// The line is moved right or left by so many columns.
    Indent(usize, i8),
    /// What stands after the colon becomes something else.
    Replace(usize, String),
    /// Two values change places.
    SwapValues(usize, usize),
    /// A key becomes the key of another line.
    TakeKey(usize, usize),
    /// A node with all that is below it stands there twice.
    DuplicateNode(usize),
    DeleteNode(usize),
    InsertCharacter(usize, char),
    DeleteCharacter(usize),
    /// Everything after a place is gone.
    Cut(usize),
    /// Two letters change places within the text.
    SwapCharacters(usize),
}

/// Values that a spec may hold where another was meant, and some that none may hold.
const VALUES: &[&str] = &[
    "",
    "~",
    "null",
    "true",
    "no",
    "-1",
    "0",
    "1",
    "4",
    "1e309",
    "99999999999999999999",
    "0x10",
    ".nan",
    "\"\"",
    "' '",
    "\"\\u0000\"",
    "5s",
    "1MiB",
    "200/s",
    "1d2h",
    "2026-01-01T00:00:00Z",
    "[]",
    "{}",
    "[a, b]",
    "{ a: b }",
    "[[[[]]]]",
    "*unknown",
    "&anchor",
    "!!int x",
    "!custom y",
    "|",
    ">",
    "? ",
    "- x",
    "${UNSET_NAME}",
    "${UNSET_NAME:-5s}",
    "${secret:NONE}",
    "${",
    "sensor_data",
    "per_minute",
    "raw",
    "sensor_id",
    "simulate",
    "{arrival:year=%Y}/",
    "{event:%Q}/",
    "{",
    "SELECT 1",
    "SELECT * FROM sensor_data",
    "SELECT (((",
    "ünï©ödé",
    "日本語",
    "\u{feff}",
    "\t",
    "\u{202e}",
];

impl Arbitrary for Mutation {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let place = any::<usize>;
        prop_oneof![
            place().prop_map(Self::DeleteLine),
            place().prop_map(Self::DuplicateLine),
            (place(), place()).prop_map(|(one, other)| Self::SwapLines(one, other)),
            (place(), -4..=4_i8).prop_map(|(line, by)| Self::Indent(line, by)),
            (place(), select(VALUES)).prop_map(|(line, value)| Self::Replace(line, value.to_owned())),
            (place(), place()).prop_map(|(one, other)| Self::SwapValues(one, other)),
            (place(), place()).prop_map(|(one, other)| Self::TakeKey(one, other)),
            place().prop_map(Self::DuplicateNode),
            place().prop_map(Self::DeleteNode),
            (place(), select(":-{}[]'\"#&*!|>%@`,\n\t x0é\u{0}\u{85}".chars().collect::<Vec<_>>()))
                .prop_map(|(at, character)| Self::InsertCharacter(at, character)),
            place().prop_map(Self::DeleteCharacter),
            place().prop_map(Self::Cut),
            place().prop_map(Self::SwapCharacters),
        ]
        .boxed()
    }
}

impl Mutation {
    /// The changed text.
    pub(crate) fn apply(&self, spec: &str) -> String {
        match self {
            Self::InsertCharacter(..) | Self::DeleteCharacter(_) | Self::Cut(_) | Self::SwapCharacters(_) => {
                self.characters(spec)
            }
            _ => self.lines(spec),
        }
    }

    fn characters(&self, spec: &str) -> String {
        let mut characters: Vec<char> = spec.chars().collect();
        let count = characters.len();
        if count < 2 {
            return spec.to_owned();
        }
        match self {
            Self::InsertCharacter(at, character) => characters.insert(at % count, *character),
            Self::DeleteCharacter(at) => drop(characters.remove(at % count)),
            Self::Cut(at) => characters.truncate(at % count),
            Self::SwapCharacters(at) => characters.swap(at % (count - 1), at % (count - 1) + 1),
            _ => {}
        }
        characters.into_iter().collect()
    }

    fn lines(&self, spec: &str) -> String {
        let mut lines: Vec<String> = spec.lines().map(str::to_owned).collect();
        let count = lines.len();
        if count == 0 {
            return spec.to_owned();
        }
        match self {
            Self::DeleteLine(line) => drop(lines.remove(line % count)),
            Self::DuplicateLine(line) => lines.insert(line % count, lines[line % count].clone()),
            Self::SwapLines(one, other) => lines.swap(one % count, other % count),
            Self::Indent(line, by) => lines[line % count] = indent(&lines[line % count], *by),
            Self::Replace(line, value) => {
                let (key, _) = split(&lines[line % count]);
                lines[line % count] = format!("{key}{value}");
            }
            Self::SwapValues(one, other) => {
                let ((key, value), (other_key, other_value)) =
                    (split(&lines[one % count]), split(&lines[other % count]));
                let (first, second) = (format!("{key}{other_value}"), format!("{other_key}{value}"));
                lines[one % count] = first;
                lines[other % count] = second;
            }
            Self::TakeKey(one, other) => {
                let ((_, value), (key, _)) = (split(&lines[one % count]), split(&lines[other % count]));
                lines[one % count] = format!("{key}{value}");
            }
            Self::DuplicateNode(line) => {
                let (start, end) = node(&lines, line % count);
                let copy = lines[start..end].to_vec();
                lines.splice(end..end, copy);
            }
            Self::DeleteNode(line) => {
                let (start, end) = node(&lines, line % count);
                lines.drain(start..end);
            }
            _ => {}
        }
        lines.join("\n") + "\n"
    }
}

/// The line up to its value, and the value.
fn split(line: &str) -> (String, String) {
    match line.split_once(": ") {
        Some((key, value)) => (format!("{key}: "), value.to_owned()),
        None => (line.to_owned() + " ", String::new()),
    }
}

fn indent(line: &str, by: i8) -> String {
    if by >= 0 {
        return " ".repeat(by as usize) + line;
    }
    let spaces = line.len() - line.trim_start_matches(' ').len();
    line[spaces.min(by.unsigned_abs() as usize)..].to_owned()
}

/// The lines of a node: those after the first that are further to the right.
fn node(lines: &[String], start: usize) -> (usize, usize) {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let first = depth(&lines[start]);
    let below = |line: &&String| line.trim().is_empty() || depth(line) > first;
    (start, start + 1 + lines[start + 1..].iter().take_while(below).count())
}
