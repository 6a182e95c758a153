//! SQL text to a tree with exact places.
//!
//! This is a parser of our own, not a general SQL library: the dialect is one `SELECT` over one stream, every node must
//! know its bytes, a fault must be reported in the user's words at the very token, and the depth must be bounded. All that
//! together is less code than a general tree needs to be taken apart and refused piece by piece.

pub(crate) mod ast;
mod expr;
mod foreign;
mod lexer;
mod primary;
mod select;

use std::ops::Range;

use pipectl_diag::{Code, Diagnostic, Part, Path, Place, codes::sql};

use ast::{Kind, Node, Select};
use lexer::{Spot, Token};

/// How deep expressions may be nested. Each level costs stack in the parser, the type checker and the evaluation.
const MAX_DEPTH: usize = 128;

/// Something that the parser cannot accept.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: FaultKind,
    place: Range<usize>,
    title: String,
    label: String,
    help: Vec<String>,
    replacement: Option<String>,
}

/// Which code a fault gets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FaultKind {
    Syntax,
    NotAQuery,
    Unsupported,
    TooDeep,
    BadLiteral,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, place: Range<usize>, title: impl Into<String>) -> Self {
        Self { kind, place, title: title.into(), label: String::new(), help: Vec::new(), replacement: None }
    }

    fn unsupported(place: Range<usize>, title: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(FaultKind::Unsupported, place, title).help(help)
    }

    /// `.name` after something that is no struct.
    pub(crate) fn no_struct(place: Range<usize>) -> Self {
        Self::new(FaultKind::Unsupported, place, "only a struct has fields")
            .help("for a value inside a JSON column write json_text(column, '$.name')")
    }

    pub(crate) fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    fn replace(mut self, text: impl Into<String>) -> Self {
        self.replacement = Some(text.into());
        self
    }

    /// As a diagnostic of the scalar that holds the SQL.
    pub(crate) fn diagnostic(self) -> Diagnostic {
        let code: Code = match self.kind {
            FaultKind::Syntax => sql::SQL_SYNTAX,
            FaultKind::NotAQuery => sql::NOT_A_QUERY,
            FaultKind::Unsupported => sql::UNSUPPORTED_SQL,
            FaultKind::TooDeep => sql::TOO_DEEP,
            FaultKind::BadLiteral => sql::BAD_LITERAL,
        };
        let mut diagnostic =
            Diagnostic::error(code, self.title).at_inside(&Path::here(), self.place.clone(), self.label);
        diagnostic.help = self.help;
        if let Some(replacement) = self.replacement {
            diagnostic = diagnostic.fix(Place::Node(Path::here(), Part::Inside(self.place)), replacement);
        }
        diagnostic
    }
}

/// The words that end a clause or an operand; a column of such a name must be quoted.
const RESERVED: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "FETCH",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "IN",
    "BETWEEN",
    "LIKE",
    "ILIKE",
    "SIMILAR",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "TRUE",
    "FALSE",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "ON",
    "USING",
    "DISTINCT",
    "WINDOW",
    "QUALIFY",
    "OVER",
    "FILTER",
    "WITH",
    "BY",
];

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// Reads one `SELECT`. The faults of parts that the dialect merely does not have are in [`Select::refused`]; an `Err`
/// is a fault after which nothing can be said about the rest.
pub(crate) fn parse(sql: &str) -> Result<Select, Vec<Fault>> {
    let spots = lexer::tokens(sql).map_err(|fault| vec![fault])?;
    let mut parser = Parser { sql, spots, at: 0, depth: 0, refused: Vec::new() };
    match parser.statement() {
        Ok(mut select) => {
            select.refused = parser.refused;
            Ok(select)
        }
        Err(fault) => {
            parser.refused.push(fault);
            Err(parser.refused)
        }
    }
}

/// Reads one expression and nothing behind it.
pub(crate) fn expression(sql: &str) -> Result<Node, Vec<Fault>> {
    let spots = lexer::tokens(sql).map_err(|fault| vec![fault])?;
    let mut parser = Parser { sql, spots, at: 0, depth: 0, refused: Vec::new() };
    let node = parser.expression().and_then(|node| match parser.token() {
        Token::End => Ok(node),
        _ => Err(parser.unexpected("the end of the expression")),
    });
    match node {
        Ok(node) if parser.refused.is_empty() => Ok(node),
        Ok(_) => Err(parser.refused),
        Err(fault) => {
            parser.refused.push(fault);
            Err(parser.refused)
        }
    }
}

struct Parser<'a> {
    sql: &'a str,
    spots: Vec<Spot>,
    at: usize,
    depth: usize,
    refused: Vec<Fault>,
}

type Parsed<T> = Result<T, Fault>;

impl Parser<'_> {
    fn spot(&self, ahead: usize) -> &Spot {
        // `tokens` ends with `End`, so there is a last one.
        &self.spots[(self.at + ahead).min(self.spots.len() - 1)]
    }

    fn token(&self) -> &Token {
        &self.spot(0).token
    }

    fn place(&self) -> Range<usize> {
        self.spot(0).place.clone()
    }

    /// Where the token before this one ends.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|before| self.spots.get(before)).map_or(0, |spot| spot.place.end)
    }

    fn advance(&mut self) -> Spot {
        let spot = self.spot(0).clone();
        self.at += 1;
        spot
    }

    fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.spot(ahead).token, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    fn is_symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(&self.spot(ahead).token, Token::Symbol(text) if *text == symbol)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_at(0, symbol)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, symbol: &str, opened: Option<&Range<usize>>) -> Parsed<()> {
        if self.take_symbol(symbol) {
            return Ok(());
        }
        let fault = self.unexpected(&format!("`{symbol}`"));
        Err(match opened {
            Some(opened) => {
                let open = &self.sql[opened.clone()];
                fault.help(format!("close the `{open}` that was opened {}", self.position(opened.start)))
            }
            None => fault,
        })
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected(&format!("`{word}`"))) }
    }

    /// "in line 2 of the query", for help texts; the place itself is a label's job.
    fn position(&self, byte: usize) -> String {
        let before = &self.sql[..byte];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("at line {line}, column {column} of the query")
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        let found = match self.token() {
            Token::End => "the query ends".to_owned(),
            _ => format!("found `{}`", &self.sql[self.place()]),
        };
        Fault::new(FaultKind::Syntax, self.place(), format!("expected {wanted}, {found}"))
            .label(format!("expected {wanted}"))
    }

    /// A node of these bytes, if it is not nested too deep.
    #[expect(clippy::unused_self, reason = "reads as the other steps of the parser do")]
    fn node(&self, kind: Kind, place: Range<usize>) -> Parsed<Node> {
        let mut node = Node { kind, place, depth: 1 };
        node.depth += node.children().iter().map(|child| child.depth).max().unwrap_or(0);
        if node.depth > MAX_DEPTH { Err(too_deep(node.place)) } else { Ok(node) }
    }

    /// Runs one level deeper.
    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep(self.place()));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Passes over `( … )` if it stands here.
    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        loop {
            if self.is_symbol("(") {
                depth += 1;
            } else if self.is_symbol(")") {
                depth = depth.saturating_sub(1);
            }
            if *self.token() == Token::End || (depth == 0 && !self.is_symbol(")")) {
                return;
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

fn too_deep(place: Range<usize>) -> Fault {
    Fault::new(
        FaultKind::TooDeep,
        place.start..place.end.min(place.start + 40).max(place.start),
        format!("the expression is nested more than {MAX_DEPTH} levels deep"),
    )
    .help("split the query into several processors; write a long chain of `x = … OR x = …` as `x IN (…, …)`")
}
