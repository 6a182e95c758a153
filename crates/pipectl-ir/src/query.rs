//! The typed query: what an SQL text means, independent of the parser that read it and of the engine that runs it.
//!
//! Every expression knows its type and the bytes of the SQL text that it came from, so that a fault found much later
//! (a cast of a record, a sink that misses a column) can still point at the very token.

use std::{collections::BTreeSet, ops::Range};

use pipectl_data::{DataType, Field, Micros, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{PlaceBy, ProcessorTraits, StatePart, StateSignature};

/// A range of bytes of the SQL text.
pub type TextRange = Range<usize>;

/// One `SELECT` over one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The text that it was compiled from.
    pub sql: String,
    /// The name after `FROM`: a stream, source or processor.
    pub input: String,
    /// Where that name stands.
    pub input_place: TextRange,
    /// What a row must satisfy (`WHERE`): only rows for which this is true go on.
    pub filter: Option<Expr>,
    /// What is made of the rows that remain.
    pub shape: Shape,
}

/// What a query makes of its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// One row for each row.
    Project {
        /// The columns, in order.
        columns: Vec<OutputColumn>,
    },
    /// One row for each window and group.
    Window(Box<WindowAggregate>),
}

/// A column of the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Where the name is given: the alias, or the column itself.
    pub name_place: TextRange,
    /// Its value.
    pub expr: Expr,
}

/// An aggregate over windows of event time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowAggregate {
    /// Which windows.
    pub window: Window,
    /// Where `tumble(…)` or `hop(…)` stands, or the grouping without one.
    pub window_place: TextRange,
    /// The group keys beside the window, in the order of `GROUP BY`; expressions over the input's columns.
    pub keys: Vec<GroupKey>,
    /// The aggregates; each different call stands here once.
    pub aggregates: Vec<AggregateCall>,
    /// What a group must satisfy (`HAVING`); over keys, aggregates and the window.
    pub having: Option<Expr>,
    /// The columns, in order; over keys, aggregates and the window.
    pub columns: Vec<OutputColumn>,
}

/// The windows that a row belongs to. All lengths are microseconds and positive. A window holds the event times from
/// its start up to, not including, its end; starts lie at `offset` plus multiples of the step from 1970, by floor
/// division, so that times before 1970 fall into the right window too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Windows side by side.
    Tumble {
        /// Length.
        size: Micros,
        /// Shift of the starts, at least 0 and below `size`.
        offset: Micros,
    },
    /// Windows that overlap: one begins every `slide`. `slide` is at most `size`.
    Hop {
        /// Distance from start to start.
        slide: Micros,
        /// Length.
        size: Micros,
        /// Shift of the starts, at least 0 and below `slide`.
        offset: Micros,
    },
    /// One window over everything that comes until the input ends, whatever its event time. It has no bounds.
    Whole,
}

impl Window {
    /// Whether it is the one over everything.
    pub fn is_whole(self) -> bool {
        self == Self::Whole
    }

    /// For a signature: the kind, and what it has of lengths.
    fn described(self) -> Value {
        match self {
            Self::Tumble { size, offset } => json!({ "window": "tumble", "size": size, "offset": offset }),
            Self::Hop { slide, size, offset } => {
                json!({ "window": "hop", "slide": slide, "size": size, "offset": offset })
            }
            Self::Whole => json!({ "window": "none" }),
        }
    }

    /// Length of each window.
    pub fn size(self) -> Micros {
        match self {
            Self::Tumble { size, .. } | Self::Hop { size, .. } => size,
            Self::Whole => Micros::MAX,
        }
    }

    /// Distance from the start of one window to the start of the next.
    pub fn slide(self) -> Micros {
        match self {
            Self::Tumble { size, .. } => size,
            Self::Hop { slide, .. } => slide,
            Self::Whole => Micros::MAX,
        }
    }

    /// Shift of the starts from 1970.
    pub fn offset(self) -> Micros {
        match self {
            Self::Tumble { offset, .. } | Self::Hop { offset, .. } => offset,
            Self::Whole => 0,
        }
    }
}

