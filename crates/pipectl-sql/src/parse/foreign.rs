//! Operators and forms of other systems: each is refused with what to write instead, made of what was written.

use pipectl_ir::query::BinaryOp;

use super::{
    Fault, FaultKind, Parser,
    ast::{Kind, Node},
    is_reserved,
    lexer::Token,
};

impl Parser<'_> {
    fn written(&self, node: &Node) -> &str {
        self.sql.get(node.place.clone()).unwrap_or("x")
    }

    /// The token at this distance as it is written; the name of a thing where there is none.
    fn written_at<'t>(&'t self, ahead: usize, otherwise: &'t str) -> &'t str {
        let spot = self.spot(ahead);
        let whole = matches!(spot.token, Token::Text(_) | Token::Number(_) | Token::Quoted(_) | Token::Word(_));
        self.sql.get(spot.place.clone()).filter(|_| whole).unwrap_or(otherwise)
    }

    /// Whether an operand begins there, so that the word before it is an operator and no name for a column.
    fn starts_operand(&self, ahead: usize) -> bool {
        match &self.spot(ahead).token {
            Token::Text(_) | Token::Number(_) | Token::Quoted(_) | Token::Symbol("(") => true,
            Token::Word(word) => !is_reserved(word),
            _ => false,
        }
    }

    /// An operator between two values that the dialect does not have.
    pub(super) fn foreign_operator(&self, left: &Node) -> Option<Fault> {
        let written = self.sql.get(self.place()).unwrap_or_default();
        let refused = |help: String| {
            Some(Fault::unsupported(self.place(), format!("`{}` is not supported", written.to_uppercase()), help))
        };
        let (x, y) = (self.written(left), self.written_at(1, "y"));
        match self.token() {
            Token::Symbol("->" | "->>" | "#>" | "#>>") => refused(self.json_path(left)),
            Token::Symbol("^") => refused(format!("write power({x}, {y})")),
            Token::Symbol("&&") => refused("write AND".to_owned()),
            Token::Symbol("<=>") => refused(format!("write {x} IS NOT DISTINCT FROM {y}")),
            Token::Symbol("~~") => refused(format!("write {x} LIKE {y}")),
            Token::Symbol("!~~") => refused(format!("write {x} NOT LIKE {y}")),
            Token::Symbol(sign @ ("~" | "~*" | "!~" | "!~*")) => {
                refused(self.matching(left, 1, sign.starts_with('!'), sign.ends_with('*')))
            }
            Token::Symbol("@>" | "<@") => refused(format!(
                "compare the value inside: json_text({}, '$.name') = 'a'",
                if *self.token() == Token::Symbol("<@") { y } else { x }
            )),
            Token::Symbol("?") => refused(match &self.spot(1).token {
                Token::Text(name) => format!("write json_exists({x}, '${}')", step(name)),
                _ => format!("write json_exists({x}, '$.name')"),
            }),
            Token::Symbol("&" | "|" | "#" | "<<" | ">>") => Some(Fault::unsupported(
                self.place(),
                "bit operators are not supported",
                "use arithmetic: `/`, `*` and `%` by powers of two",
            )),
            Token::Word(word) => self.foreign_word(left, &word.to_ascii_uppercase()),
            _ => None,
        }
    }

    fn foreign_word(&self, left: &Node, word: &str) -> Option<Fault> {
        let (x, y) = (self.written(left), self.written_at(1, "y"));
        let refused = |tokens: usize, title: &str, help: String| {
            let place = self.place().start..self.spot(tokens - 1).place.end;
            Some(Fault::unsupported(place, format!("{title} is not supported"), help))
        };
        let next = match &self.spot(1).token {
            Token::Word(next) => next.to_ascii_uppercase(),
            _ => String::new(),
        };
        match (word, next.as_str()) {
            ("NOT", "NULL") => refused(2, "NOT NULL after a value", format!("write {x} IS NOT NULL")),
            ("ISNULL", _) if !self.is_symbol_at(1, "(") => refused(1, "ISNULL", format!("write {x} IS NULL")),
            ("NOTNULL", _) if !self.is_symbol_at(1, "(") => refused(1, "NOTNULL", format!("write {x} IS NOT NULL")),
            ("NOT", "RLIKE" | "REGEXP") if self.starts_operand(2) => {
                refused(2, &format!("NOT {next}"), self.matching(left, 2, true, false))
            }
            ("RLIKE" | "REGEXP", _) if self.starts_operand(1) => refused(1, word, self.matching(left, 1, false, false)),
            ("SIMILAR", _) | ("NOT", "SIMILAR") => {
                let negated = word == "NOT";
                let pattern = if negated { 3 } else { 2 };
                refused(pattern, "SIMILAR TO", self.matching(left, pattern, negated, false))
            }
            ("DIV", _) if self.starts_operand(1) => {
                refused(1, "DIV", format!("`/` of two whole numbers is whole: write {x} / {y}"))
            }
            ("MOD", _) if self.starts_operand(1) => refused(1, "MOD between values", format!("write {x} % {y}")),
            ("XOR", _) if self.starts_operand(1) => refused(1, "XOR", "write (a OR b) AND NOT (a AND b)".to_owned()),
            ("GLOB", _) if self.starts_operand(1) => {
                refused(1, "GLOB", format!("write {x} LIKE 'pattern', where % is any text and _ one character"))
            }
            _ => None,
        }
    }

    /// `regexp_like(x, 'pattern')` for a match whose pattern stands at this distance.
    fn matching(&self, left: &Node, pattern: usize, negated: bool, case_insensitive: bool) -> String {
        let mut text = match &self.spot(pattern).token {
            Token::Text(_) => self.written_at(pattern, "'pattern'").to_owned(),
            _ => "'pattern'".to_owned(),
        };
        if case_insensitive {
            text.insert_str(1, "(?i)");
        }
        format!("write {}regexp_like({}, {text})", if negated { "NOT " } else { "" }, self.written(left))
    }

    /// What `j->'a'->>'b'` and `j#>>'{a,b}'` are here.
    fn json_path(&self, left: &Node) -> String {
        let (mut path, mut ahead, mut is_text) = (String::new(), 0, false);
        while let (Token::Symbol(sign @ ("->" | "->>" | "#>" | "#>>")), Token::Text(key) | Token::Number(key)) =
            (&self.spot(ahead).token, &self.spot(ahead + 1).token)
        {
            if sign.starts_with('#') {
                let inside = key.trim_start_matches('{').trim_end_matches('}');
                path.extend(inside.split(',').map(|key| step(key.trim().trim_matches('"'))));
            } else if key.starts_with("$.") {
                // MySQL writes a path.
                path.push_str(&key[1..].replace('\'', "''"));
            } else {
                path.push_str(&step(key));
            }
            is_text = sign.ends_with(">>");
            ahead += 2;
        }
        if ahead == 0 {
            is_text = matches!(self.token(), Token::Symbol("->>" | "#>>"));
            path.push_str(".name");
        }
        format!("write {}({}, '${path}')", if is_text { "json_text" } else { "json_get" }, self.written(left))
    }

    /// `j:a.b[0]` of Snowflake.
    pub(super) fn colon_path(&self, left: &Node) -> Option<Fault> {
        let mut path = String::new();
        let mut ahead = 0;
        while let (
            Token::Symbol(sign @ (":" | "." | "[")),
            Token::Word(key) | Token::Quoted(key) | Token::Number(key),
        ) = (&self.spot(ahead).token, &self.spot(ahead + 1).token)
        {
            path.push_str(&step(key));
            ahead += if *sign == "[" { 3 } else { 2 };
        }
        let help = format!(
            "write json_text({0}, '${path}'), or json_int, json_float, json_bool or json_get for a value of another type",
            self.written(left)
        );
        (ahead > 0).then(|| Fault::unsupported(self.place(), "`:` is not supported", help))
    }

    /// `x[1]`: an element of JSON, a character of a text, a part of a split one.
    pub(super) fn element(&self, left: &Node) -> Fault {
        let x = self.written(left);
        let help = match (&left.kind, &self.spot(1).token) {
            (Kind::Call(call), index) if call.name.text.to_ascii_lowercase().contains("split") || is_to_array(left) => {
                let argument = |at: usize, otherwise: &str| match call.args.get(at) {
                    Some(argument) => self.written(argument).to_owned(),
                    None => otherwise.to_owned(),
                };
                let (text, separator) = (argument(0, "text"), argument(1, "','"));
                match index {
                    Token::Number(index) if index != "0" && !is_to_array(left) => format!(
                        "write split_part({text}, {separator}, n); parts are counted from 1, so that [0] is part 1"
                    ),
                    Token::Number(index) if index != "0" => format!("write split_part({text}, {separator}, {index})"),
                    _ => format!("write split_part({text}, {separator}, 1): parts are counted from 1"),
                }
            }
            (Kind::Column { name, .. }, _) if name.text.eq_ignore_ascii_case("array") => {
                "there are no arrays; for a set of values write x IN ('a', 'b')".to_owned()
            }
            (_, Token::Number(index)) => {
                format!(
                    "for an element of JSON write json_get({x}, '$[{index}]'); for a character of a text, counted from 1, substr({x}, 1, 1)"
                )
            }
            (_, Token::Text(key)) => format!("write json_get({x}, '${}'), or json_text for a text", step(key)),
            _ => format!(
                "for an element of JSON write json_get({x}, '$[0]'); for a character of a text, counted from 1, substr({x}, 1, 1)"
            ),
        };
        Fault::unsupported(self.place(), "`[…]` is not supported", help)
    }

    /// `[name]` of SQL Server and a placeholder of another system, at which a name or a value is missing.
    pub(super) fn missing(&self, wanted: &str) -> Fault {
        let fault = self.unexpected(wanted);
        match self.token() {
            Token::Symbol("[") => match self.bracketed() {
                Some(name) => fault.help(format!("write the name in double quotes: \"{}\"", name.replace('"', "\"\""))),
                None => fault.help("there are no arrays; for a set of values write x IN ('a', 'b')"),
            },
            Token::Symbol("!") => fault.help("write NOT"),
            Token::Symbol("?" | ":" | "$" | "@" | "{" | "%") => match self.placeholder() {
                Some(name) => fault.help(format!("write ${{{name}}} for the variable `{name}`")),
                None => fault.help("there are no parameters; write ${NAME} in the spec"),
            },
            _ => fault,
        }
    }

    fn bracketed(&self) -> Option<&str> {
        let Token::Word(_) = self.spot(1).token else { return None };
        let rest = self.sql.get(self.spot(1).place.start..)?;
        rest.split_once(']').map(|(name, _)| name.trim()).filter(|name| !name.contains([',', '\n', '[']))
    }

    /// The name in `$name`, `{{ name }}`, `:name`, `@name`, `%name%`.
    fn placeholder(&self) -> Option<&str> {
        let signs = (0..4)
            .take_while(|ahead| matches!(self.spot(*ahead).token, Token::Symbol("$" | "{" | ":" | "@" | "%" | ".")));
        match &self.spot(signs.count()).token {
            Token::Word(name) => Some(name),
            _ => None,
        }
    }

    /// `x LIKE ANY (…)`, `x = ALL (…)`: each comparison by itself.
    pub(super) fn quantified(&self, left: &Node, operator: &str) -> Option<Fault> {
        let all = self.is_word("ALL");
        if !(all || self.is_word("ANY") || self.is_word("SOME")) || !self.is_symbol_at(1, "(") {
            return None;
        }
        if self.is_word_at(2, "SELECT") {
            return Some(super::expr::subquery(self.spot(2).place.clone()));
        }
        let word = if all { "ALL" } else { "ANY" };
        let (x, values) = (self.written(left), self.values(2));
        let help = match (operator, all) {
            ("=", false) => format!("write {x} IN ({})", values.join(", ")),
            ("<>", true) => format!("write {x} NOT IN ({})", values.join(", ")),
            _ => {
                let each: Vec<_> = values.iter().map(|value| format!("{x} {operator} {value}")).collect();
                format!("write {}", each.join(if all { " AND " } else { " OR " }))
            }
        };
        Some(Fault::unsupported(self.place(), format!("{operator} {word} is not supported"), help))
    }

    /// The values of a list from this distance on, as written, also in `ARRAY[…]`.
    fn values(&self, from: usize) -> Vec<&str> {
        let (mut values, mut depth, mut ahead) = (Vec::new(), 1_usize, from);
        let mut range: Option<std::ops::Range<usize>> = None;
        loop {
            let spot = self.spot(ahead);
            let array = matches!(&spot.token, Token::Symbol("[" | "]")) || self.is_word_at(ahead, "ARRAY");
            match spot.token {
                Token::Symbol("(") => depth += 1,
                Token::Symbol(")") => depth -= 1,
                _ => {}
            }
            let ends = depth == 0 || spot.token == Token::End;
            if ends || (depth == 1 && spot.token == Token::Symbol(",")) {
                values.extend(range.take().and_then(|range| self.sql.get(range)));
            } else if !array {
                range = Some(range.map_or(spot.place.start, |range| range.start)..spot.place.end);
            }
            if ends {
                return values;
            }
            ahead += 1;
        }
    }

    /// `1m`, `1 minute`: an interval without its word and quotes.
    pub(super) fn bare_interval(&self, number: &str) -> Option<String> {
        let Token::Word(unit) = self.token() else { return None };
        let unit = crate::literal::unit_name(unit)?;
        Some(format!("INTERVAL '{number} {unit}{}'", if number == "1" { "" } else { "s" }))
    }
}

/// `a = 1 || b = 2`: the operator of programs, which joins texts here.
pub(super) fn chained(left: &Node, place: std::ops::Range<usize>) -> Fault {
    let fault = Fault::new(FaultKind::Syntax, place, "comparisons cannot be chained").label("compares a truth value");
    let joined = matches!(&left.kind, Kind::Binary { right, .. }
        if matches!(right.kind, Kind::Binary { op: BinaryOp::Concat, .. }));
    if joined {
        return fault.help("`||` joins texts: to combine conditions, write OR");
    }
    fault.help("write `a < b AND b < c`, or brackets around one of them")
}

/// A step of a JSON path.
fn step(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain {
        format!(".{key}")
    } else if !key.is_empty() && key.chars().all(|c| c.is_ascii_digit()) {
        format!("[{key}]")
    } else {
        format!(".\"{}\"", key.replace('\'', "''"))
    }
}

fn is_to_array(node: &Node) -> bool {
    matches!(&node.kind, Kind::Call(call) if call.name.text.eq_ignore_ascii_case("string_to_array"))
}
