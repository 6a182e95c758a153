//! From the text of a prefix to its parts, with the place of every fault.

use std::ops::Range;

use pipectl_diag::codes::options::{PREFIX_BRACES, PREFIX_PATH, PREFIX_PLACEHOLDER};

use super::{Part, Template, TemplateError, TimeFormat};

struct Parser<'a> {
    prefix: &'a str,
    at: usize,
    literal: String,
    parts: Vec<Part>,
    errors: Vec<TemplateError>,
}

pub(super) fn parse(prefix: &str) -> Result<Template, Vec<TemplateError>> {
    let mut parser = Parser { prefix, at: 0, literal: String::new(), parts: Vec::new(), errors: Vec::new() };
    parser.run();
    parser.flush_literal();
    parser.check_path();
    if parser.errors.is_empty() { Ok(Template { parts: parser.parts }) } else { Err(parser.errors) }
}

impl<'a> Parser<'a> {
    fn run(&mut self) {
        while let Some(next) = self.rest().chars().next() {
            let rest = self.rest();
            if rest.starts_with("!{") {
                self.placeholder(2);
            } else if rest.starts_with("{{") || rest.starts_with("}}") {
                self.literal.push(next);
                self.at += 2;
            } else if next == '{' {
                self.placeholder(1);
            } else if next == '}' {
                let range = self.at..self.at + 1;
                self.error(
                    (PREFIX_BRACES, range),
                    "`}` in a prefix without a `{` before it",
                    "no placeholder is open here",
                    "open the placeholder with `{`, or write `}}` for a brace in the name",
                );
                self.at += 1;
            } else {
                self.literal.push(next);
                self.at += next.len_utf8();
            }
        }
    }

    /// A placeholder whose opening is `opening` bytes long.
    fn placeholder(&mut self, opening: usize) {
        let start = self.at;
        let inside = start + opening;
        let body: &'a str = &self.prefix[inside..];
        let end = body.find(['}', '{']).unwrap_or(body.len());
        if !body[end..].starts_with('}') {
            self.error(
                (PREFIX_BRACES, start..inside + end),
                "placeholder of a prefix is not closed",
                "opened here",
                "close it with `}`, or write `{{` for a brace in the name",
            );
            self.at = inside + end;
            return;
        }
        self.flush_literal();
        self.at = inside + end + 1;
        let body = &body[..end];
        let (name, format) = match body.find(':') {
            Some(colon) => (&body[..colon], Some((&body[colon + 1..], inside + colon + 1))),
            None => (body, None),
        };
        let name_range = inside..inside + name.len();
        if opening == 2 {
            self.firehose(name, name_range, format, start..self.at);
        } else {
            self.ours(name, name_range, format, start..self.at);
        }
    }

    fn ours(&mut self, name: &str, name_range: Range<usize>, format: Option<(&str, usize)>, whole: Range<usize>) {
        let parsed = match format {
            Some(("", _)) => {
                self.error(
                    (PREFIX_PLACEHOLDER, whole),
                    format!("placeholder `{{{name}:}}` has an empty time format"),
                    "",
                    format!("write how to show the time, such as `{{{name}:%Y/%m/%d}}`"),
                );
                return;
            }
            Some((format, at)) => match TimeFormat::strftime(format, at) {
                Ok(format) => Some(format),
                Err(errors) => return self.errors.extend(errors),
            },
            None => None,
        };
        match (name, parsed) {
            ("", _) => self.error(
                (PREFIX_PLACEHOLDER, whole),
                "placeholder of a prefix has no name",
                "",
                "write `{arrival:%Y/%m/%d}`, `{event:%Y/%m/%d}` or the name of a column",
            ),
            ("arrival" | "event", None) => self.error(
                (PREFIX_PLACEHOLDER, whole),
                format!("placeholder `{{{name}}}` needs a time format"),
                "a time without a format",
                format!(
                    "write how to show the time, such as `{{{name}:%Y/%m/%d}}`; a column of this name is written `!{{partitionKeyFromQuery:{name}}}`"
                ),
            ),
            ("arrival", Some(format)) => self.parts.push(Part::Arrival(format)),
            ("event", Some(format)) => self.parts.push(Part::Event(format)),
            (name, format) => self.parts.push(Part::Field { name: name.to_owned(), format, range: name_range }),
        }
    }