/// One expression of `GROUP BY` that is not the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupKey {
    /// The input column's name, or a made-up one for an expression.
    pub name: String,
    /// Its value.
    pub expr: Expr,
}

/// One call of an aggregate function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// Canonical name in [`crate::functions`].
    pub function: String,
    /// The arguments, over the input's columns; none for `count(*)`.
    pub args: Vec<Expr>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// Type of the result.
    pub data_type: DataType,
    /// Whether the result can be null: an aggregate of no value is null, except `count`.
    pub nullable: bool,
    /// Where the call stands.
    pub place: TextRange,
}

impl GroupKey {
    /// The column of the input that it is, if it is no expression.
    pub fn column(&self) -> Option<&str> {
        if let ExprKind::Column(name) = &self.expr.kind { Some(name) } else { None }
    }
}

impl AggregateCall {
    /// What it computes, wherever it stands.
    pub fn meaning(&self) -> Value {
        plain(self)
    }
}

/// As JSON, without places in the text, and without whether values can be null, which no state depends on.
fn plain(part: &impl Serialize) -> Value {
    // Plain data: this cannot fail.
    let mut value = serde_json::to_value(part).unwrap_or_default();
    forget_places(&mut value);
    value
}

fn forget_places(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let place = members.remove("place");
            members.remove("nullable");
            // A cast of the type checker stands where its operand does, and an aggregate may look through it.
            let operand = members.get("kind").and_then(|kind| kind.get("cast")?.get("expr")?.get("place"));
            if operand.is_some() && operand == place.as_ref() {
                members.insert("implicit".to_owned(), Value::Bool(true));
            }
            members.values_mut().for_each(forget_places);
        }
        Value::Array(elements) => elements.iter_mut().for_each(forget_places),
        _ => {}
    }
}

/// A typed expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expr {
    /// What it does.
    pub kind: ExprKind,
    /// Type of its value; always a logical one ([`DataType::logical`]).
    pub data_type: DataType,
    /// Whether its value can be null.
    pub nullable: bool,
    /// Where it stands.
    pub place: TextRange,
}

