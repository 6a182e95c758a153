//! Random rows, and random expressions in two dialects at once: pipectl's, and DuckDB's for the same meaning.
#![allow(clippy::many_single_char_names, reason = "operands have no more of a name than columns")]

/// A row of the table; `None` is null.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) i: Option<i64>,
    pub(crate) j: Option<i64>,
    pub(crate) f: Option<f64>,
    pub(crate) g: Option<f64>,
    pub(crate) s: Option<&'static str>,
    pub(crate) t: Option<&'static str>,
    pub(crate) b: Option<bool>,
    pub(crate) c: Option<bool>,
    pub(crate) ts: Option<&'static str>,
    pub(crate) d: Option<&'static str>,
    pub(crate) p: Option<&'static str>,
    pub(crate) q: Option<&'static str>,
}

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Float,
    Text,
    Bool,
    Time,
    Date,
    /// `decimal(18, 4)`.
    Decimal,
}

/// An expression in both dialects.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// Whether a row can have no value for it: DuckDB shields less, so its form must say more.
    pub(crate) fallible: bool,
}

/// `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>).
pub(crate) struct SeededRng(pub(crate) u64);

impl SeededRng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn maybe<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        if self.below(6) == 0 { None } else { Some(self.one(all)) }
    }
}

const INTS: &[i64] =
    &[0, 0, 1, 1, -1, 2, 3, 5, 7, 10, -7, 42, 99, 1_000_000, i64::MAX, i64::MIN, i64::MAX - 1, 9_007_199_254_740_993];
const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    0.5,
    1.0,
    -1.0,
    1.5,
    2.5,
    -2.5,
    0.1,
    100.25,
    1e-300,
    -1e300,
    f64::MAX,
    f64::MIN,
    1e15,
    123_456.789,
    4.0,
    9.0,
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "A",
    "ab",
    "abc",
    "ABC",
    " a b ",
    "abcabc",
    "a,b,c",
    "aaa",
    "x%y",
    "a_b",
    "café",
    "ÄÖ",
    "12",
    "-7",
    " 8 ",
    "1.5",
    "true",
    "2026-01-31",
    "zzz",
];
const TIMES: &[&str] = &[
    "2026-01-31T10:20:30Z",
    "2026-01-31T10:59:59.999999Z",
    "2026-01-31T11:00:00Z",
    "2024-02-29T23:59:59.5Z",
    "1970-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "1900-03-01T12:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "2026-01-31T10:00:00.000001Z",
    "2020-12-31T00:00:00Z",
    "2021-01-03T06:30:00Z",
];
const DATES: &[&str] =
    &["2026-01-31", "2024-02-29", "1970-01-01", "1969-12-31", "9999-12-31", "0001-01-01", "2021-01-03", "2026-01-31"];

const DECIMALS: &[&str] =
    &["0", "0.00", "1", "-1", "0.01", "-0.01", "0.05", "9.99", "-12.35", "1234.56", "999999.99", "-999999.99", "2.5"];

pub(crate) fn rows(rng: &mut SeededRng, count: usize) -> Vec<Row> {
    (0..count)
        .map(|_| Row {
            i: rng.maybe(INTS),
            j: rng.maybe(&INTS[..14]),
            f: rng.maybe(FLOATS),
            g: rng.maybe(&FLOATS[..10]),
            s: rng.maybe(TEXTS),
            t: rng.maybe(&TEXTS[..12]),
            b: rng.maybe(&[true, false]),
            c: rng.maybe(&[true, false]),
            ts: rng.maybe(TIMES),
            d: rng.maybe(DATES),
            p: rng.maybe(DECIMALS),
            q: rng.maybe(&DECIMALS[..9]),
        })
        .collect()
}

pub(crate) fn same(text: impl Into<String>) -> Pair {
    let text = text.into();
    Pair { ours: text.clone(), theirs: text, fallible: false }
}

/// Fills `{}` in both texts with the operands.
pub(crate) fn put(ours: &str, theirs: &str, operands: &[&Pair], fallible: bool) -> Pair {
    let fill = |form: &str, text: fn(&Pair) -> &str| {
        let mut filled = String::new();
        let mut pieces = form.split("{}");
        filled.push_str(pieces.next().unwrap_or_default());
        for (piece, operand) in pieces.zip(operands) {
            filled.push_str(text(operand));
            filled.push_str(piece);
        }
        filled
    };
    Pair {
        ours: fill(ours, |pair| &pair.ours),
        theirs: fill(theirs, |pair| &pair.theirs),
        fallible: fallible || operands.iter().any(|operand| operand.fallible),
    }
}

