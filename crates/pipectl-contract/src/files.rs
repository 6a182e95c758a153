//! Files that a source reads or a sink writes, compared as paths and patterns.
//!
//! A sink that writes what a source of the same run reads feeds its own output back, or destroys the input. Both sides
//! say which files are theirs, as paths and patterns, and the compiler asks whether one file could be in both.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Alternatives in braces that are tried one by one; with more of them, braces stand for any text.
const ALTERNATIVES: usize = 256;

/// A set of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSet {
    text: String,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    is_absolute: bool,
    /// Whether its wildcards match hidden names too: they do where the pattern names one, and for what a sink writes.
    hidden: bool,
    steps: Vec<Step>,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Any folders, also none: `**`.
    Deep,
    /// One name.
    Name(Vec<Token>),
}

/// A part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// One character in, or not in, these ranges.
    Class(Vec<(char, char)>, bool),
    /// One character of whatever kind.
    Any,
    /// Any text, also none.
    Many,
}

impl Token {
    fn literal(&self) -> Option<char> {
        match self {
            Self::Literal(char) => Some(*char),
            Self::Class(..) | Self::Any | Self::Many => None,
        }
    }

    /// Whether one character may be both.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Literal(char), Self::Class(ranges, is_in)) | (Self::Class(ranges, is_in), Self::Literal(char)) => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&char)) == *is_in
            }
            _ => true,
        }
    }
}

impl FileSet {
    /// One file, whose name is taken as it is.
    pub fn file(path: &str) -> Self {
        let steps = steps(path, |name| name.chars().map(Token::Literal).collect());
        let pattern = Pattern { is_absolute: path.starts_with('/'), hidden: true, steps };
        Self { text: path.to_owned(), patterns: vec![pattern] }
    }

    /// The files that a pattern with `*`, `?`, `[…]`, `{…}` and `**` matches.
    pub fn matching(pattern: &str) -> Self {
        let hidden = names_hidden(pattern);
        let patterns = alternatives(pattern)
            .iter()
            .map(|one| Pattern { is_absolute: one.starts_with('/'), hidden, steps: steps(one, tokens) })
            .collect();
        Self { text: pattern.to_owned(), patterns }
    }

    /// Files in a folder, and in the folders in it, whose names match `pattern`.
    pub fn below(folder: &str, pattern: &str) -> Self {
        let mut set = Self::file(folder);
        for found in &mut set.patterns {
            found.steps.extend([Step::Deep, Step::Name(tokens(pattern))]);
        }
        set
    }

    /// The same files, called otherwise in messages.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.text);
        self
    }

    /// The same files with their folders as the disk knows them: `real` makes a path absolute and follows links, as far
    /// as there is something on the disk. What comes after the first wildcard stays as it is.
    #[must_use]
    pub fn on_disk(&self, real: &dyn Fn(&Path) -> PathBuf) -> Self {
        let resolve = |pattern: &Pattern| {
            let is_literal = |step: &Step| match step {
                Step::Deep => false,
                Step::Name(tokens) => tokens.iter().all(|token| matches!(token, Token::Literal(_))),
            };
            let literal = pattern.steps.iter().take_while(|step| is_literal(step));
            let mut path = PathBuf::from(if pattern.is_absolute { "/" } else { "." });
            for step in literal.clone() {
                let Step::Name(tokens) = step else { continue };
                path.push(tokens.iter().filter_map(Token::literal).collect::<String>());
            }
            let real = real(&path);
            let mut steps = steps(&real.to_string_lossy(), |name| name.chars().map(Token::Literal).collect());
            steps.extend(pattern.steps.iter().skip(literal.count()).cloned());
            Pattern { is_absolute: real.is_absolute(), hidden: pattern.hidden, steps }
        };
        Self { text: self.text.clone(), patterns: self.patterns.iter().map(resolve).collect() }
    }

    /// Whether a file may be in both.
    pub fn meets(&self, other: &Self) -> bool {
        let meet = |one: &Pattern, other: &Pattern| {
            one.is_absolute == other.is_absolute
                && have_common(
                    &one.steps,
                    &other.steps,
                    |step| *step == Step::Deep,
                    |is_one, step| if is_one { one.hidden } else { other.hidden } || !step.is_hidden(),
                    |left, right| match (left, right) {
                        (Step::Name(left), Step::Name(right)) => {
                            (other.hidden || !is_hidden_from(left, right))
                                && (one.hidden || !is_hidden_from(right, left))
                                && have_common(left, right, |token| *token == Token::Many, |_, _| true, Token::meets)
                        }
                        _ => false,
                    },
                )
        };
        self.patterns.iter().any(|one| other.patterns.iter().any(|other| meet(one, other)))
    }
}

impl fmt::Display for FileSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Step {
    /// Whether it is a name that begins with a dot.
    fn is_hidden(&self) -> bool {
        let Self::Name(name) = self else { return false };
        let dot = Token::Literal('.');
        name.first() == Some(&dot) && *name != [dot.clone(), dot]
    }
}