/// What an expression does. Operands have the types that the operation needs: the type checker inserts the casts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// A column of the input.
    Column(String),
    /// The record's event time, from the envelope.
    EventTime,
    /// The time at which the record came in, from the envelope.
    ArrivalTime,
    /// A group key; only over the result of an aggregate.
    GroupKey(usize),
    /// An aggregate's result; only over the result of an aggregate.
    Aggregate(usize),
    /// The first microsecond of the window; only over the result of an aggregate.
    WindowStart,
    /// One past the last microsecond of the window; only over the result of an aggregate.
    WindowEnd,
    /// A constant.
    Literal(Literal),
    /// `NOT`, three-valued.
    Not(Box<Expr>),
    /// Minus.
    Negate(Box<Expr>),
    /// An operator between two values.
    Binary {
        /// Which.
        op: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `IS NULL`, `IS NOT NULL`.
    IsNull {
        /// The operand.
        expr: Box<Expr>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `IN (…)`, three-valued.
    InList {
        /// The operand.
        expr: Box<Expr>,
        /// What it is compared with.
        list: Vec<Expr>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `BETWEEN`: at least `low` and at most `high`, three-valued.
    Between {
        /// The operand.
        expr: Box<Expr>,
        /// The least value.
        low: Box<Expr>,
        /// The greatest value.
        high: Box<Expr>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `LIKE`, `ILIKE`.
    Like {
        /// The text.
        expr: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// `NOT LIKE`.
        negated: bool,
        /// `ILIKE`.
        case_insensitive: bool,
        /// What makes the next character of the pattern an ordinary one, if it is not `\`; empty if nothing does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        escape: Option<String>,
    },
    /// `CASE`: the first branch whose condition is true; only what is needed is computed.
    Case {
        /// The value that the simple form compares; `None` for the searched form.
        operand: Option<Box<Expr>>,
        /// Condition (or value to compare with) and result.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`; null without it.
        otherwise: Option<Box<Expr>>,
    },
    /// A conversion to the expression's type.
    Cast {
        /// What is converted.
        expr: Box<Expr>,
        /// Null instead of a fault (`TRY_CAST`).
        try_cast: bool,
    },
    /// A field of a struct; null where the struct is.
    Field {
        /// The struct.
        expr: Box<Expr>,
        /// The field.
        name: String,
    },
    /// A value of a list, counted from 1; null where the list has none.
    Element {
        /// The list.
        expr: Box<Expr>,
        /// Which value.
        index: Box<Expr>,
    },
    /// A scalar function by its canonical name in [`crate::functions`].
    Call {
        /// The name.
        function: String,
        /// The arguments.
        args: Vec<Expr>,
    },
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literal {
    /// `NULL`, of the expression's type.
    Null,
    /// `TRUE`, `FALSE`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// The value of a decimal: the number times ten to the power of the scale of the expression's type.
    Decimal(i128),
    /// A text, also of type `json`.
    String(String),
    /// Microseconds since 1970, UTC.
    Timestamp(Micros),
    /// Days since 1970.
    Date(i32),
    /// Microseconds.
    Interval(Micros),
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    /// `AND`, three-valued.
    And,
    /// `OR`, three-valued.
    Or,
    /// `=`.
    Eq,
    /// `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `IS DISTINCT FROM`: never null.
    IsDistinctFrom,
    /// `IS NOT DISTINCT FROM`: never null.
    IsNotDistinctFrom,
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Modulo,
    /// `||`.
    Concat,
}

impl BinaryOp {
    /// As SQL writes it.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::IsDistinctFrom => "IS DISTINCT FROM",
            Self::IsNotDistinctFrom => "IS NOT DISTINCT FROM",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Concat => "||",
        }
    }

    /// Whether its value is a truth value.
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Eq
                | Self::NotEq
                | Self::Lt
                | Self::LtEq
                | Self::Gt
                | Self::GtEq
                | Self::IsDistinctFrom
                | Self::IsNotDistinctFrom
        )
    }
}

impl Expr {
    /// The expressions that it is made of, in the order of the text.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Column(_)
            | ExprKind::EventTime
            | ExprKind::ArrivalTime
            | ExprKind::GroupKey(_)
            | ExprKind::Aggregate(_)
            | ExprKind::WindowStart
            | ExprKind::WindowEnd
            | ExprKind::Literal(_) => Vec::new(),
            ExprKind::Not(expr)
            | ExprKind::Negate(expr)
            | ExprKind::IsNull { expr, .. }
            | ExprKind::Field { expr, .. }
            | ExprKind::Cast { expr, .. } => vec![&**expr],
            ExprKind::Element { expr, index } => vec![&**expr, &**index],
            ExprKind::Binary { left, right, .. } => vec![&**left, &**right],
            ExprKind::Like { expr, pattern, .. } => vec![&**expr, &**pattern],
            ExprKind::Between { expr, low, high, .. } => vec![&**expr, &**low, &**high],
            ExprKind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
            ExprKind::Case { operand, branches, otherwise } => operand
                .iter()
                .map(|operand| &**operand)
                .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                .chain(otherwise.iter().map(|otherwise| &**otherwise))
                .collect(),
            ExprKind::Call { args, .. } => args.iter().collect(),
        }
    }

    /// Calls `visit` for this expression and all below it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }
}

impl Query {
    /// The name after `FROM`.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The columns of the result.
    pub fn output_columns(&self) -> &[OutputColumn] {
        match &self.shape {
            Shape::Project { columns } => columns,
            Shape::Window(window) => &window.columns,
        }
    }

    /// The schema of the result.
    pub fn output_schema(&self) -> Schema {
        Schema::new(self.output_columns().iter().map(|column| Field {
            name: column.name.clone(),
            data_type: column.expr.data_type.clone(),
            nullable: column.expr.nullable,
        }))
    }

    /// Where the text names the output column `name`.
    pub fn output_place(&self, name: &str) -> Option<TextRange> {
        self.output_columns().iter().find(|column| column.name == name).map(|column| column.name_place.clone())
    }

