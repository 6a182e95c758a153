//! Operators, by precedence climbing.

use pipectl_ir::query::BinaryOp;

use super::{
    Fault, Parsed, Parser,
    ast::{Kind, Node},
    lexer::Token,
};

/// What binds how tightly; a higher number binds tighter.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const COMPARE: u8 = 4;
const CONCAT: u8 = 5;
const SUM: u8 = 6;
const PRODUCT: u8 = 7;
const SIGN: u8 = 8;

/// What became of an operand.
enum Grown {
    /// An operator took it in; more may follow.
    More(Node),
    /// Nothing that binds tightly enough follows.
    Done(Node),
}

impl Parser<'_> {
    /// An expression.
    pub(super) fn expression(&mut self) -> Parsed<Node> {
        self.climb(OR)
    }

    fn climb(&mut self, least: u8) -> Parsed<Node> {
        self.deeper(|parser| {
            let mut left = parser.prefix()?;
            loop {
                match parser.infix(least, left)? {
                    Grown::More(node) => left = node,
                    Grown::Done(node) => return Ok(node),
                }
            }
        })
    }

    fn prefix(&mut self) -> Parsed<Node> {
        let start = self.place().start;
        if self.take_word("NOT") {
            let operand = self.climb(NOT)?;
            let end = operand.place.end;
            return self.node(Kind::Not(Box::new(operand)), start..end);
        }
        if self.take_symbol("-") {
            let operand = self.climb(SIGN)?;
            let end = operand.place.end;
            return self.node(Kind::Negate(Box::new(operand)), start..end);
        }
        if self.take_symbol("+") {
            return self.climb(SIGN);
        }
        self.primary()
    }

    /// Goes on after `left` if something that binds at least so tightly follows.
    fn infix(&mut self, least: u8, left: Node) -> Parsed<Grown> {
        if let Some((op, strength, tokens)) = self.binary_op() {
            if strength < least {
                return Ok(Grown::Done(left));
            }
            let op_place = self.place().start..self.spot(tokens - 1).place.end;
            self.at += tokens;
            if op == BinaryOp::Eq && self.is_symbol("=") {
                return Err(self.unexpected("a value").help("`=` compares; write it once"));
            }
            let right = self.climb(strength + 1)?;
            let place = left.place.start..right.place.end;
            let kind = Kind::Binary { op, op_place, left: Box::new(left), right: Box::new(right) };
            return self.node(kind, place).map(Grown::More);
        }
        if COMPARE < least {
            return Ok(Grown::Done(left));
        }
        self.refuse_operator()?;
        let negated =
            self.is_word("NOT") && ["IN", "BETWEEN", "LIKE", "ILIKE"].iter().any(|word| self.is_word_at(1, word));
        if !negated && !["IS", "IN", "BETWEEN", "LIKE", "ILIKE"].iter().any(|word| self.is_word(word)) {
            return Ok(Grown::Done(left));
        }
        let start = left.place.start;
        let expr = Box::new(left);
        if self.is_word("IS") {
            self.at += 1;
            let negated = self.take_word("NOT");
            let kind = if self.take_word("NULL") || self.take_word("UNKNOWN") {
                Kind::IsNull { expr, negated }
            } else if self.take_word("TRUE") {
                Kind::IsBool { expr, value: true, negated }
            } else if self.take_word("FALSE") {
                Kind::IsBool { expr, value: false, negated }
            } else {
                return Err(self.unexpected("`NULL`, `TRUE`, `FALSE` or `DISTINCT FROM`"));
            };
            return self.node(kind, start..self.end()).map(Grown::More);
        }
        self.at += usize::from(negated);
        let kind = if self.take_word("IN") {
            Kind::InList { expr, list: self.in_list()?, negated }
        } else if self.take_word("BETWEEN") {
            let low = Box::new(self.climb(CONCAT)?);
            self.expect_word("AND")?;
            let high = Box::new(self.climb(CONCAT)?);
            Kind::Between { expr, low, high, negated }
        } else {
            let case_insensitive = self.is_word("ILIKE");
            self.at += 1;
            let pattern = Box::new(self.climb(CONCAT)?);
            if self.is_word("ESCAPE") {
                return Err(Fault::unsupported(
                    self.place(),
                    "ESCAPE is not supported",
                    "a backslash escapes `%` and `_`: LIKE '100\\%'",
                ));
            }
            Kind::Like { expr, pattern, negated, case_insensitive }
        };
        self.node(kind, start..self.end()).map(Grown::More)
    }

    fn in_list(&mut self) -> Parsed<Vec<Node>> {
        let open = self.place();
        self.expect_symbol("(", None)?;
        if self.is_word("SELECT") {
            return Err(subquery(self.place()));
        }
        let mut list = Vec::new();
        loop {
            list.push(self.expression()?);
            if !self.take_symbol(",") {
                break;
            }
        }
        self.expect_symbol(")", Some(&open))?;
        Ok(list)
    }

    /// The operator that stands here, how tightly it binds and how many tokens it has.
    fn binary_op(&self) -> Option<(BinaryOp, u8, usize)> {
        let one = |op, strength| Some((op, strength, 1));
        match self.token() {
            Token::Symbol(symbol) => match *symbol {
                "=" => one(BinaryOp::Eq, COMPARE),
                "<>" | "!=" => one(BinaryOp::NotEq, COMPARE),
                "<" => one(BinaryOp::Lt, COMPARE),
                "<=" => one(BinaryOp::LtEq, COMPARE),
                ">" => one(BinaryOp::Gt, COMPARE),
                ">=" => one(BinaryOp::GtEq, COMPARE),
                "||" => one(BinaryOp::Concat, CONCAT),
                "+" => one(BinaryOp::Add, SUM),
                "-" => one(BinaryOp::Subtract, SUM),
                "*" => one(BinaryOp::Multiply, PRODUCT),
                "/" => one(BinaryOp::Divide, PRODUCT),
                "%" => one(BinaryOp::Modulo, PRODUCT),
                _ => None,
            },
            Token::Word(_) if self.is_word("OR") => one(BinaryOp::Or, OR),
            Token::Word(_) if self.is_word("AND") => one(BinaryOp::And, AND),
            Token::Word(_) if self.is_word("IS") => {
                let not = usize::from(self.is_word_at(1, "NOT"));
                let distinct = self.is_word_at(1 + not, "DISTINCT") && self.is_word_at(2 + not, "FROM");
                let op = if not == 1 { BinaryOp::IsNotDistinctFrom } else { BinaryOp::IsDistinctFrom };
                distinct.then_some((op, COMPARE, 3 + not))
            }
            _ => None,
        }
    }

    fn refuse_operator(&self) -> Parsed<()> {
        let refuse = |title: &str, help: &str| Err(Fault::unsupported(self.place(), title, help));
        match self.token() {
            Token::Symbol("->") => refuse("`->` is not supported", "write json_get(value, '$.name')"),
            Token::Symbol("->>") => refuse("`->>` is not supported", "write json_text(value, '$.name')"),
            Token::Symbol("^") => refuse("`^` is not supported", "write power(x, y)"),
            Token::Symbol("~") => refuse("`~` is not supported", "write regexp_like(text, 'pattern')"),
            Token::Symbol("&" | "|" | "#") => {
                refuse("bit operators are not supported", "use arithmetic: `/` and `%` by powers of two")
            }
            Token::Word(_) if self.is_word("SIMILAR") || (self.is_word("NOT") && self.is_word_at(1, "SIMILAR")) => {
                refuse("SIMILAR TO is not supported", "write regexp_like(text, 'pattern')")
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn subquery(place: std::ops::Range<usize>) -> Fault {
    Fault::unsupported(
        place,
        "a query inside an expression is not supported",
        "make the inner query a processor of its own; for a fixed set write IN ('a', 'b')",
    )
}
