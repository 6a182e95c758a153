//! What was written, before names and types are looked at.

use std::ops::Range;

use pipectl_ir::query::BinaryOp;

/// A name and its place.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) place: Range<usize>,
}

/// The one `SELECT`.
#[derive(Debug)]
pub(crate) struct Select {
    /// Where `DISTINCT` stands.
    pub(crate) distinct: Option<Range<usize>>,
    pub(crate) items: Vec<Item>,
    pub(crate) input: Name,
    pub(crate) alias: Option<Name>,
    pub(crate) filter: Option<Node>,
    pub(crate) group_by: Vec<Node>,
    pub(crate) having: Option<Node>,
    /// Parts that the dialect does not have: read over, so that the rest is still checked.
    pub(crate) refused: Vec<super::Fault>,
}

impl Select {
    /// The selection of one expression from what messages call `input`.
    pub(crate) fn of(node: Node) -> Self {
        Self {
            distinct: None,
            items: vec![Item::Value { node, alias: None }],
            input: Name { text: "input".to_owned(), place: 0..0 },
            alias: None,
            filter: None,
            group_by: Vec::new(),
            having: None,
            refused: Vec::new(),
        }
    }
}

/// One entry of the list after `SELECT`.
#[derive(Debug)]
pub(crate) enum Item {
    /// `*`, `* EXCEPT (a, b)`, `s.*`.
    All { place: Range<usize>, qualifier: Option<Name>, except: Vec<Name> },
    /// An expression, perhaps with a name.
    Value { node: Node, alias: Option<Name> },
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Range<usize>,
    /// How many expressions lie on the longest way down, this one included.
    pub(crate) depth: usize,
}

/// What an expression is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Column {
        qualifier: Option<Name>,
        name: Name,
    },
    Number(String),
    Text(String),
    Bool(bool),
    Null,
    /// `INTERVAL '1 minute'`, `INTERVAL '1' MINUTE`: the text with its unit.
    Interval(String),
    /// `TIMESTAMP '…'`, `DATE '…'`.
    Typed {
        type_name: Name,
        text: String,
    },
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary {
        op: BinaryOp,
        op_place: Range<usize>,
        left: Box<Node>,
        right: Box<Node>,
    },
    IsNull {
        expr: Box<Node>,
        negated: bool,
    },
    /// `IS TRUE`, `IS NOT FALSE`…: never null.
    IsBool {
        expr: Box<Node>,
        value: bool,
        negated: bool,
    },
    InList {
        expr: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    Between {
        expr: Box<Node>,
        low: Box<Node>,
        high: Box<Node>,
        negated: bool,
    },
    Like {
        expr: Box<Node>,
        pattern: Box<Node>,
        negated: bool,
        case_insensitive: bool,
        escape: Option<Box<Node>>,
    },
    Case {
        operand: Option<Box<Node>>,
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
    },
    Cast {
        expr: Box<Node>,
        type_name: Name,
        try_cast: bool,
    },
    Call(Box<Call>),
    /// `struct.name`.
    Field {
        expr: Box<Node>,
        name: Name,
        /// What is reported if the expression is no struct.
        unless: Box<super::Fault>,
    },
    /// `list[index]`.
    Element {
        expr: Box<Node>,
        index: Box<Node>,
        /// What is reported if the expression is no list.
        unless: Box<super::Fault>,
    },
}

/// A function call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: Name,
    pub(crate) args: Vec<Node>,
    /// `count(*)`.
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Node>,
}

