//! Constant arguments, checked before anything runs, so that they cannot fail for every row later.

use pipectl_diag::codes::sql as codes;
use pipectl_ir::{
    functions::{Function, LiteralKind, Param},
    query::{Expr, ExprKind, Literal},
    replacement::{Piece, pieces},
};

use super::{Checker, call::usages, convert::shortened, elsewhere::unit, inside};
use crate::{
    literal::check_text,
    parse::ast::{Call, Kind, Node},
};

impl Checker<'_> {
    /// Checks a constant argument now, so that it cannot fail for every row later.
    pub(super) fn constant_argument(
        &mut self,
        function: &Function,
        kind: LiteralKind,
        arg: Expr,
        before: Option<&Option<Expr>>,
    ) -> Option<Expr> {
        match (&arg.kind, kind) {
            (ExprKind::Literal(Literal::Int(group)), LiteralKind::Group) => {
                let groups = match before {
                    Some(Some(Expr { kind: ExprKind::Literal(Literal::String(pattern)), .. })) => {
                        regex::Regex::new(pattern).ok()?.captures_len()
                    }
                    _ => return None,
                };
                if usize::try_from(*group).is_ok_and(|group| group < groups) {
                    return Some(arg);
                }
                self.problem(codes::BAD_LITERAL, format!("the pattern has no group {group}"), &arg.place, "", |p| {
                    p.help(format!("it has {} group(s); 0 is the whole match", groups - 1))
                });
                None
            }
            (ExprKind::Literal(Literal::Int(digits)), LiteralKind::Digits) => {
                if (-15..=15).contains(digits) {
                    return Some(arg);
                }
                self.problem(codes::BAD_LITERAL, "the digits must be between -15 and 15", &arg.place, "", |p| p);
                None
            }
            (ExprKind::Literal(Literal::Int(_) | Literal::Float(_)), LiteralKind::Fraction) => {
                let fraction = match &arg.kind {
                    ExprKind::Literal(Literal::Float(fraction)) => *fraction,
                    ExprKind::Literal(Literal::Int(0)) => 0.0,
                    ExprKind::Literal(Literal::Int(1)) => 1.0,
                    _ => f64::NAN,
                };
                if (0.0..=1.0).contains(&fraction) {
                    return Some(Expr { kind: ExprKind::Literal(Literal::Float(fraction)), ..arg });
                }
                self.problem(codes::BAD_LITERAL, "the fraction must be between 0 and 1", &arg.place, "", |p| {
                    p.help("for the 99th percentile write 0.99")
                });
                None
            }
            (ExprKind::Literal(Literal::String(text)), _) if kind != LiteralKind::Fraction => {
                let text = text.clone();
                let lower = if kind == LiteralKind::TruncUnit || kind == LiteralKind::DatePart {
                    text.to_lowercase()
                } else {
                    text
                };
                match check_text(kind, &lower) {
                    Ok(()) => Some(Expr { kind: ExprKind::Literal(Literal::String(lower)), ..arg }),
                    Err((at, why)) => {
                        let title = format!("'{}' is not a valid {}", shortened(&lower), noun(kind));
                        // Bytes of the value are bytes of the text only where no quote was doubled.
                        let exact = arg.place.len() == lower.len() + 2;
                        let place = match at.filter(|_| exact) {
                            Some(at) => (arg.place.start + 1 + at).min(arg.place.end - 1)..arg.place.end - 1,
                            None => arg.place.clone(),
                        };
                        self.problem(codes::BAD_LITERAL, title, &place, "", |p| p.help(why));
                        None
                    }
                }
            }
            _ => {
                let title = format!("`{}` needs a constant {}", function.name, noun(kind));
                self.problem(codes::WRONG_ARGUMENTS, title, &arg.place, "not a constant", |p| p.help(usages(function)));
                None
            }
        }
    }

    /// Whether an argument is a unit of time without quotes, and no column.
    pub(super) fn is_unit(&self, node: &Node) -> bool {
        matches!(&node.kind, Kind::Column { qualifier: None, name } if self.input.schema.find(&name.text).is_none())
            && unit(node).is_some()
    }

    /// Reports words such as `hour` in `date_trunc(hour, ts)`: a constant of the function, which needs quotes.
    pub(super) fn unquoted(&mut self, call: &Call, function: &Function) -> bool {
        let kinds: Vec<LiteralKind> = function
            .signatures
            .iter()
            .flat_map(|signature| signature.params)
            .filter_map(|param| match param {
                Param::Literal(
                    kind @ (LiteralKind::TruncUnit | LiteralKind::DatePart | LiteralKind::Encoding | LiteralKind::Zone),
                ) => Some(*kind),
                _ => None,
            })
            .collect();
        let word = |arg: &Node| match &arg.kind {
            Kind::Column { qualifier: None, name } if self.input.schema.find(&name.text).is_none() => {
                let text =
                    if kinds.contains(&LiteralKind::Zone) { name.text.clone() } else { name.text.to_lowercase() };
                let text = unit(arg).filter(|_| function.name.starts_with("date_")).map_or(text, str::to_owned);
                kinds.iter().any(|kind| check_text(*kind, &text).is_ok()).then_some((name.clone(), text))
            }
            _ => None,
        };
        let Some((at, (name, text))) = call.args.iter().enumerate().find_map(|(at, arg)| Some((at, word(arg)?))) else {
            return false;
        };
        let others: Vec<_> =
            call.args.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, arg)| arg).collect();
        let misplaced = match others.as_slice() {
            // date_trunc(ts, hour) of BigQuery
            [time] if at == 1 && function.name.starts_with("date_") => self.sql.get(time.place.clone()),
            _ => None,
        };
        let help = match misplaced {
            Some(time) => format!("write {}('{text}', {time})", function.name),
            None => format!("write '{text}' in quotes"),
        };
        let title = format!("unknown column `{}`", name.text);
        let label = format!("not a column of `{}`", self.select.input.text);
        self.problem(codes::UNKNOWN_COLUMN, title, &name.place, label, |p| {
            let p = p.help(help);
            if misplaced.is_some() { p } else { p.fix(inside(&name.place), format!("'{text}'")) }
        });
        true
    }

    /// What `ESCAPE` says, if it is there and is not the backslash that holds anyway; `None` for a problem.
    #[expect(clippy::option_option, reason = "a problem, nothing to say, or the character")]
    pub(super) fn escape(&mut self, escape: Option<&Node>, pattern: &Expr) -> Option<Option<String>> {
        let character = match escape.map(|escape| (&escape.kind, &escape.place)) {
            None => Some('\\'),
            Some((Kind::Text(text), _)) if text.chars().count() <= 1 => text.chars().next(),
            Some((_, place)) => {
                self.problem(codes::BAD_LITERAL, "ESCAPE takes one constant character", place, "", |p| {
                    p.help(
                        "write ESCAPE '!', or ESCAPE '' for none; without ESCAPE, a backslash escapes: LIKE '100\\%'",
                    )
                });
                return None;
            }
        };
        if let ExprKind::Literal(Literal::String(text)) = &pattern.kind {
            let mut characters = text.chars();
            while let Some(next) = characters.next() {
                if Some(next) == character && characters.next().is_none() {
                    self.problem(
                        codes::BAD_LITERAL,
                        "the pattern ends with its escape character",
                        &pattern.place,
                        "",
                        |p| {
                            p.help(format!("`{next}` makes the next character literal; `{next}{next}` is one `{next}`"))
                        },
                    );
                    return None;
                }
            }
        }
        Some((character != Some('\\')).then(|| character.map(String::from).unwrap_or_default()))
    }

    /// Refuses `\1` and `\&`, which would be put in as they stand.
    fn backslash(&mut self, text: &str, replacement: &Expr) -> Option<()> {
        let Some((written, ours)) = foreign_group(text) else { return Some(()) };
        let title = format!("`{written}` is not a reference to a group");
        self.problem(codes::BAD_LITERAL, title, &replacement.place, "a backslash is text here", |p| {
            p.help(format!("write `{ours}"))
                .help(format!("for this very text, join it: '\\' || '{}'", written.trim_start_matches('\\')))
        });
        None
    }

    /// Checks that a constant replacement speaks of groups that the pattern has; any other would put in nothing.
    pub(super) fn replacement(&mut self, args: &[Expr]) -> Option<()> {
        let [_, pattern, replacement] = args else { return Some(()) };
        let (ExprKind::Literal(Literal::String(pattern)), ExprKind::Literal(Literal::String(text))) =
            (&pattern.kind, &replacement.kind)
        else {
            return Some(());
        };
        let pattern = regex::Regex::new(pattern).ok()?;
        let groups = pattern.captures_len() - 1;
        let named: Vec<&str> = pattern.capture_names().flatten().collect();
        self.backslash(text, replacement)?;
        for piece in pieces(text) {
            let (what, help) = match piece {
                Piece::Number(number) if number > groups => {
                    (format!("group {number}"), format!("it has {groups} group(s); $0 is the whole match"))
                }
                Piece::Name(name) if !named.contains(&name) => {
                    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                    let help = match name.split_at(digits) {
                        ("", _) if named.is_empty() => "it has no named groups: (?<name>…) makes one".to_owned(),
                        ("", _) => format!("its named groups are {}", named.join(", ")),
                        (number, more) => format!(
                            "letters, digits and underscores after `$` all belong to the name: write ${{{number}}}{more}, in a spec $${{{number}}}{more}"
                        ),
                    };
                    (format!("group `{name}`"), help)
                }
                _ => continue,
            };
            let title = format!("the pattern has no {what}");
            self.problem(codes::BAD_LITERAL, title, &replacement.place, "", |p| {
                p.help(help).help("write `$$` for a literal `$`")
            });
            return None;
        }
        Some(())
    }
}

/// The reference to a group as other systems write it, `\1` or `\&`: its place in the text, and ours.
fn foreign_group(text: &str) -> Option<(&str, String)> {
    text.match_indices('\\').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let (sign, after) = (rest.get(..1)?, rest.get(1..)?);
        let group = match sign {
            "&" => "0",
            digit if digit.starts_with(|c: char| c.is_ascii_digit()) => digit,
            _ => return None,
        };
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let ours = if goes_on { format!("${{{group}}}` (in a spec `$${{{group}}}`)") } else { format!("${group}`") };
        Some((text.get(at..at + 2)?, ours))
    })
}

fn noun(kind: LiteralKind) -> &'static str {
    match kind {
        LiteralKind::Regex => "pattern",
        LiteralKind::Group => "group number",
        LiteralKind::JsonPath => "path",
        LiteralKind::TimeFormat => "time format",
        LiteralKind::TruncUnit => "unit",
        LiteralKind::DatePart => "part",
        LiteralKind::Encoding => "encoding",
        LiteralKind::Digits => "number of digits",
        LiteralKind::Zone => "time zone",
        LiteralKind::Fraction => "fraction",
        LiteralKind::Text => "text",
    }
}
