//! Operators, by precedence climbing.

use pipectl_ir::query::BinaryOp;

use super::{
    Fault, Parsed, Parser,
    ast::{Kind, Node},
    foreign::chained,
    lexer::Token,
};

/// What binds how tightly, as in `PostgreSQL`; a higher number binds tighter.
const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
/// `IS NULL`, `IS TRUE`, `IS DISTINCT FROM`.
const IS: u8 = 4;
/// `= < > <= >= <>`: side by side they mean nothing.
const COMPARE: u8 = 5;
/// `IN`, `BETWEEN`, `LIKE`.
const MATCH: u8 = 6;
const CONCAT: u8 = 7;
const SUM: u8 = 8;
const PRODUCT: u8 = 9;
const SIGN: u8 = 10;

/// What became of an operand.
enum Grown {
    /// An operator took it in, whose right operand ends here and which cannot stand beside another of this strength
    /// (0: any may follow).
    More(Node, u8),
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
            let mut alone = 0;
            loop {
                match parser.infix(least, left, alone)? {
                    Grown::More(node, strength) => (left, alone) = (node, strength),
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

    /// Goes on after `left` if something that binds at least so tightly follows; `alone` is what may not.
    fn infix(&mut self, least: u8, left: Node, alone: u8) -> Parsed<Grown> {
        if let Some((op, strength, tokens)) = self.binary_op() {
            if strength < least {
                return Ok(Grown::Done(left));
            }
            let op_place = self.place().start..self.spot(tokens - 1).place.end;
            if strength == COMPARE && alone == COMPARE {
                return Err(chained(&left, op_place));
            }
            self.at += tokens;
            if op == BinaryOp::Eq && self.is_symbol("=") {
                return Err(self.unexpected("a value").help("a comparison is written `=`"));
            }
            if op.is_comparison()
                && let Some(fault) = self.quantified(&left, op.symbol())
            {
                return Err(fault);
            }
            if op == BinaryOp::Multiply && self.is_symbol("*") {
                let place = op_place.start..self.place().end;
                return Err(Fault::unsupported(place, "`**` is not supported", "write power(x, y)"));
            }
            let right = self.climb(strength + 1)?;
            let place = left.place.start..right.place.end;
            let kind = Kind::Binary { op, op_place, left: Box::new(left), right: Box::new(right) };
            let alone = if strength == COMPARE { COMPARE } else { 0 };
            return self.node(kind, place).map(|node| Grown::More(node, alone));
        }
        if self.is_word("IS") {
            return if IS < least { Ok(Grown::Done(left)) } else { self.is(left) };
        }
        if MATCH < least {
            return Ok(Grown::Done(left));
        }
        if let Some(fault) = self.foreign_operator(&left) {
            return Err(fault);
        }
        let negated =
            self.is_word("NOT") && ["IN", "BETWEEN", "LIKE", "ILIKE"].iter().any(|word| self.is_word_at(1, word));
        if !negated && !["IN", "BETWEEN", "LIKE", "ILIKE"].iter().any(|word| self.is_word(word)) {
            return Ok(Grown::Done(left));
        }
        if alone == MATCH {
            return Err(chained(&left, self.place()));
        }
        let start = left.place.start;
        let expr = Box::new(left);
        self.at += usize::from(negated);
        let mut alone = MATCH;
        let kind = if self.take_word("IN") {
            alone = 0;
            Kind::InList { expr, list: self.in_list()?, negated }
        } else if self.take_word("BETWEEN") {
            if self.is_word("SYMMETRIC") && !self.is_word_at(1, "AND") {
                let help = "write the lesser bound first: BETWEEN least(a, b) AND greatest(a, b)";
                return Err(Fault::unsupported(self.place(), "BETWEEN SYMMETRIC is not supported", help));
            }
            let low = Box::new(self.climb(CONCAT)?);
            self.expect_word("AND")?;
            let high = Box::new(self.climb(CONCAT)?);
            Kind::Between { expr, low, high, negated }
        } else {
            let case_insensitive = self.is_word("ILIKE");
            self.at += 1;
            let operator = match (negated, case_insensitive) {
                (false, false) => "LIKE",
                (false, true) => "ILIKE",
                (true, false) => "NOT LIKE",
                (true, true) => "NOT ILIKE",
            };
            if let Some(fault) = self.quantified(&expr, operator) {
                return Err(fault);
            }
            let pattern = Box::new(self.climb(CONCAT)?);
            let escape = if self.take_word("ESCAPE") { Some(Box::new(self.climb(CONCAT)?)) } else { None };
            Kind::Like { expr, pattern, negated, case_insensitive, escape }
        };
        self.node(kind, start..self.end()).map(|node| Grown::More(node, alone))
    }

    /// `IS [NOT] NULL` and its kin; `IS DISTINCT FROM` is an operator between two values.
    fn is(&mut self, left: Node) -> Parsed<Grown> {
        self.at += 1;
        let negated = self.take_word("NOT");
        let start = left.place.start;
        let expr = Box::new(left);
        let kind = if self.take_word("NULL") || self.take_word("UNKNOWN") {
            Kind::IsNull { expr, negated }
        } else if self.take_word("TRUE") {
            Kind::IsBool { expr, value: true, negated }
        } else if self.take_word("FALSE") {
            Kind::IsBool { expr, value: false, negated }
        } else {
            return Err(self.unexpected("`NULL`, `TRUE`, `FALSE` or `DISTINCT FROM`"));
        };
        self.node(kind, start..self.end()).map(|node| Grown::More(node, 0))
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
                distinct.then_some((op, IS, 3 + not))
            }
            _ => None,
        }
    }
}

pub(super) fn subquery(place: std::ops::Range<usize>) -> Fault {
    Fault::unsupported(
        place,
        "a query inside an expression is not supported",
        "write the inner query as a separate processor; for a fixed set write IN ('a', 'b')",
    )
}
