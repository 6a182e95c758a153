//! `tumble(…)` and `hop(…)` in `GROUP BY`.

use pipectl_data::{DataType, Micros};
use pipectl_diag::codes::sql as codes;
use pipectl_ir::query::Window;

use super::{Checker, inside};
use crate::{
    Time,
    literal::parse_span,
    parse::ast::{Call, Kind, Node},
};

/// A hop is kept as panes as long as the greatest common divisor of slide and size. More than so many of them to a
/// window would cost more to merge than the window is worth.
const MOST_PANES: i64 = 10_000;

const TUMBLE: &str =
    "write tumble(INTERVAL '1 minute'), or with an offset tumble(INTERVAL '1 day', INTERVAL '6 hours')";
const HOP: &str =
    "write hop(INTERVAL '10 seconds', INTERVAL '1 minute'): a window of one minute starts every ten seconds";

impl<'a> Checker<'a> {
    /// The call if it is one of a window function.
    #[expect(clippy::unused_self, reason = "reads as the other questions about a node do")]
    pub(super) fn window_call(&self, node: &'a Node) -> Option<&'a Call> {
        match &node.kind {
            Kind::Call(call) if is_window(&call.name.text) => Some(call),
            _ => None,
        }
    }

    /// The typed window.
    pub(super) fn window(&mut self, call: &'a Call) -> Option<Window> {
        let name = call.name.text.to_lowercase();
        let place = &call.name.place;
        if name != "tumble" && name != "hop" {
            let title = format!("`{name}` windows are not supported");
            let help = self.other_window(call);
            self.problem(codes::UNSUPPORTED_SQL, title, place, "", |p| p.help(help));
            return None;
        }
        let usage = if name == "tumble" { TUMBLE } else { HOP };
        if call.star || call.distinct || call.filter.is_some() {
            self.problem(codes::BAD_WINDOW, format!("`{name}` takes intervals only"), place, "", |p| p.help(usage));
            return None;
        }
        let timed = self.time(call, usage);
        let names_column = call.args.first().is_some_and(|first| matches!(first.kind, Kind::Column { .. }));
        let skipped = usize::from(timed == Some(true) || names_column);
        let lengths: Vec<_> = call.args.iter().skip(skipped).map(|arg| self.length(arg, &name, usage)).collect();
        timed?;
        let lengths = lengths.into_iter().collect::<Option<Vec<_>>>()?;
        match (name.as_str(), lengths.as_slice()) {
            ("tumble", [size]) => self.tumble(call, *size, 0, usage),
            ("tumble", [size, offset]) => self.tumble(call, *size, *offset, usage),
            ("hop", [slide, size]) => self.hop(call, *slide, *size, 0, usage),
            ("hop", [slide, size, offset]) => self.hop(call, *slide, *size, *offset, usage),
            _ => {
                let title = format!("`{name}` does not take {} interval(s)", lengths.len());
                self.problem(codes::BAD_WINDOW, title, place, "", |p| p.help(usage));
                None
            }
        }
    }

    /// What to write for `window(ts, '1 minute', '10 seconds')` and its kin: size, then slide.
    fn other_window(&self, call: &Call) -> String {
        let lengths: Vec<_> = call
            .args
            .iter()
            .filter_map(|arg| match &arg.kind {
                Kind::Text(text) | Kind::Interval(text) if parse_span(text).is_ok() => self.sql.get(arg.place.clone()),
                _ => None,
            })
            .map(|written| if written.starts_with('\'') { format!("INTERVAL {written}") } else { written.to_owned() })
            .collect();
        let name = call.name.text.to_lowercase();
        match (name.as_str(), lengths.as_slice()) {
            ("window" | "tumbling", [size]) => format!("write tumble({size})"),
            ("window", [size, slide]) => format!("write hop({slide}, {size})"),
            _ => format!("use tumble or hop: {TUMBLE}"),
        }
    }

    /// Whether the first argument names the time; `None` if the time is wrong or there is none.
    fn time(&mut self, call: &'a Call, usage: &str) -> Option<bool> {
        if self.input.time == Time::None {
            let (name, place) = (self.select.input.text.clone(), self.select.input.place.clone());
            let times =
                self.input.schema.fields().iter().filter(|field| field.data_type.logical() == DataType::Timestamp);
            let field = times.map(|field| field.name.clone()).next().unwrap_or_else(|| "timestamp".to_owned());
            self.problem(
                codes::NO_EVENT_TIME,
                format!("`{name}` has no event time, which windows need"),
                &call.name.place,
                "",
                |p| {
                    p.related(inside(&place), "these records have no event time").help(format!(
                        "in the declaration of `{name}`, name the column that holds it: `time: {{ field: {field} }}`"
                    ))
                },
            );
            return None;
        }
        let Some(first) = call.args.first() else { return Some(false) };
        match &first.kind {
            Kind::Column { name, qualifier } => {
                if let Some(qualifier) = qualifier {
                    self.qualifier(qualifier)?;
                }
                if self.input.schema.find(&name.text).is_none() {
                    self.unknown_column(name, false);
                    return None;
                }
                if self.input.time == Time::Field(name.text.clone()) {
                    return Some(true);
                }
                let help = match &self.input.time {
                    Time::Field(field) => format!("event time is `{field}`; remove the argument or write `{field}`"),
                    _ => "event time comes with the records; remove the argument".to_owned(),
                };
                self.problem(
                    codes::BAD_WINDOW,
                    format!("`{}` is not the event time of `{}`", name.text, self.select.input.text),
                    &first.place,
                    "",
                    |p| p.help(help).note(usage.to_owned()),
                );
                None
            }
            Kind::Call(inner) if inner.name.text.eq_ignore_ascii_case("event_time") => Some(true),
            _ => Some(false),
        }
    }

    fn length(&mut self, node: &Node, name: &str, usage: &str) -> Option<Micros> {
        match &node.kind {
            Kind::Interval(text) => self.interval(text, &node.place),
            Kind::Negate(inner) => match &inner.kind {
                Kind::Interval(text) => self.interval(text, &node.place).map(Micros::wrapping_neg),
                _ => self.not_a_length(node, name, usage),
            },
            Kind::Text(text) => {
                let fix = format!("INTERVAL '{text}'");
                self.problem(
                    codes::BAD_WINDOW,
                    format!("`{name}` takes an interval, not a text"),
                    &node.place,
                    "",
                    |p| p.help(format!("write {fix}")).fix(inside(&node.place), fix),
                );
                None
            }
            _ => self.not_a_length(node, name, usage),
        }
    }

    fn not_a_length(&mut self, node: &Node, name: &str, usage: &str) -> Option<Micros> {
        self.problem(
            codes::BAD_WINDOW,
            format!("`{name}` takes constant intervals"),
            &node.place,
            "not a constant interval",
            |p| p.help(usage.to_owned()),
        );
        None
    }

    fn tumble(&mut self, call: &Call, size: Micros, offset: Micros, usage: &str) -> Option<Window> {
        if size <= 0 {
            self.problem(codes::BAD_WINDOW, "a window must be longer than zero", &call.name.place, "", |p| {
                p.help(usage)
            });
            return None;
        }
        Some(Window::Tumble { size, offset: offset.rem_euclid(size) })
    }

    fn hop(&mut self, call: &Call, slide: Micros, size: Micros, offset: Micros, usage: &str) -> Option<Window> {
        let flaw = if size <= 0 || slide <= 0 {
            "a window and its slide must be longer than zero"
        } else if slide > size {
            "the slide is longer than the window: rows between windows would be lost"
        } else if size / gcd(size, slide) > MOST_PANES {
            "the window is more than 10,000 times the greatest common divisor of slide and size"
        } else {
            return Some(Window::Hop { slide, size, offset: offset.rem_euclid(slide) });
        };
        self.problem(codes::BAD_WINDOW, flaw, &call.name.place, "", |p| p.help(usage));
        None
    }
}

fn is_window(name: &str) -> bool {
    ["tumble", "hop", "window", "session", "cumulate", "tumbling", "hopping", "sliding"]
        .iter()
        .any(|window| window.eq_ignore_ascii_case(name))
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
