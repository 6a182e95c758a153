//! What to write instead of a call, with its own arguments: a text that works as it stands.

use pipectl_data::DataType;
use pipectl_ir::query::Expr;

use super::names::PARTS;
use crate::parse::ast::{Call, Kind, Node};

/// A call of a function that pipectl does not have.
pub(super) struct Advice<'a> {
    pub(super) call: &'a Call,
    /// The arguments as far as they are sound.
    pub(super) args: &'a [Option<Expr>],
    pub(super) sql: &'a str,
}

/// What the words for units of time mean, as other systems write them.
const UNITS: &[(&str, &[&str])] = &[
    ("year", &["years", "yy", "yyyy", "sql_tsi_year"]),
    ("quarter", &["quarters", "qq", "sql_tsi_quarter"]),
    ("month", &["months", "mm", "mon", "sql_tsi_month"]),
    ("week", &["weeks", "wk", "ww", "sql_tsi_week"]),
    ("day", &["days", "dd", "sql_tsi_day"]),
    ("hour", &["hours", "hh", "sql_tsi_hour"]),
    ("minute", &["minutes", "mi", "min", "sql_tsi_minute"]),
    ("second", &["seconds", "ss", "sec", "sql_tsi_second"]),
    ("millisecond", &["milliseconds", "ms"]),
    ("microsecond", &["microseconds", "us", "mcs"]),
];

/// The unit of time that an argument names, without quotes or in them.
pub(in crate::check) fn unit(node: &Node) -> Option<&'static str> {
    let (Kind::Column { qualifier: None, name: crate::parse::ast::Name { text, .. } } | Kind::Text(text)) = &node.kind
    else {
        return None;
    };
    let word = text.to_lowercase();
    UNITS.iter().find(|(unit, others)| *unit == word || others.contains(&word.as_str())).map(|(unit, _)| *unit)
}

