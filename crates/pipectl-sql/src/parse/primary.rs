//! Operands: constants, columns, calls and the special forms of SQL.

use super::{
    Fault, FaultKind, Parsed, Parser,
    ast::{Call, Kind, Name, Node},
    expr::subquery,
    is_reserved,
    lexer::Token,
};

/// The functions that SQL writes without brackets.
const BARE_CALLS: &[&str] =
    &["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "LOCALTIMESTAMP", "LOCALTIME", "CURRENT_USER"];

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Node> {
        let mut node = self.operand()?;
        loop {
            let start = node.place.start;
            if self.take_symbol("::") {
                let type_name = self.type_name()?;
                let end = self.end();
                node = self.node(Kind::Cast { expr: Box::new(node), type_name, try_cast: false }, start..end)?;
            } else if self.is_symbol("[") {
                let unless = self.element(&node);
                self.at += 1;
                let Ok(index) = self.expression() else { return Err(unless) };
                if !self.take_symbol("]") {
                    return Err(unless);
                }
                let (expr, index, unless) = (Box::new(node), Box::new(index), Box::new(unless));
                node = self.node(Kind::Element { expr, index, unless }, start..self.end())?;
            } else if self.is_symbol(".")
                && matches!(node.kind, Kind::Element { .. } | Kind::Field { .. } | Kind::Cast { .. })
            {
                self.at += 1;
                let name = self.name("the name of a field")?;
                let unless = Box::new(Fault::no_struct(name.place.clone()));
                node = self.node(Kind::Field { expr: Box::new(node), name, unless }, start..self.end())?;
            } else if self.is_symbol(":")
                && let Some(fault) = self.colon_path(&node)
            {
                return Err(fault);
            } else if self.is_word("AT") && self.is_word_at(1, "TIME") {
                node = self.at_time_zone(node)?;
            } else if self.is_word("COLLATE") {
                let help = "texts compare by their code points; use lower() to ignore case";
                return Err(Fault::unsupported(self.place(), "COLLATE is not supported", help));
            } else {
                return Ok(node);
            }
        }
    }

    /// `time AT TIME ZONE 'zone'`: what the zone's clock shows; of what a clock shows, the time.
    fn at_time_zone(&mut self, node: Node) -> Parsed<Node> {
        let start = self.place().start;
        self.at += 2;
        self.expect_word("ZONE")?;
        let place = start..self.end();
        let shown = match &node.kind {
            Kind::Call(call) => call.name.text.eq_ignore_ascii_case("to_local"),
            // As in PostgreSQL a constant without a zone is what a clock shows.
            Kind::Typed { text, .. } => !text.get(10..).unwrap_or_default().contains(['Z', 'z', '+', '-', '[']),
            _ => false,
        };
        let zone = self.operand()?;
        let name = Name { text: if shown { "from_local" } else { "to_local" }.to_owned(), place };
        let place = node.place.start..self.end();
        let call = Call { name, args: vec![node, zone], star: false, distinct: false, filter: None };
        self.node(Kind::Call(Box::new(call)), place)
    }

    fn operand(&mut self) -> Parsed<Node> {
        let place = self.place();
        match self.token().clone() {
            Token::Number(text) => {
                self.at += 1;
                if let Token::Word(word) = self.token()
                    && self.place().start == place.end
                {
                    let title = format!("`{text}{word}` is neither a number nor a name");
                    let help = match self.bare_interval(&text) {
                        Some(interval) => format!("write an interval: {interval}"),
                        None => "write a name that starts with a digit in double quotes".to_owned(),
                    };
                    return Err(Fault::new(FaultKind::Syntax, place.start..self.place().end, title).help(help));
                }
                self.node(Kind::Number(text), place)
            }
            Token::Text(text) => {
                self.at += 1;
                self.node(Kind::Text(text), place)
            }
            Token::Symbol("(") => {
                self.at += 1;
                if self.is_word("SELECT") {
                    return Err(subquery(self.place()));
                }
                let mut inner = self.expression()?;
                if self.is_symbol(",") {
                    return Err(Fault::unsupported(
                        self.place(),
                        "rows of several values are not supported",
                        "compare the values one by one: a = 1 AND b = 2",
                    ));
                }
                self.expect_symbol(")", Some(&place))?;
                inner.place = place.start..self.end();
                Ok(inner)
            }
            Token::Symbol("*") => {
                Err(self.unexpected("an expression").help("`*` is only allowed directly after SELECT or in count(*)"))
            }
            Token::Quoted(_) => self.reference(),
            Token::Word(word) => self.word(&word),
            _ => Err(self.missing("an expression")),
        }
    }

    fn word(&mut self, word: &str) -> Parsed<Node> {
        let place = self.place();
        let upper = word.to_ascii_uppercase();
        let call = self.is_symbol_at(1, "(");
        let text_follows = matches!(self.spot(1).token, Token::Text(_));
        match upper.as_str() {
            "TRUE" | "FALSE" => {
                self.at += 1;
                self.node(Kind::Bool(upper == "TRUE"), place)
            }
            "NULL" => {
                self.at += 1;
                self.node(Kind::Null, place)
            }
            "CASE" => self.case(),
            "CAST" | "TRY_CAST" | "SAFE_CAST" if call => self.cast(upper != "CAST"),
            "EXTRACT" if call => self.extract(),
            "POSITION" if call => self.position_in(),
            "TRIM" if call => self.trim(),
            "EXISTS" if call && self.is_word_at(2, "SELECT") => Err(subquery(place)),
            "INTERVAL" if text_follows || matches!(self.spot(1).token, Token::Number(_)) => self.interval(),
            "TIMESTAMP" | "DATE" if text_follows => {
                self.at += 1;
                let Token::Text(text) = self.advance().token else { return Err(self.unexpected("a text")) };
                let type_name = Name { text: upper, place: place.clone() };
                self.node(Kind::Typed { type_name, text }, place.start..self.end())
            }
            _ if BARE_CALLS.contains(&upper.as_str()) && !call => {
                self.at += 1;
                let name = Name { text: word.to_owned(), place: place.clone() };
                let call = Call { name, args: Vec::new(), star: false, distinct: false, filter: None };
                self.node(Kind::Call(Box::new(call)), place)
            }
            _ if call && (!is_reserved(word) || ["LEFT", "RIGHT", "WINDOW"].contains(&upper.as_str())) => self.call(),
            "WINDOW" if self.is_symbol_at(1, ".") => Err(self
                .unexpected("an expression")
                .help("the bounds of the window are the columns window_start and window_end")),
            _ if is_reserved(word) => Err(self
                .unexpected("an expression")
                .help(format!("a column named `{word}` is written \"{word}\", in double quotes"))),
            _ => self.reference(),
        }
    }

    /// `a` or `s.a`.
    fn reference(&mut self) -> Parsed<Node> {
        let first = self.name("a name")?;
        if self.is_symbol("(") {
            return Err(Fault::new(FaultKind::Syntax, first.place, "do not quote the name of a function")
                .help("remove the quotes"));
        }
        if !self.take_symbol(".") {
            let place = first.place.clone();
            return self.node(Kind::Column { qualifier: None, name: first }, place);
        }
        let name = self.name("a column")?;
        let start = first.place.start;
        let place = start..name.place.end;
        let mut node = self.node(Kind::Column { qualifier: Some(first), name }, place)?;
        while self.is_symbol(".") {
            let unless = Box::new(Fault::unsupported(
                start..self.place().end,
                "a column's name has at most two parts",
                "for a value inside a JSON column write json_text(column, '$.name')",
            ));
            self.at += 1;
            let Ok(name) = self.name("the name of a field") else { return Err(*unless) };
            let place = start..name.place.end;
            node = self.node(Kind::Field { expr: Box::new(node), name, unless }, place)?;
        }
        Ok(node)
    }

    fn call(&mut self) -> Parsed<Node> {
        let spot = self.advance();
        let Token::Word(text) = spot.token else { return Err(self.unexpected("a function")) };
        let mut call = Call {
            name: Name { text, place: spot.place.clone() },
            args: Vec::new(),
            star: false,
            distinct: false,
            filter: None,
        };
        let open = self.advance().place;
        call.distinct = self.take_word("DISTINCT");
        if self.is_symbol("*") && self.is_symbol_at(1, ")") {
            self.at += 1;
            call.star = true;
        } else if !self.is_symbol(")") {
            loop {
                call.args.push(self.expression()?);
                self.substring_from_the_start(&call)?;
                // SUBSTRING(a FROM 1 FOR 2) and its kin write words where others write commas.
                if !(self.take_symbol(",") || self.take_substring_word(&call)) {
                    break;
                }
            }
        }
        if self.is_word("ORDER") {
            return Err(Fault::unsupported(
                self.place(),
                "ORDER BY inside a call is not supported",
                "first, last and string_agg take rows in the order of event time; for another order use min_by(value, order)",
            ));
        }
        if let Some(Node { kind: Kind::Number(number), place, .. }) = call.args.last()
            && let Some(interval) = self.bare_interval(number)
        {
            let place = place.start..self.place().end;
            return Err(Fault::new(FaultKind::Syntax, place, "an interval needs its word and quotes")
                .help(format!("write {interval}"))
                .replace(interval));
        }
        self.expect_symbol(")", Some(&open))?;
        if self.is_word("FILTER") && self.is_symbol_at(1, "(") {
            self.at += 1;
            let open = self.advance().place;
            self.expect_word("WHERE")?;
            call.filter = Some(self.expression()?);
            self.expect_symbol(")", Some(&open))?;
        }
        let end = self.end();
        if self.is_word("OVER") || self.is_word("WITHIN") {
            let (what, help) = if self.is_word("OVER") {
                ("OVER (…)", "aggregate over windows of time: GROUP BY key, tumble(INTERVAL '1 minute')")
            } else {
                ("WITHIN GROUP", "write the value as the first argument: percentile_cont(x, 0.95), string_agg(x, ', ')")
            };
            self.refused.push(Fault::unsupported(self.place(), format!("{what} is not supported"), help));
            self.at += 1;
            let _group_of_within = self.take_word("GROUP");
            self.skip_brackets();
        }
        self.node(Kind::Call(Box::new(call)), spot.place.start..end)
    }

    fn take_substring_word(&mut self, call: &Call) -> bool {
        let name = &call.name.text;
        if !(name.eq_ignore_ascii_case("substring") || name.eq_ignore_ascii_case("substr")) {
            return false;
        }
        match call.args.len() {
            1 => self.take_word("FROM"),
            2 => self.take_word("FOR"),
            _ => false,
        }
    }

    /// `SUBSTRING(x FOR 2)`, which begins at the first character.
    fn substring_from_the_start(&self, call: &Call) -> Parsed<()> {
        let [text] = call.args.as_slice() else { return Ok(()) };
        let name = call.name.text.to_lowercase();
        if !self.is_word("FOR") || !(name == "substring" || name == "substr") {
            return Ok(());
        }
        let text = self.sql.get(text.place.clone()).unwrap_or("x");
        let count = self.sql.get(self.spot(1).place.clone()).filter(|_| self.is_symbol_at(2, ")")).unwrap_or("n");
        let help = format!("write substr({text}, 1, {count}), or substring({text} FROM 1 FOR {count})");
        Err(Fault::unsupported(self.place(), "FOR without FROM is not supported", help))
    }

    fn case(&mut self) -> Parsed<Node> {
        let start = self.advance().place;
        let operand = if self.is_word("WHEN") { None } else { Some(Box::new(self.expression()?)) };
        let mut branches = Vec::new();
        while self.take_word("WHEN") {
            let when = self.expression()?;
            self.expect_word("THEN")?;
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("`WHEN`"));
        }
        let otherwise = if self.take_word("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        self.expect_word("END").map_err(|fault| fault.help("a CASE ends with END"))?;
        self.node(Kind::Case { operand, branches, otherwise }, start.start..self.end())
    }

    fn cast(&mut self, try_cast: bool) -> Parsed<Node> {
        let start = self.advance().place.start;
        let open = self.advance().place;
        let expr = Box::new(self.expression()?);
        self.expect_word("AS").map_err(|fault| fault.help("write CAST(value AS type)"))?;
        let type_name = self.type_name()?;
        self.expect_symbol(")", Some(&open))?;
        self.node(Kind::Cast { expr, type_name, try_cast }, start..self.end())
    }

    /// Passes over `< … >`, which stands here.
    fn skip_angles(&mut self) -> Parsed<()> {
        let mut open = 0_usize;
        loop {
            if let Token::Symbol(symbol) = self.token() {
                open += symbol.matches('<').count();
                open = open.saturating_sub(symbol.matches('>').count());
            }
            if *self.token() == Token::End {
                return Err(self.unexpected("`>`"));
            }
            self.at += 1;
            if open == 0 {
                return Ok(());
            }
        }
    }

    /// A type, with the words that other dialects add.
    fn type_name(&mut self) -> Parsed<Name> {
        let Token::Word(mut text) = self.token().clone() else { return Err(self.unexpected("a type")) };
        let start = self.advance().place.start;
        if text.eq_ignore_ascii_case("double") && self.take_word("PRECISION") {
            "double precision".clone_into(&mut text);
        }
        if self.is_symbol("<") && ["list", "array", "struct", "row"].iter().any(|word| text.eq_ignore_ascii_case(word))
        {
            self.skip_angles()?;
            self.sql.get(start..self.end()).unwrap_or_default().clone_into(&mut text);
        }
        if self.is_symbol("(") {
            let open = self.at;
            self.skip_brackets();
            // Of decimals they are part of the type; lengths of texts are not.
            if ["decimal", "numeric", "dec"].iter().any(|decimal| text.eq_ignore_ascii_case(decimal)) {
                for spot in self.spots.get(open..self.at).unwrap_or_default() {
                    match &spot.token {
                        Token::Number(number) => text.push_str(number),
                        Token::Symbol(symbol) => text.push_str(symbol),
                        Token::Word(word) => text.push_str(word),
                        Token::Quoted(_) | Token::Text(_) | Token::End => {}
                    }
                }
            }
        }
        if (self.is_word("WITH") || self.is_word("WITHOUT")) && self.is_word_at(1, "TIME") && self.is_word_at(2, "ZONE")
        {
            self.at += 3;
        }
        Ok(Name { text, place: start..self.end() })
    }

    fn extract(&mut self) -> Parsed<Node> {
        let name = Name { text: "date_part".to_owned(), place: self.advance().place };
        let open = self.advance().place;
        let (Token::Word(part) | Token::Text(part)) = self.token().clone() else {
            return Err(self.unexpected("a part such as `hour`"));
        };
        let part_place = self.advance().place;
        self.expect_word("FROM").map_err(|fault| fault.help("write EXTRACT(hour FROM time)"))?;
        let time = self.expression()?;
        self.expect_symbol(")", Some(&open))?;
        let part = self.node(Kind::Text(part.to_lowercase()), part_place)?;
        self.plain_call(name, vec![part, time])
    }

    fn position_in(&mut self) -> Parsed<Node> {
        let name = Name { text: "strpos".to_owned(), place: self.advance().place };
        let open = self.advance().place;
        // Not a full expression: `IN` must be left for us.
        let part = self.primary()?;
        self.expect_word("IN").map_err(|fault| fault.help("write position(part IN text), or strpos(text, part)"))?;
        let args = vec![self.expression()?, part];
        self.expect_symbol(")", Some(&open))?;
        self.plain_call(name, args)
    }

    fn trim(&mut self) -> Parsed<Node> {
        let mut name = Name { text: "trim".to_owned(), place: self.advance().place };
        let open = self.advance().place;
        for (word, function) in [("LEADING", "ltrim"), ("TRAILING", "rtrim"), ("BOTH", "trim")] {
            if self.is_word(word) && !self.is_symbol_at(1, ")") && !self.is_symbol_at(1, ",") {
                function.clone_into(&mut name.text);
                self.at += 1;
                break;
            }
        }
        let args = if self.take_word("FROM") {
            vec![self.expression()?]
        } else {
            let first = self.expression()?;
            if self.take_word("FROM") {
                vec![self.expression()?, first]
            } else if self.take_symbol(",") {
                vec![first, self.expression()?]
            } else {
                vec![first]
            }
        };
        self.expect_symbol(")", Some(&open))?;
        self.plain_call(name, args)
    }

    fn plain_call(&self, name: Name, args: Vec<Node>) -> Parsed<Node> {
        let place = name.place.start..self.end();
        self.node(Kind::Call(Box::new(Call { name, args, star: false, distinct: false, filter: None })), place)
    }

    fn interval(&mut self) -> Parsed<Node> {
        let start = self.advance().place.start;
        let (Token::Text(mut text) | Token::Number(mut text)) = self.advance().token else {
            return Err(self.unexpected("a text such as '1 minute'"));
        };
        if let Token::Word(unit) = self.token()
            && crate::literal::is_interval_unit(unit)
        {
            text = format!("{text} {unit}");
            self.at += 1;
            if self.is_word("TO") {
                return Err(Fault::new(
                    FaultKind::BadLiteral,
                    self.place(),
                    "intervals from one unit TO another are not supported",
                )
                .help("write the amounts with their units: INTERVAL '1 hour 30 minutes'"));
            }
        }
        self.node(Kind::Interval(text), start..self.end())
    }
}