pub(crate) fn alike(form: &str, operands: &[&Pair], fallible: bool) -> Pair {
    put(form, form, operands, fallible)
}

/// An expression of this kind, so many levels deep at most.
pub(crate) fn expr(rng: &mut SeededRng, kind: Kind, depth: usize) -> Pair {
    if depth == 0 || rng.below(7) == 0 {
        return leaf(rng, kind);
    }
    let depth = depth - 1;
    match rng.below(6) {
        0 => choice(rng, kind, depth),
        _ => match kind {
            Kind::Int => int(rng, depth),
            Kind::Float => float(rng, depth),
            Kind::Text => text(rng, depth),
            Kind::Bool => truth(rng, depth),
            Kind::Time => time(rng, depth),
            Kind::Date => date(rng, depth),
            Kind::Decimal => decimal(rng, depth),
        },
    }
}

fn leaf(rng: &mut SeededRng, kind: Kind) -> Pair {
    let column = rng.below(3) > 0;
    match kind {
        Kind::Int if column => same(rng.one(&["i", "j"])),
        // DuckDB takes small numbers for 32 bits. No constant is NULL, here and below: DuckDB and PostgreSQL fold what has a NULL
        // for an operand and never compute the other one, whose faults count here.
        Kind::Int => {
            let number = rng.one(&["0", "1", "2", "3", "10"]);
            put(number, &format!("CAST({number} AS BIGINT)"), &[], false)
        }
        Kind::Float if column => same(rng.one(&["f", "g"])),
        // DuckDB reads a number with a point as a decimal.
        Kind::Float => {
            let number = rng.one(&["0.0", "0.5", "1.5", "2.25", "10.0", "1e10"]);
            put(number, &format!("CAST({number} AS DOUBLE)"), &[], false)
        }
        Kind::Text if column => same(rng.one(&["s", "t"])),
        Kind::Text => same(rng.one(&["''", "'a'", "'abc'", "'b'", "'é'", "'12'"])),
        Kind::Bool if column => same(rng.one(&["b", "c"])),
        Kind::Bool => same(rng.one(&["(j IS NULL)", "(i IS NOT NULL)"])),
        Kind::Time => same(rng.one(&["ts", "ts", "TIMESTAMP '2026-01-31 10:20:30'"])),
        Kind::Date => same(rng.one(&["d", "d", "DATE '2024-02-29'"])),
        Kind::Decimal if column => alike(DECIMAL, &[&same(rng.one(&["p", "q"]))], false),
        Kind::Decimal => {
            let number = same(rng.one(&["0.0", "0.5", "1.25", "2.0001", "100.1"]));
            alike(DECIMAL, &[&number], false)
        }
    }
}

fn column(rng: &mut SeededRng, kind: Kind) -> Pair {
    same(match kind {
        Kind::Int => rng.one(&["i", "j"]),
        Kind::Float => rng.one(&["f", "g"]),
        Kind::Text => rng.one(&["s", "t"]),
        Kind::Bool => rng.one(&["b", "c"]),
        Kind::Time => "ts",
        Kind::Date => "d",
        Kind::Decimal => "CAST(p AS decimal(18, 4))",
    })
}

/// What goes with every kind.
fn choice(rng: &mut SeededRng, kind: Kind, depth: usize) -> Pair {
    let (a, b) = (expr(rng, kind, depth), expr(rng, kind, depth));
    match rng.below(5) {
        0 => alike("CASE WHEN {} THEN {} ELSE {} END", &[&truth(rng, depth.min(2)), &a, &b], false),
        1 => alike("CASE WHEN {} THEN {} END", &[&truth(rng, depth.min(2)), &a], false),
        2 => {
            let (x, y) = (expr(rng, kind, 0), expr(rng, kind, 0));
            alike("CASE {} WHEN {} THEN {} ELSE {} END", &[&x, &y, &a, &b], false)
        }
        3 => alike("coalesce({}, {})", &[&a, &b], false),
        _ => {
            // Of two constants it would be a constant NULL.
            let other = column(rng, kind);
            alike("nullif({}, {})", &[&a, &other], false)
        }
    }
}