impl Advice<'_> {
    /// The help for a call whose arguments say more than its name.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let count = self.call.args.len();
        if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
            return (count == 1).then(|| format!("write date_part('{part}', {})", self.text(0)));
        }
        match name {
            "isnull" if count == 1 => Some(format!("write {} IS NULL", self.operand(0))),
            "isnull" if count == 2 => Some(format!("write coalesce({}, {})", self.text(0), self.text(1))),
            "datepart" | "date_extract" if count == 2 => {
                unit(self.call.args.first()?).map(|unit| format!("write date_part('{unit}', {})", self.text(1)))
            }
            "unix_timestamp" | "to_unix_timestamp" | "to_unixtime" | "epoch" | "unix_seconds" => self.to_epoch(),
            "age" if count == 2 => {
                Some(format!("subtract the times: to_ms({} - {})", self.operand(0), self.operand(1)))
            }
            "from_unixtime" if self.is_number(0) => {
                Some(format!("write to_char(from_epoch_s({}), '%Y-%m-%d %H:%M:%S')", self.text(0)))
            }
            "to_date" | "date" if count == 1 && self.is_number(0) => Some(format!(
                "write CAST(from_epoch_s({0}) AS date), or from_epoch_ms({0}) for milliseconds",
                self.text(0)
            )),
            "timestamp" | "datetime" | "to_datetime" | "epoch_ms" | "parse_timestamp" if self.is_number(0) => {
                Some(from_number(&self.text(0), &DataType::Int64))
            }
            "dateadd" | "date_add" | "timestampadd" | "timestamp_add" | "adddate" => self.add(false),
            "date_sub" | "timestamp_sub" | "subdate" | "date_sub_days" => self.add(true),
            "datediff" | "timestampdiff" | "timestamp_diff" | "date_diff" | "timediff" => self.difference(),
            _ => None,
        }
    }

    fn text(&self, at: usize) -> String {
        let place = self.call.args.get(at).map(|arg| arg.place.clone());
        place.and_then(|place| self.sql.get(place)).unwrap_or("x").to_owned()
    }

    /// The argument so that it can stand beside an operator.
    fn operand(&self, at: usize) -> String {
        let text = self.text(at);
        let whole = self.call.args.get(at).is_some_and(|arg| {
            matches!(
                arg.kind,
                Kind::Column { .. } | Kind::Number(_) | Kind::Text(_) | Kind::Call(_) | Kind::Typed { .. }
            )
        });
        if whole || text.starts_with('(') { text } else { format!("({text})") }
    }

    fn data_type(&self, at: usize) -> Option<&DataType> {
        self.args.get(at)?.as_ref().map(|arg| &arg.data_type)
    }

    fn is_number(&self, at: usize) -> bool {
        self.data_type(at).is_some_and(DataType::is_number)
    }

    fn to_epoch(&self) -> Option<String> {
        match self.data_type(0)? {
            DataType::String => Some(format!("write to_epoch_s(to_timestamp({}))", self.text(0))),
            DataType::Timestamp | DataType::Date => Some(format!("write to_epoch_s({})", self.text(0))),
            _ => None,
        }
    }

    /// `dateadd(day, 1, ts)`, `date_sub(ts, 1)`, `date_add(ts, INTERVAL 1 DAY)`.
    fn add(&self, subtract: bool) -> Option<String> {
        let (unit, amount, time) = match self.call.args.as_slice() {
            [first, amount, _] => (unit(first)?, amount, 2),
            [_, amount] => ("day", amount, 0),
            _ => return None,
        };
        let at = if time == 2 { 1 } else { time + 1 };
        let (time, sign) = (self.operand(time), if subtract { '-' } else { '+' });
        let turned = if subtract { '+' } else { '-' };
        let spelled = |number: &str| {
            let plural = if number == "1" { "" } else { "s" };
            format!("INTERVAL '{number} {unit}{plural}'")
        };
        let months = match unit {
            "month" => Some(""),
            "quarter" => Some(" * 3"),
            "year" => Some(" * 12"),
            _ => None,
        };
        Some(match (&amount.kind, months) {
            (Kind::Interval(_), _) => format!("write {time} {sign} {}", self.text(at)),
            (Kind::Number(number), _) => format!("write {time} {sign} {}", spelled(number)),
            (Kind::Negate(inner), _) if matches!(inner.kind, Kind::Number(_)) => {
                let Kind::Number(number) = &inner.kind else { return None };
                format!("write {time} {turned} {}", spelled(number))
            }
            (_, Some(times)) => {
                let minus = if subtract { "-" } else { "" };
                format!("write add_months({time}, {minus}{}{times})", self.operand(at))
            }
            _ => format!("write {time} {sign} {} * INTERVAL '1 {unit}'", self.operand(at)),
        })
    }

    /// `datediff(a, b)` is `a - b`; a unit before two times turns them around, one behind them does not.
    fn difference(&self) -> Option<String> {
        let (unit, from, to) = match self.call.args.as_slice() {
            [first, _, _] if unit(first).is_some() => (unit(first)?, 1, 2),
            [_, _, last] => (unit(last)?, 1, 0),
            [_, _] => {
                let millis = format!("to_ms({} - {})", self.operand(0), self.operand(1));
                return Some(format!(
                    "subtract the times: {millis} / 86400000 is days, {millis} / 3600000 hours, {millis} milliseconds"
                ));
            }
            _ => return None,
        };
        let (from, to) = (self.operand(from), self.operand(to));
        let length = match unit {
            "year" => return Some(format!("write date_part('year', {to}) - date_part('year', {from})")),
            "quarter" | "month" => {
                let parts = if unit == "month" { 12 } else { 4 };
                return Some(format!(
                    "write (date_part('year', {to}) - date_part('year', {from})) * {parts} + date_part('{unit}', {to}) - date_part('{unit}', {from})"
                ));
            }
            "microsecond" => return Some(format!("write date_part('microsecond', {to} - {from})")),
            "millisecond" => return Some(format!("write to_ms({to} - {from})")),
            "second" => 1_000,
            "minute" => 60_000,
            "hour" => 3_600_000,
            "day" => 86_400_000,
            _ => 604_800_000,
        };
        Some(format!("write to_ms({to} - {from}) / {length}"))
    }
}

/// What makes a timestamp of a number, whose unit only its writer knows.
pub(in crate::check) fn from_number(written: &str, data_type: &DataType) -> String {
    if matches!(data_type, DataType::Float64 | DataType::Decimal(_)) {
        return format!(
            "a number needs a unit: write from_epoch_ms(CAST({written} * 1000 AS int64)) for seconds, or from_epoch_ms(CAST({written} AS int64)) for milliseconds"
        );
    }
    format!(
        "a number needs a unit: write from_epoch_s({written}) for seconds, or from_epoch_ms({written}) for milliseconds"
    )
}