/// Whether a pattern names hidden files itself. Its wildcards match them then, in all its steps: what expands patterns
/// reads it so.
fn names_hidden(pattern: &str) -> bool {
    let is_special = |step: &&str| step.contains(['*', '?', '[', ']', '{', '}']);
    let wild = pattern.split('/').skip_while(|step| !is_special(step)).filter(|step| !matches!(*step, "" | "."));
    wild.into_iter().any(|step| step.starts_with('.') || step.contains("{.") || step.contains(",."))
}

/// Whether a name begins with a dot and a pattern with a wildcard, which leaves out hidden files.
fn is_hidden_from(name: &[Token], pattern: &[Token]) -> bool {
    name.first() == Some(&Token::Literal('.')) && pattern.first().is_some_and(|first| first.literal().is_none())
}

/// Whether two sequences can stand for the same one, where some elements stand for any number of others: those that
/// `absorbs` allows, which is asked with `true` for such an element in `one`.
fn have_common<T>(
    one: &[T],
    other: &[T],
    is_many: impl Fn(&T) -> bool,
    absorbs: impl Fn(bool, &T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
) -> bool {
    // For each place in `other`, whether the rest from there and the rest of `one` have something in common.
    let width = other.len() + 1;
    let mut below = vec![false; width];
    for at in (0..=one.len()).rev() {
        let mut row = vec![false; width];
        for beside in (0..width).rev() {
            let (left, right) = (one.get(at), other.get(beside));
            let next = row.get(beside + 1).copied().unwrap_or(false);
            let both = below.get(beside + 1).copied().unwrap_or(false);
            row[beside] = match (left, right) {
                (None, None) => true,
                (Some(left), right) if is_many(left) => {
                    below[beside] || (next && right.is_some_and(|right| absorbs(true, right)))
                }
                (left, Some(right)) if is_many(right) => {
                    next || (below[beside] && left.is_some_and(|left| absorbs(false, left)))
                }
                (Some(left), Some(right)) => both && is_same(left, right),
                _ => false,
            };
        }
        below = row;
    }
    below.first().copied().unwrap_or(false)
}

/// The steps of a path without those that lead nowhere: `./a`, `a` and `x/../a` are one file.
fn steps(path: &str, name: impl Fn(&str) -> Vec<Token>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let up = Step::Name(vec![Token::Literal('.'), Token::Literal('.')]);
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != up && *last != Step::Deep) => {
                steps.pop();
            }
            step => {
                let tokens = name(step);
                steps.push(if tokens == [Token::Many, Token::Many] { Step::Deep } else { Step::Name(tokens) });
            }
        }
    }
    steps
}

/// The parts of a name of a pattern without braces.
fn tokens(name: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = name.chars();
    while let Some(next) = rest.next() {
        tokens.push(match next {
            '*' => Token::Many,
            '?' => Token::Any,
            '\\' => rest.next().map_or(Token::Any, Token::Literal),
            '[' => {
                let class = rest.as_str();
                // A bracket right at the start is part of the class.
                let from = class.char_indices().find(|(_, one)| !matches!(one, '!' | '^')).map_or(0, |(at, _)| at);
                let end = class.char_indices().skip_while(|(at, _)| *at <= from).find(|(_, one)| *one == ']');
                if let Some((end, _)) = end {
                    rest = class.get(end + 1..).unwrap_or_default().chars();
                    class_of(class.get(from..end).unwrap_or_default(), from == 0)
                } else {
                    rest = "".chars();
                    Token::Any
                }
            }
            other => Token::Literal(other),
        });
    }
    tokens
}

/// The characters and ranges of a class.
fn class_of(text: &str, is_in: bool) -> Token {
    let chars: Vec<char> = text.chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(from) = chars.get(at) {
        let to = chars.get(at + 2).filter(|_| chars.get(at + 1) == Some(&'-'));
        ranges.push((*from, *to.unwrap_or(from)));
        at += if to.is_some() { 3 } else { 1 };
    }
    Token::Class(ranges, is_in)
}

/// The pattern without braces, for each choice among what is in them.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        let Some((before, choices, after)) = braces(&pattern) else {
            done.push(pattern);
            continue;
        };
        if done.len() + open.len() + choices.len() > ALTERNATIVES {
            // Rather too many files than too few.
            done.extend([format!("{before}*"), format!("{before}*/**")]);
            continue;
        }
        open.extend(choices.into_iter().map(|choice| format!("{before}{choice}{after}")));
    }
    done
}

