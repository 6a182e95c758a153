//! The allow-list of SQL functions, as data: it feeds the type checker, the lowering and the reference page.
//!
//! What is not here is refused with the nearest name. A function that stands here has one meaning on every engine that
//! its entry names; where the engines differ, the entry says what this dialect chose.

mod page;
mod table;

pub use page::functions_page;
use pipectl_data::DataType;
pub use table::FUNCTIONS;

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Canonical name; a typed query holds this one.
    pub name: &'static str,
    /// Other names for the same function.
    pub aliases: &'static [&'static str],
    /// What it is about; `Aggregate` is what sets aggregates apart.
    pub group: Group,
    /// The ways to call it, narrowest first.
    pub signatures: &'static [Signature],
    /// When its value is null.
    pub nulls: Nulls,
    /// What it gives, for people.
    pub doc: &'static str,
    /// An example.
    pub example: Example,
    /// The engines on which it means the same.
    pub engines: &'static [Engine],
}

/// A call, and what comes out as text; empty where that depends on the data.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// An expression.
    pub sql: &'static str,
    /// Its value, cast to `string`.
    pub gives: &'static str,
}

/// What a function is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Text.
    Text,
    /// Regular expressions.
    Regex,
    /// Numbers.
    Math,
    /// Conditions.
    Conditional,
    /// Time.
    Time,
    /// JSON.
    Json,
    /// Lists and structs.
    Nested,
    /// Many rows to one value.
    Aggregate,
}

/// An engine that can run a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// This process.
    Local,
    /// Apache Flink.
    Flink,
    /// Apache Spark.
    Spark,
}

/// When a function's value is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// If an argument is.
    Propagate,
    /// If all arguments are.
    IfAll,
    /// If the first argument is.
    IfFirst,
    /// It can always be.
    Always,
    /// Never.
    Never,
}

/// A way to call a function.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The arguments.
    pub params: &'static [Param],
    /// Any number more of these.
    pub rest: Option<Param>,
    /// What comes out.
    pub returns: Returns,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Param {
    /// A value of this type.
    Is(DataType),
    /// `int64`, `float64` or a decimal; several of them in one call get one type that has them all.
    Number,
    /// A decimal.
    Decimal,
    /// Any type that can be compared, but the same for all such arguments of the call.
    Same,
    /// A list.
    List,
    /// A value that the list before it could hold.
    ValueOfList,
    /// Any type that can be compared, whatever the other arguments are.
    Any,
    /// A constant, known and checked before anything runs.
    Literal(LiteralKind),
}

/// What a constant argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralKind {
    /// A regular expression.
    Regex,
    /// The number of a group of the regular expression before it.
    Group,
    /// A path such as `$.a.b[0]`.
    JsonPath,
    /// A strftime format.
    TimeFormat,
    /// `hour`, `day`…
    TruncUnit,
    /// `hour`, `dow`…
    DatePart,
    /// `base64` or `hex`.
    Encoding,
    /// A number of digits after the point, from -15 to 15.
    Digits,
    /// The name of a time zone in the IANA database.
    Zone,
    /// A number from 0 to 1.
    Fraction,
    /// Any text.
    Text,
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Returns {
    /// This type.
    Is(DataType),
    /// The type of the arguments that are `Number`, `Decimal` or `Same`; of a decimal with the digits that the function needs.
    Same,
    /// The type of the first argument.
    First,
}

/// The words that `date_trunc` takes.
pub const TRUNC_UNITS: &[&str] =
    &["microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// The words that `date_part` takes.
pub const DATE_PARTS: &[&str] = &[
    "year",
    "isoyear",
    "quarter",
    "month",
    "week",
    "day",
    "dow",
    "isodow",
    "doy",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "epoch",
];

/// The encodings of `encode` and `decode`.
pub const ENCODINGS: &[&str] = &["base64", "hex"];

impl Function {
    /// Whether it makes one value of many rows.
    pub fn is_aggregate(&self) -> bool {
        self.group == Group::Aggregate
    }

    /// The ways to call it, as help texts show them, one each: `substr(string, int64)`.
    pub fn usages(&self) -> Vec<String> {
        self.signatures.iter().map(|signature| signature.usage(self.name)).collect()
    }
}

impl Signature {
    /// The parameter at this position of a call.
    pub fn param(&self, position: usize) -> Option<&Param> {
        self.params.get(position).or(self.rest.as_ref())
    }

    /// Whether a call may have so many arguments.
    pub fn takes(&self, count: usize) -> bool {
        count == self.params.len() || (self.rest.is_some() && count > self.params.len())
    }

    /// `substr(string, int64)`.
    pub fn usage(&self, name: &str) -> String {
        if self.params.is_empty() && name == "count" {
            return "count(*)".to_owned();
        }
        let mut params: Vec<String> = self.params.iter().map(Param::describe).collect();
        if self.rest.is_some() {
            params.push("…".to_owned());
        }
        format!("{name}({})", params.join(", "))
    }
}

impl Param {
    /// What help texts call it.
    pub fn describe(&self) -> String {
        match self {
            Self::Is(data_type) => data_type.to_string(),
            Self::Number => "number".to_owned(),
            Self::Decimal => "decimal".to_owned(),
            Self::List => "list".to_owned(),
            Self::ValueOfList | Self::Same | Self::Any => "value".to_owned(),
            Self::Literal(kind) => kind.describe().to_owned(),
        }
    }
}

impl LiteralKind {
    /// What help texts call it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Regex => "'pattern'",
            Self::Group => "group number",
            Self::JsonPath => "'$.path'",
            Self::TimeFormat => "'%Y-%m-%d'",
            Self::TruncUnit => "'unit'",
            Self::DatePart => "'part'",
            Self::Encoding => "'base64' or 'hex'",
            Self::Digits => "digits",
            Self::Zone => "'zone'",
            Self::Fraction => "fraction",
            Self::Text => "'text'",
        }
    }
}

/// The function of this name or alias; case does not matter.
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| {
        function.name.eq_ignore_ascii_case(name)
            || function.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    })
}

/// Every name and alias.
pub fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|function| std::iter::once(function.name).chain(function.aliases.iter().copied()))
}
