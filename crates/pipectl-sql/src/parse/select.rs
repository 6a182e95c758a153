//! The clauses of `SELECT`, and what is refused among them.

use super::{
    Fault, FaultKind, Parsed, Parser,
    ast::{Item, Name, Node, Select},
    is_reserved,
    lexer::Token,
};

const STATEMENTS: &[&str] = &[
    "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "EXPLAIN", "SHOW", "DESCRIBE", "SET",
    "USE", "VALUES", "TABLE", "COPY", "GRANT", "BEGIN", "COMMIT",
];

const NO_LIMIT: &str = "remove it; `pipectl dry-run --records N` stops after N records";

const CLAUSES: &[&str] = &["FROM", "WHERE", "GROUP", "HAVING", "SELECT"];

impl Parser<'_> {
    /// The whole text.
    pub(super) fn statement(&mut self) -> Parsed<Select> {
        self.first_word()?;
        let select = self.select()?;
        while self.take_symbol(";") {}
        match self.token() {
            Token::End => Ok(select),
            Token::Word(word) if is_reserved(word) || STATEMENTS.iter().any(|s| s.eq_ignore_ascii_case(word)) => {
                let (word, place) = (word.to_uppercase(), self.place());
                if self.sql[..place.start].trim_end().ends_with(';') {
                    return Err(Fault::new(
                        FaultKind::NotAQuery,
                        place,
                        "a processor runs one statement, but this is a second one",
                    )
                    .help("write a separate processor for each SELECT"));
                }
                Err(Fault::new(FaultKind::Syntax, place, format!("`{word}` is not allowed here"))
                    .help("the order is SELECT … FROM … WHERE … GROUP BY … HAVING …"))
            }
            _ => Err(self.leftover(&select)),
        }
    }

    fn first_word(&mut self) -> Parsed<()> {
        let place = self.place();
        match self.token() {
            Token::End => Err(Fault::new(FaultKind::NotAQuery, place, "the query is empty")
                .help("write `SELECT columns FROM stream WHERE condition`")),
            Token::Word(word) if word.eq_ignore_ascii_case("SELECT") => {
                self.at += 1;
                Ok(())
            }
            Token::Word(word) if word.eq_ignore_ascii_case("WITH") => Err(Fault::unsupported(
                place,
                "WITH is not supported",
                "write the inner query as a separate processor and read from that processor",
            )),
            Token::Word(word) if STATEMENTS.iter().any(|statement| statement.eq_ignore_ascii_case(word)) => {
                let word = word.to_uppercase();
                Err(Fault::new(FaultKind::NotAQuery, place, format!("a processor runs a SELECT, not `{word}`"))
                    .help("read with SELECT; a sink defines where the result is written"))
            }
            Token::Word(word) => {
                let near = pipectl_diag::nearest(word, ["SELECT"]).is_some();
                let fault = self.unexpected("`SELECT`");
                Err(if near { fault.help("did you mean `SELECT`?").replace("SELECT") } else { fault })
            }
            _ => Err(self.unexpected("`SELECT`")),
        }
    }

    fn leftover(&self, select: &Select) -> Fault {
        // `FROM s WERE x`: the misspelt keyword was taken for an alias.
        if let Some(alias) = &select.alias
            && let Some(keyword) = pipectl_diag::nearest(&alias.text, CLAUSES.iter().copied())
        {
            return Fault::new(FaultKind::Syntax, alias.place.clone(), format!("`{}` is not allowed here", alias.text))
                .help(format!("did you mean `{keyword}`?"))
                .replace(keyword);
        }
        if self.is_symbol("=") {
            return self.unexpected("a value").help("a comparison is written `=`");
        }
        self.unexpected("the end of the query")
    }

    fn select(&mut self) -> Parsed<Select> {
        let distinct = self.is_word("DISTINCT").then(|| self.place());
        if distinct.is_some() {
            self.at += 1;
        } else {
            let _all_is_the_default = self.take_word("ALL");
        }
        self.top();
        let items = self.items()?;
        let (input, alias) = self.from(&items)?;
        self.window_clause()?;
        let filter = if self.take_word("WHERE") { Some(self.expression()?) } else { None };
        let group_by = if self.take_word("GROUP") { self.group_by()? } else { Vec::new() };
        let having = if self.take_word("HAVING") { Some(self.expression()?) } else { None };
        self.tail();
        Ok(Select { distinct, items, input, alias, filter, group_by, having, refused: Vec::new() })
    }

    /// `TOP 5`, `TOP (5)`: read over.
    fn top(&mut self) {
        let brackets = usize::from(self.is_symbol_at(1, "("));
        let number = matches!(self.spot(1 + brackets).token, Token::Number(_));
        let column = matches!(self.spot(2 + 2 * brackets).token, Token::Symbol(",")) || self.is_word_at(4, "AS");
        if self.is_word("TOP") && number && (brackets == 0 || !(column || self.is_word_at(4, "FROM"))) {
            self.refused.push(Fault::unsupported(self.place(), "TOP is not supported: rows keep coming", NO_LIMIT));
            self.at += 2 + 2 * brackets;
        }
    }

    fn items(&mut self) -> Parsed<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            if self.is_word("FROM") && !self.is_symbol_at(1, "(") {
                let fault = self.unexpected("a column or an expression");
                return Err(if items.is_empty() {
                    fault.help("write `SELECT *` for all columns")
                } else {
                    fault.help("remove the `,` before `FROM`")
                });
            }
            items.push(self.item()?);
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let start = self.place();
        let qualified = matches!(self.token(), Token::Word(_) | Token::Quoted(_))
            && self.is_symbol_at(1, ".")
            && self.is_symbol_at(2, "*");
        let qualifier = if qualified {
            let name = self.name("a name")?;
            self.at += 1;
            Some(name)
        } else {
            None
        };
        if self.take_symbol("*") {
            let mut except = Vec::new();
            if (self.is_word("EXCEPT") || self.is_word("EXCLUDE")) && self.is_symbol_at(1, "(") {
                self.at += 1;
                let open = self.advance().place;
                loop {
                    except.push(self.name("a column")?);
                    if !self.take_symbol(",") {
                        break;
                    }
                }
                self.expect_symbol(")", Some(&open))?;
            }
            return Ok(Item::All { place: start.start..self.end(), qualifier, except });
        }
        let node = self.expression()?;
        let alias = self.alias()?;
        Ok(Item::Value { node, alias })
    }

    fn alias(&mut self) -> Parsed<Option<Name>> {
        if self.take_word("AS") {
            return self.name("a name after `AS`").map(Some);
        }
        match self.token() {
            Token::Word(word) if is_reserved(word) => Ok(None),
            Token::Word(_) | Token::Quoted(_) => self.name("a name").map(Some),
            _ => Ok(None),
        }
    }

    /// A name that is no keyword.
    pub(super) fn name(&mut self, wanted: &str) -> Parsed<Name> {
        let text = match self.token() {
            Token::Word(word) if is_reserved(word) => {
                let help = format!("`{word}` is a keyword; as a name, write it \"{word}\", in double quotes");
                return Err(self.unexpected(wanted).help(help));
            }
            Token::Word(text) | Token::Quoted(text) => text.clone(),
            Token::Text(text) => {
                let help = format!("single quotes are for text; as a name, write it \"{text}\", in double quotes");
                return Err(self.unexpected(wanted).help(help));
            }
            _ => return Err(self.missing(wanted)),
        };
        Ok(Name { text, place: self.advance().place })
    }

    /// `WINDOW TUMBLING (SIZE 1 MINUTE)` of ksqlDB: nothing can be said about groups without it.
    fn window_clause(&self) -> Parsed<()> {
        let windows = [
            ("TUMBLING", "tumble(INTERVAL '1 minute')"),
            ("HOPPING", "hop(INTERVAL '10 seconds', INTERVAL '1 minute')"),
            ("SESSION", "tumble(INTERVAL '1 minute'); there are no session windows"),
        ];
        match windows.iter().find(|(word, _)| self.is_word("WINDOW") && self.is_word_at(1, word)) {
            Some((word, call)) => Err(Fault::unsupported(
                self.place().start..self.spot(1).place.end,
                format!("WINDOW {word} is not supported"),
                format!("write the window in GROUP BY: GROUP BY key, {call}"),
            )),
            None => Ok(()),
        }
    }

    /// `FORM` for `FROM`: taken for the name of the last column, or left over.
    fn misspelt_from(&self, items: &[Item]) -> Option<Fault> {
        let alias = match items.last() {
            Some(Item::Value { alias: Some(alias), .. }) => Some((alias.text.as_str(), alias.place.clone())),
            _ => None,
        };
        let here = match self.token() {
            Token::Word(word) => Some((word.as_str(), self.place())),
            _ => None,
        };
        // Only what stands before a name can be the word.
        let follows = |place: &std::ops::Range<usize>| {
            let ahead = usize::from(*place == self.place());
            matches!(self.spot(ahead).token, Token::Word(_) | Token::Quoted(_))
        };
        let (word, place) = [alias, here]
            .into_iter()
            .flatten()
            .find(|(word, place)| follows(place) && pipectl_diag::nearest(word, ["FROM"]).is_some())?;
        Some(
            Fault::new(FaultKind::Syntax, place, format!("expected `FROM`, found `{word}`"))
                .help("did you mean `FROM`?")
                .replace("FROM"),
        )
    }

    fn from(&mut self, items: &[Item]) -> Parsed<(Name, Option<Name>)> {
        if !self.take_word("FROM") {
            if let Some(fault) = self.misspelt_from(items) {
                return Err(fault);
            }
            let fault = match self.token() {
                Token::End => self.unexpected("`FROM`").help("name the input: FROM and the name of a stream"),
                _ => self.unexpected("`,` or `FROM`"),
            };
            return Err(fault);
        }
        if self.is_symbol("(") {
            return Err(Fault::unsupported(
                self.place(),
                "a query inside FROM is not supported",
                "write the inner query as a separate processor and write its name here",
            ));
        }
        if self.is_word("TABLE") && self.is_symbol_at(1, "(") {
            return Err(Fault::unsupported(
                self.place(),
                "table functions are not supported",
                "name the stream here and write the window in GROUP BY: GROUP BY key, tumble(INTERVAL '1 minute')",
            ));
        }
        let input = self.name("the name of a stream, source or processor")?;
        if self.is_symbol(".") {
            return Err(Fault::unsupported(
                input.place.start..self.place().end,
                "names after FROM have one part",
                "write the name of the stream as in the spec; quote a name that contains a dot",
            ));
        }
        let alias = if self.take_word("AS") { Some(self.name("a name after `AS`")?) } else { self.alias()? };
        let joined =
            ["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL"].iter().any(|word| self.is_word(word));
        if joined || self.is_symbol(",") {
            return Err(Fault::unsupported(
                self.place(),
                "joins are not supported",
                "a query reads one input; combine the fields before, or write both results to one table",
            ));
        }
        Ok((input, alias))
    }

    fn group_by(&mut self) -> Parsed<Vec<Node>> {
        self.expect_word("BY")?;
        let mut keys = Vec::new();
        loop {
            for word in ["ROLLUP", "CUBE", "GROUPING"] {
                if self.is_word(word) && (self.is_symbol_at(1, "(") || self.is_word_at(1, "SETS")) {
                    return Err(Fault::unsupported(
                        self.place(),
                        format!("{word} is not supported"),
                        "write one processor for each set of columns",
                    ));
                }
            }
            keys.push(self.expression()?);
            if !self.take_symbol(",") {
                return Ok(keys);
            }
        }
    }

    /// What may follow in other dialects: each is refused with what to write instead, and read over.
    fn tail(&mut self) {
        loop {
            let place = self.place();
            let (words, title, help) = if self.is_word("ORDER") {
                (
                    2,
                    "ORDER BY is not supported: an unbounded stream has no end at which to sort",
                    "remove it; rows of one partition keep their order, and a window's rows come sorted by their keys",
                )
            } else if self.is_word("LIMIT") || self.is_word("OFFSET") || self.is_word("FETCH") {
                (1, "LIMIT is not supported: rows keep coming", NO_LIMIT)
            } else if self.is_word("UNION") || self.is_word("INTERSECT") || self.is_word("EXCEPT") {
                (
                    1,
                    "UNION, INTERSECT and EXCEPT are not supported",
                    "for a union let two processors write `to` the same stream",
                )
            } else if self.is_word("WINDOW") || self.is_word("QUALIFY") {
                (
                    1,
                    "named windows and QUALIFY are not supported",
                    "aggregate over windows of time: GROUP BY key, tumble(INTERVAL '1 minute')",
                )
            } else {
                return;
            };
            let both = words == 2 && self.is_word_at(1, "BY");
            let end = if both { self.spot(1).place.end } else { place.end };
            self.refused.push(Fault::unsupported(place.start..end, title, help));
            self.at += 1;
            while !matches!(self.token(), Token::End) && !self.is_symbol(";") && !self.starts_tail() {
                self.at += 1;
            }
        }
    }

    fn starts_tail(&self) -> bool {
        ["ORDER", "LIMIT", "OFFSET", "FETCH", "UNION", "INTERSECT", "EXCEPT", "WINDOW", "QUALIFY"]
            .iter()
            .any(|word| self.is_word(word))
    }
}