    /// The input's columns that must be decoded.
    pub fn columns_used(&self) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        self.walk(&mut |expr| {
            if let ExprKind::Column(name) = &expr.kind {
                used.insert(name.clone());
            }
        });
        used
    }

    /// What the plan must know of it.
    pub fn traits(&self) -> ProcessorTraits {
        let plain = |column: &OutputColumn| match &column.expr.kind {
            ExprKind::Column(name) => Some((name.clone(), column.name.clone())),
            _ => None,
        };
        ProcessorTraits {
            reads: Some(self.columns_used().into_iter().collect()),
            place_by: match &self.shape {
                Shape::Project { .. } => PlaceBy::Anywhere,
                // Groups that are not plain columns, and a single group over everything, meet in one task.
                Shape::Window(_) => {
                    self.group_key_columns().filter(|keys| !keys.is_empty()).map_or(PlaceBy::One, PlaceBy::Columns)
                }
            },
            state: self.state_signature(),
            calls: false,
            keeps: match &self.shape {
                Shape::Project { columns } => columns.iter().filter_map(plain).collect(),
                Shape::Window(_) => Vec::new(),
            },
        }
    }

    /// What its state depends on: the window, the group keys, the condition and the aggregates. Where things stand in the
    /// text does not count, nor what is made of the results.
    fn state_signature(&self) -> Option<StateSignature> {
        let window = self.window()?;
        let text = |place: &TextRange| self.sql.get(place.clone()).unwrap_or_default().to_owned();
        let parts = window.aggregates.iter();
        let parts = parts.map(|call| StatePart { name: text(&call.place), meaning: call.meaning() }).collect();
        let signature = StateSignature::fixed([
            ("window", window.window.described()),
            ("group keys", window.keys.iter().map(|key| plain(&key.expr)).collect()),
            ("WHERE", plain(&self.filter)),
        ]);
        Some(StateSignature { parts, ..signature })
    }

    /// Whether it aggregates over windows, so needs event time, a watermark and state.
    pub fn is_windowed(&self) -> bool {
        self.window().is_some()
    }

    /// The aggregate over windows, if it is one.
    pub fn window(&self) -> Option<&WindowAggregate> {
        match &self.shape {
            Shape::Project { .. } => None,
            Shape::Window(window) => Some(window),
        }
    }

    /// The input's columns that it groups by, if all group keys are plain columns; `None` for a query without windows.
    ///
    /// Rows that agree in these columns must reach the same operator. When the stream's key is among them, they do.
    pub fn group_key_columns(&self) -> Option<Vec<String>> {
        self.window()?.keys.iter().map(|key| key.column().map(str::to_owned)).collect()
    }

    /// Whether the result depends on when records came in (`arrival_time()`): a replay from another backend then
    /// gives other rows.
    pub fn uses_arrival_time(&self) -> bool {
        let mut uses = false;
        self.walk(&mut |expr| uses |= expr.kind == ExprKind::ArrivalTime);
        uses
    }

    /// Whether it reads the event time itself (`event_time()`), apart from its windows.
    pub fn uses_event_time(&self) -> bool {
        let mut uses = false;
        self.walk(&mut |expr| uses |= expr.kind == ExprKind::EventTime);
        uses
    }

    /// The SQL text of a place; empty for a place outside the text.
    pub fn text(&self, place: &TextRange) -> &str {
        self.sql.get(place.clone()).unwrap_or_default()
    }

    /// Calls `visit` for every expression.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        if let Some(filter) = &self.filter {
            filter.walk(visit);
        }
        if let Shape::Window(window) = &self.shape {
            for key in &window.keys {
                key.expr.walk(visit);
            }
            for call in &window.aggregates {
                for expr in call.args.iter().chain(&call.filter) {
                    expr.walk(visit);
                }
            }
            if let Some(having) = &window.having {
                having.walk(visit);
            }
        }
        for column in self.output_columns() {
            column.expr.walk(visit);
        }
    }
}