    fn firehose(&mut self, name: &str, name_range: Range<usize>, format: Option<(&str, usize)>, whole: Range<usize>) {
        let what = (PREFIX_PLACEHOLDER, whole);
        match (name, format) {
            ("timestamp" | "partitionKeyFromQuery", None | Some(("", _))) => self.error(
                what,
                format!("Firehose placeholder `!{{{name}}}` is not complete"),
                "a value must follow after a `:`",
                "write `!{timestamp:yyyy/MM/dd}` or `!{partitionKeyFromQuery:column}`",
            ),
            ("timestamp", Some((format, at))) => match TimeFormat::java(format, at) {
                Ok(format) => self.parts.push(Part::Arrival(format)),
                Err(errors) => self.errors.extend(errors),
            },
            ("partitionKeyFromQuery", Some((field, at))) => {
                let range = at..at + field.len();
                self.parts.push(Part::Field { name: field.to_owned(), format: None, range });
            }
            ("firehose", _) => self.error(
                what,
                "Firehose's namespace `firehose:` has no meaning here",
                "not supported",
                "remove it: file names are always unique, and records that fail become dead letters",
            ),
            ("partitionKeyFromLambda", _) => self.error(
                what,
                "Firehose's namespace `partitionKeyFromLambda:` has no meaning here",
                "a sink runs no function",
                "compute the column in a processor before this sink and write `{column}`",
            ),
            (name, _) => {
                let near = pipectl_diag::nearest(name, ["timestamp", "partitionKeyFromQuery"]);
                self.error(
                    (PREFIX_PLACEHOLDER, name_range),
                    format!("unknown Firehose placeholder `!{{{name}:…}}`"),
                    "not a namespace of Firehose",
                    match near {
                        Some(near) => format!("write `!{{{near}:…}}`"),
                        None => "write `!{timestamp:yyyy/MM/dd}` or `!{partitionKeyFromQuery:column}`".to_owned(),
                    },
                );
            }
        }
    }

    /// Steps that would leave the folder, or that some store refuses. Values of columns are made safe when they are
    /// rendered, so that only the literal text has to be looked at.
    fn check_path(&mut self) {
        if !self.errors.is_empty() {
            return;
        }
        let whole = 0..self.prefix.len();
        let mut skeleton = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => skeleton.push_str(text),
                Part::Arrival(format) | Part::Event(format) => skeleton.push_str(&format.sample()),
                // Whatever a value becomes, it is not empty and not only dots.
                Part::Field { .. } => skeleton.push('x'),
            }
        }
        if skeleton.starts_with('/') {
            self.error(
                (PREFIX_PATH, 0..1.min(self.prefix.len())),
                "prefix begins with `/`",
                "a prefix is relative to its store",
                "remove the first `/`; the binding sets the location of the store",
            );
            return;
        }
        let mut steps = skeleton.split('/').rev();
        // What follows the last `/` is joined with the file's own name.
        let last = steps.next().unwrap_or_default();
        let bad_step = steps.find(|step| matches!(*step, "" | "." | ".."));
        let control = skeleton.chars().find(|char| char.is_control());
        if let Some(step) = bad_step {
            let (needle, title) = match step {
                "" => ("//", "prefix has an empty segment (`//`)".to_owned()),
                step => (step, format!("prefix has a segment `{step}`, which would leave its folder")),
            };
            let range = self.prefix.find(needle).map_or(whole, |at| at..at + needle.len());
            self.error((PREFIX_PATH, range), title, "", "write a relative prefix such as `raw/`");
        } else if last.starts_with('.') && last.chars().all(|char| char == '.') {
            let at = self.prefix.len() - last.len().min(self.prefix.len());
            let range = at..self.prefix.len();
            self.error(
                (PREFIX_PATH, range),
                "prefix ends with dots, which would hide the files",
                "",
                "end the prefix with `/`",
            );
        } else if let Some(control) = control {
            let range = self.prefix.find(control).map_or(whole, |at| at..at + control.len_utf8());
            self.error(
                (PREFIX_PATH, range),
                "prefix holds a control character",
                "",
                "write a prefix of one line of printable characters",
            );
        }
    }

    fn rest(&self) -> &'a str {
        &self.prefix[self.at..]
    }

    fn flush_literal(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn error(
        &mut self,
        (code, range): (pipectl_diag::Code, Range<usize>),
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let error = TemplateError { code, range, title: title.into(), label: label.into(), help: help.into() };
        self.errors.push(error);
    }
}