fn int(rng: &mut SeededRng, depth: usize) -> Pair {
    let mut of = |kind| expr(rng, kind, depth);
    let (a, b, x, s, t, ts, d) =
        (of(Kind::Int), of(Kind::Int), of(Kind::Float), of(Kind::Text), of(Kind::Text), of(Kind::Time), of(Kind::Date));
    match rng.below(20) {
        0 => alike("({} + {})", &[&a, &b], true),
        1 => alike("({} - {})", &[&a, &b], true),
        2 => alike("({} * {})", &[&a, &b], true),
        3 | 4 => put("({} / {})", "idiv({}, {})", &[&a, &b], true),
        5 => put("({} % {})", "imod({}, {})", &[&a, &b], true),
        6 => alike("(- {})", &[&a], true),
        7 => alike("abs({})", &[&a], true),
        8 => put("sign({})", "CAST(sign({}) AS BIGINT)", &[&a], false),
        9 => alike("length({})", &[&s], false),
        10 => alike("strpos({}, {})", &[&s, &t], false),
        11 => alike("greatest({}, {})", &[&a, &b], false),
        12 => alike("least({}, {})", &[&a, &b], false),
        13 if rng.below(2) == 0 => {
            put("CAST({} AS BIGINT)", "CAST(trunc({}) AS BIGINT)", &[&expr(rng, Kind::Decimal, depth)], true)
        }
        13 => put("CAST({} AS BIGINT)", "CAST(trunc({}) AS BIGINT)", &[&x], true),
        14 => {
            let part = rng
                .one(&["year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "hour", "minute", "isoyear"]);
            alike(&format!("date_part('{part}', {{}})"), &[&ts], false)
        }
        15 => put("to_epoch_ms({})", "epoch_ms_({})", &[&ts], false),
        16 => put("to_epoch_s({})", "epoch_s_({})", &[&ts], false),
        17 => alike("date_part('day', {})", &[&d], false),
        18 => put("CAST({} AS int64)", "CAST({} AS BIGINT)", &[&of_truth(rng, depth)], false),
        _ => put("TRY_CAST({} AS int64)", "strict_int({})", &[&same(rng.one(&["s", "t", "'12'", "' 8 '"]))], false),
    }
}

fn of_truth(rng: &mut SeededRng, depth: usize) -> Pair {
    expr(rng, Kind::Bool, depth)
}

fn float(rng: &mut SeededRng, depth: usize) -> Pair {
    let mut of = |kind| expr(rng, kind, depth);
    let (x, y, a) = (of(Kind::Float), of(Kind::Float), of(Kind::Int));
    match rng.below(17) {
        0 => put("({} + {})", "fin({} + {})", &[&x, &y], true),
        1 => put("({} - {})", "fin({} - {})", &[&x, &y], true),
        2 => put("({} * {})", "fin({} * {})", &[&x, &y], true),
        3 | 4 => put("({} / {})", "fdiv({}, {})", &[&x, &y], true),
        5 => put("({} % {})", "fmod_({}, {})", &[&x, &y], true),
        6 => alike("abs({})", &[&x], false),
        7 => alike("floor({})", &[&x], false),
        8 => alike("ceil({})", &[&x], false),
        9 => alike("trunc({})", &[&x], false),
        10 => alike("round({})", &[&x], false),
        11 => alike("sqrt({})", &[&x], true),
        12 => put("exp({})", "fin(exp({}))", &[&x], true),
        13 => alike("ln({})", &[&x], true),
        14 => put("CAST({} AS float64)", "CAST({} AS DOUBLE)", &[&a], false),
        15 => put("({} + {})", "fin({} + CAST({} AS DOUBLE))", &[&x, &a], true),
        _ => alike("greatest({}, {})", &[&x, &y], false),
    }
}

/// One type for all decimals, so that every expression goes with every other one.
const DECIMAL: &str = "CAST({} AS decimal(18, 4))";

fn decimal(rng: &mut SeededRng, depth: usize) -> Pair {
    let mut of = |kind| expr(rng, kind, depth);
    let (p, q, a) = (of(Kind::Decimal), of(Kind::Decimal), of(Kind::Int));
    match rng.below(12) {
        operation @ 0..=6 => {
            let form = ["{} + {}", "{} - {}", "{} * {}", "{} * 1.19"][operation.min(6) / 2];
            // From 19 digits on DuckDB computes in 128 bits; below, a result beyond 64 bits is an error.
            let theirs = form.replacen("{}", "CAST({} AS decimal(19, 4))", 1);
            put(&DECIMAL.replace("{}", form), &DECIMAL.replace("{}", &theirs), &[&p, &q], true)
        }
        7 => alike("(- {})", &[&p], true),
        8 => alike("abs({})", &[&p], true),
        9 => put("CAST({} AS decimal(18, 4))", "CAST({} AS decimal(18, 4))", &[&a], true),
        10 => {
            let rounded = rng.one(&["round({})", "round({}, 1)", "round({}, 3)", "floor({})", "ceil({})", "trunc({})"]);
            alike(&DECIMAL.replace("{}", rounded), &[&p], true)
        }
        _ => alike("greatest({}, {})", &[&p, &q], false),
    }
}

fn text(rng: &mut SeededRng, depth: usize) -> Pair {
    let mut of = |kind| expr(rng, kind, depth);
    let (s, t, u, a, b) = (of(Kind::Text), of(Kind::Text), of(Kind::Text), of(Kind::Int), of(Kind::Bool));
    let count = same(rng.one(&["0", "1", "2", "3", "5", "-1", "-2"]));
    let some = same(rng.one(&["0", "1", "2", "5"]));
    match rng.below(24) {
        0 | 1 => alike("({} || {})", &[&s, &t], false),
        2 => alike("upper({})", &[&s], false),
        3 => alike("lower({})", &[&s], false),
        4 => alike("trim({})", &[&s], false),
        5 => alike("ltrim({}, {})", &[&s, &same("'a '")], false),
        6 => alike("rtrim({}, {})", &[&s, &same("'bc'")], false),
        7 => put("substr({}, {}, {})", "pg_substr({}, {}, {})", &[&s, &count, &some], false),
        8 => alike("left({}, {})", &[&s, &count], false),
        9 => alike("right({}, {})", &[&s, &count], false),
        10 => alike("replace({}, {}, {})", &[&s, &same("'a'"), &t], false),
        11 => alike("reverse({})", &[&s], false),
        12 => alike("repeat({}, {})", &[&s, &some], false),
        13 => alike("lpad({}, {}, 'xy')", &[&s, &some], false),
        14 => alike("rpad({}, {}, 'xy')", &[&s, &some], false),
        15 => alike(
            "split_part({}, {}, {})",
            &[&s, &same(rng.one(&["','", "'a'", "'b'"])), &same(rng.one(&["1", "2", "-1"]))],
            false,
        ),
        16 => put("concat({}, {}, {})", "({} || {} || {})", &[&s, &t, &u], false),
        17 => alike("concat_ws('-', {}, {})", &[&s, &t], false),
        18 => alike("translate({}, 'abc', 'xy')", &[&s], false),
        19 => put("CAST({} AS string)", "CAST({} AS VARCHAR)", &[&a], false),
        20 => put("CAST({} AS string)", "CAST({} AS VARCHAR)", &[&b], false),
        21 => put("regexp_replace({}, '[a-c]+', '<$0>')", r"regexp_replace({}, '[a-c]+', '<\0>', 'g')", &[&s], false),
        // Of a constant it can be a constant NULL.
        22 => put("regexp_extract({}, '[b-z]+')", "first_match({})", &[&column(rng, Kind::Text)], false),
        _ => alike("md5({})", &[&s], false),
    }
}

fn truth(rng: &mut SeededRng, depth: usize) -> Pair {
    let kind = rng.one(&[Kind::Int, Kind::Float, Kind::Text, Kind::Time, Kind::Date, Kind::Decimal]);
    let depth = depth.saturating_sub(usize::from(depth > 1));
    let mut of = |kind| expr(rng, kind, depth);
    let (a, b, c, s, p, q) = (of(kind), of(kind), of(kind), of(Kind::Text), of(Kind::Bool), of(Kind::Bool));
    let op = rng.one(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
    match rng.below(15) {
        0..=2 => alike(&format!("({{}} {op} {{}})"), &[&a, &b], false),
        // DuckDB computes both sides of AND and OR.
        3 | 4 if q.fallible => {
            put("({} AND {})", "CASE WHEN ({}) IS FALSE THEN FALSE ELSE ({} AND {}) END", &[&p, &q], false)
                .with_theirs(format!("CASE WHEN ({0}) IS FALSE THEN FALSE ELSE ({0} AND {1}) END", p.theirs, q.theirs))
        }
        3 | 4 => alike("({} AND {})", &[&p, &q], false),
        5 | 6 if q.fallible => put("({} OR {})", "", &[&p, &q], false)
            .with_theirs(format!("CASE WHEN ({0}) IS TRUE THEN TRUE ELSE ({0} OR {1}) END", p.theirs, q.theirs)),
        5 | 6 => alike("({} OR {})", &[&p, &q], false),
        7 => alike("(NOT {})", &[&p], false),
        8 => alike(rng.one(&["({} IS NULL)", "({} IS NOT NULL)"]), &[&a], false),
        9 => alike(rng.one(&["({} IS TRUE)", "({} IS NOT FALSE)"]), &[&p], false),
        10 if !(b.fallible || c.fallible) => {
            alike(rng.one(&["({} IN ({}, {}))", "({} NOT IN ({}, {}))"]), &[&a, &b, &c], false)
        }
        11 if !c.fallible => {
            alike(rng.one(&["({} BETWEEN {} AND {})", "({} NOT BETWEEN {} AND {})"]), &[&a, &b, &c], false)
        }
        12 => {
            let pattern = rng.one(&["'%'", "'a%'", "'%b%'", "'_b_'", "'%c'", "''", "'A%'", "'%é'"]);
            alike(&format!("({{}} {} {pattern})", rng.one(&["LIKE", "NOT LIKE", "ILIKE"])), &[&s], false)
        }
        13 => alike(&format!("({{}} LIKE {} ESCAPE '!')", rng.one(&["'x!%y'", "'a!_b'", "'%!%%'"])), &[&s], false),
        _ => alike(
            rng.one(&["starts_with({}, {})", "contains({}, {})", "ends_with({}, {})"]),
            &[&s, &leaf(rng, Kind::Text)],
            false,
        ),
    }
}

fn time(rng: &mut SeededRng, depth: usize) -> Pair {
    let (ts, d) = (expr(rng, Kind::Time, depth), expr(rng, Kind::Date, depth));
    match rng.below(6) {
        0 | 1 => {
            let unit = rng.one(&["second", "minute", "hour", "day", "week", "month", "quarter", "year"]);
            put(
                &format!("date_trunc('{unit}', {{}})"),
                &format!("CAST(in_years(date_trunc('{unit}', {{}})) AS TIMESTAMP)"),
                &[&ts],
                true,
            )
        }
        2 => {
            let span = rng.one(&[
                "1 second",
                "90 minutes",
                "3 days",
                "-1 day 2 hours",
                "1 month",
                "-13 months",
                "1 year 1 day",
            ]);
            put(&format!("({{}} + INTERVAL '{span}')"), &format!("in_years({{}} + INTERVAL '{span}')"), &[&ts], true)
        }
        3 => put("({} - INTERVAL '1 month')", "in_years({} - INTERVAL '1 month')", &[&ts], true),
        4 => put("CAST({} AS timestamp)", "CAST({} AS TIMESTAMP)", &[&d], false),
        _ => alike("greatest({}, {})", &[&ts, &leaf(rng, Kind::Time)], false),
    }
}

fn date(rng: &mut SeededRng, depth: usize) -> Pair {
    let (ts, d, a) = (expr(rng, Kind::Time, depth), expr(rng, Kind::Date, depth), expr(rng, Kind::Int, depth));
    let days = same(rng.one(&["1", "30", "-400"]));
    match rng.below(4) {
        0 => put("CAST({} AS date)", "CAST({} AS DATE)", &[&ts], false),
        1 => put("({} + {})", "CAST(in_years({} + {}) AS DATE)", &[&d, &days], true),
        2 => put("({} - {})", "CAST(in_years({} - {}) AS DATE)", &[&d, &days], true),
        _ => put("make_date(2024, abs({} % 14), 29)", "make_date(2024, abs(imod({}, 14)), 29)", &[&a], true),
    }
}

impl Pair {
    pub(crate) fn with_theirs(self, theirs: String) -> Self {
        Self { theirs, ..self }
    }

    /// The same with DuckDB's name of the type.
    pub(crate) fn of_double(self) -> Self {
        let theirs = self.theirs.replace("AS float64", "AS DOUBLE");
        self.with_theirs(theirs)
    }
}