impl Node {
    /// The expressions that it is made of.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.kind {
            Kind::Column { .. }
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Bool(_)
            | Kind::Null
            | Kind::Interval(_)
            | Kind::Typed { .. } => Vec::new(),
            Kind::Not(expr)
            | Kind::Negate(expr)
            | Kind::IsNull { expr, .. }
            | Kind::IsBool { expr, .. }
            | Kind::Field { expr, .. }
            | Kind::Cast { expr, .. } => vec![&**expr],
            Kind::Binary { left, right, .. } => vec![&**left, &**right],
            Kind::Element { expr, index, .. } => vec![&**expr, &**index],
            Kind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
            Kind::Between { expr, low, high, .. } => vec![&**expr, &**low, &**high],
            Kind::Like { expr, pattern, escape, .. } => {
                [&**expr, &**pattern].into_iter().chain(escape.as_deref()).collect()
            }
            Kind::Case { operand, branches, otherwise } => operand
                .iter()
                .map(|operand| &**operand)
                .chain(branches.iter().flat_map(|(when, then)| [when, then]))
                .chain(otherwise.iter().map(|otherwise| &**otherwise))
                .collect(),
            Kind::Call(call) => call.args.iter().chain(&call.filter).collect(),
        }
    }

    /// The same, to be changed.
    pub(crate) fn children_mut(&mut self) -> Vec<&mut Self> {
        match &mut self.kind {
            Kind::Column { .. }
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Bool(_)
            | Kind::Null
            | Kind::Interval(_)
            | Kind::Typed { .. } => Vec::new(),
            Kind::Not(expr)
            | Kind::Negate(expr)
            | Kind::IsNull { expr, .. }
            | Kind::IsBool { expr, .. }
            | Kind::Field { expr, .. }
            | Kind::Cast { expr, .. } => vec![&mut **expr],
            Kind::Binary { left, right, .. } => vec![&mut **left, &mut **right],
            Kind::Element { expr, index, .. } => vec![&mut **expr, &mut **index],
            Kind::InList { expr, list, .. } => std::iter::once(&mut **expr).chain(list).collect(),
            Kind::Between { expr, low, high, .. } => vec![&mut **expr, &mut **low, &mut **high],
            Kind::Like { expr, pattern, escape, .. } => {
                [&mut **expr, &mut **pattern].into_iter().chain(escape.as_deref_mut()).collect()
            }
            Kind::Case { operand, branches, otherwise } => operand
                .iter_mut()
                .map(|operand| &mut **operand)
                .chain(branches.iter_mut().flat_map(|(when, then)| [when, then]))
                .chain(otherwise.iter_mut().map(|otherwise| &mut **otherwise))
                .collect(),
            Kind::Call(call) => call.args.iter_mut().chain(&mut call.filter).collect(),
        }
    }

    /// Whether both mean the same, wherever they stand: `GROUP BY upper(a)` and `SELECT upper(a)`.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let own = match (&self.kind, &other.kind) {
            // A qualifier can only be the input's name, so it makes no difference.
            (Kind::Column { name: a, .. }, Kind::Column { name: b, .. })
            | (Kind::Field { name: a, .. }, Kind::Field { name: b, .. }) => a.text == b.text,
            (Kind::Number(a), Kind::Number(b))
            | (Kind::Text(a), Kind::Text(b))
            | (Kind::Interval(a), Kind::Interval(b)) => a == b,
            (Kind::Null, Kind::Null)
            | (Kind::Not(_), Kind::Not(_))
            | (Kind::Negate(_), Kind::Negate(_))
            | (Kind::Element { .. }, Kind::Element { .. }) => true,
            (Kind::Typed { type_name: a, text: s }, Kind::Typed { type_name: b, text: t }) => same_word(a, b) && s == t,
            (Kind::Binary { op: a, .. }, Kind::Binary { op: b, .. }) => a == b,
            (Kind::Bool(a), Kind::Bool(b))
            | (Kind::IsNull { negated: a, .. }, Kind::IsNull { negated: b, .. })
            | (Kind::InList { negated: a, .. }, Kind::InList { negated: b, .. })
            | (Kind::Between { negated: a, .. }, Kind::Between { negated: b, .. }) => a == b,
            (Kind::IsBool { value: a, negated: x, .. }, Kind::IsBool { value: b, negated: y, .. })
            | (
                Kind::Like { negated: a, case_insensitive: x, .. },
                Kind::Like { negated: b, case_insensitive: y, .. },
            ) => a == b && x == y,
            (
                Kind::Case { operand: one, branches, otherwise },
                Kind::Case { operand: two, branches: others, otherwise: other },
            ) => (one.is_some(), branches.len(), otherwise.is_some()) == (two.is_some(), others.len(), other.is_some()),
            (Kind::Cast { type_name: a, try_cast: x, .. }, Kind::Cast { type_name: b, try_cast: y, .. }) => {
                same_word(a, b) && x == y
            }
            (Kind::Call(a), Kind::Call(b)) => {
                same_word(&a.name, &b.name)
                    && (a.star, a.distinct, a.filter.is_some()) == (b.star, b.distinct, b.filter.is_some())
            }
            _ => false,
        };
        let (mine, theirs) = (self.children(), other.children());
        own && mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| a.same(b))
    }
}

fn same_word(a: &Name, b: &Name) -> bool {
    a.text.eq_ignore_ascii_case(&b.text)
}