/// The first braces: what is before, the choices, what is after.
fn braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let mut depth = 0_usize;
    let mut choices = Vec::new();
    let mut start = open + 1;
    for (at, byte) in pattern.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 1 => {
                choices.push(pattern.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            choices.push(pattern.get(start..at)?);
            return Some((pattern.get(..open)?, choices, pattern.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_same_however_they_are_written() {
        for (one, other, same) in [
            ("a.jsonl", "a.jsonl", true),
            ("a.jsonl", "./a.jsonl", true),
            ("a.jsonl", "sub/../a.jsonl", true),
            ("a.jsonl", ".//x/./../a.jsonl", true),
            ("../a.jsonl", "a.jsonl", false),
            ("../a.jsonl", "../x/../a.jsonl", true),
            ("../../a", "../a", false),
            ("/a", "a", false),
            ("/x/a", "/x//a", true),
            ("a*", "ab", false),
            ("a.jsonl", "b.jsonl", false),
        ] {
            assert_eq!(FileSet::file(one).meets(&FileSet::file(other)), same, "{one} {other}");
        }
    }

    #[test]
    fn patterns_meet_files() {
        for (pattern, file, meets) in [
            ("logs/*.log", "logs/out.log", true),
            ("./logs/*.log", "logs/out.log", true),
            ("logs/*.log", "logs/out.jsonl", false),
            ("logs/*.log", "logs/x/out.log", false),
            ("**/*.log", "logs/x/out.log", true),
            ("**/*.log", "out.log", true),
            ("logs/**", "logs/x/out.log", true),
            ("logs/**/out.log", "logs/out.log", true),
            ("*", "out.log", true),
            ("*", "x/out.log", false),
            ("*", "/out.log", false),
            ("**/*", "../out.log", true),
            ("in/{a,b/c}.log", "in/b/c.log", true),
            ("in/{a,b}.{log,txt}", "in/b.txt", true),
            ("in/{a,b}.{log,txt}", "in/c.txt", false),
            ("in/a?.log", "in/ab.log", true),
            ("in/a?.log", "in/a.log", false),
            ("in/[a-c]x.log", "in/bx.log", true),
            ("in/[a-c]x.log", "in/dx.log", false),
            ("in/[!a-c]x.log", "in/dx.log", true),
            ("in/[^a-c]x.log", "in/bx.log", false),
            ("in/[0-9_-].log", "in/-.log", true),
            ("in/*.log", "in/.x.log", false),
            ("in/?x.log", "in/.x.log", false),
            ("in/.*.log", "in/.x.log", true),
            ("in/**/*.log", "in/.x/a.log", false),
            ("in/**/*.log", "in/x/.y/a.log", false),
            ("in/**/.x/*.log", "in/.y/.x/.a.log", true),
            ("in/{.x,y}/*.log", "in/.x/.a.log", true),
            (".in/**/*.log", ".in/.x/a.log", false),
            ("../**/*.log", "../x/a.log", true),
            ("in/[]a]x.log", "in/ax.log", true),
            ("in/[a-c]x.log", "in/x.log", false),
            ("a.log", "a.log", true),
        ] {
            assert_eq!(FileSet::matching(pattern).meets(&FileSet::file(file)), meets, "{pattern} {file}");
            assert_eq!(FileSet::file(file).meets(&FileSet::matching(pattern)), meets, "{file} {pattern}");
        }
    }

    #[test]
    fn patterns_meet_what_a_sink_puts_into_a_folder() {
        let written = FileSet::below("out/lab/raw", "lab-raw-*");
        for (pattern, meets) in [
            ("out/lab/raw/**", true),
            ("out/**/*.jsonl.gz", true),
            ("out/**/other-*.jsonl.gz", false),
            ("out/lab/raw/*/*.jsonl", true),
            ("out/lab/*.jsonl", false),
            ("out/lab/dead-letters.jsonl", false),
            ("in/*.jsonl", false),
        ] {
            assert_eq!(FileSet::matching(pattern).meets(&written), meets, "{pattern}");
        }
        assert!(FileSet::below(".", "x-*").meets(&FileSet::matching("*/*")));
        assert_eq!(written.to_string(), "out/lab/raw");
    }

    #[test]
    fn folders_are_compared_as_the_disk_knows_them() {
        // `/home/in` is a link to `/data/in`, and the current folder is `/home`.
        let real = |path: &Path| {
            let whole = Path::new("/home").join(path);
            let plain: PathBuf = whole.components().collect();
            plain.strip_prefix("/home/in").map_or(plain.clone(), |rest| Path::new("/data/in").join(rest))
        };
        for (pattern, file, meets) in [
            ("in/*.log", "/home/in/a.log", true),
            ("in/*.log", "/data/in/a.log", true),
            ("/data/**", "in/a.log", true),
            ("/data/**", "other/a.log", false),
            ("*/a.log", "/home/x/a.log", true),
            ("/home/x/../in/a.log", "in/a.log", true),
            ("/**/*.log", "out.log", true),
        ] {
            let (pattern, file) = (FileSet::matching(pattern), FileSet::file(file));
            assert_eq!(pattern.on_disk(&real).meets(&file.on_disk(&real)), meets, "{pattern} {file}");
        }
        assert_eq!(FileSet::matching("in/*.log").on_disk(&real).to_string(), "in/*.log", "as it is written");
    }

    #[test]
    fn many_wildcards_are_quick() {
        let pattern = "*a".repeat(200);
        assert!(FileSet::matching(&pattern).meets(&FileSet::matching(&"a*".repeat(200))));
        assert!(FileSet::matching(&"{a,b}".repeat(40)).meets(&FileSet::file(&"ab".repeat(20))));
    }
}
