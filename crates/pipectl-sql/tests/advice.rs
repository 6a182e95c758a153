//! What people write for other systems gets one problem with a help, and what the help says compiles.

use pipectl_data::{DataType, Field, Schema};
use pipectl_sql::{Input, Lookup, Time, compile, instead_of};

fn lookup(name: &str) -> Lookup {
    let fields = [
        ("id", DataType::Int64),
        ("i", DataType::Int64),
        ("user", DataType::String),
        ("s", DataType::String),
        ("amount", DataType::Float64),
        ("ts", DataType::Timestamp),
        ("d", DataType::Date),
        ("ok", DataType::Bool),
        ("j", DataType::Json),
    ];
    match name {
        "src" => Lookup::Input(Input {
            bounded: false,
            schema: Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone()))),
            time: Time::Field("ts".to_owned()),
        }),
        _ => Lookup::Unknown(vec!["src".to_owned()]),
    }
}

/// The titles and helps of all problems.
fn problems(sql: &str) -> Vec<(String, Vec<String>)> {
    let found = compile(sql, &lookup).err().unwrap_or_default();
    found.iter().map(|problem| (problem.title.clone(), problem.help.clone())).collect()
}

fn gives_one(sql: &str, help: &str) {
    let found = problems(sql);
    assert_eq!(found.len(), 1, "{sql}: {found:#?}");
    assert!(found[0].1.iter().any(|given| given == help), "{sql}: no help {help:?} in {found:#?}");
}

/// The expression alone, what the help must be, and an expression that follows it.
type Row = (&'static str, &'static str, &'static str);

fn expressions(rows: &[Row]) {
    for (wrong, help, right) in rows {
        gives_one(&format!("SELECT {wrong} AS x FROM src"), help);
        let found = problems(&format!("SELECT {right} AS x FROM src"));
        assert!(found.is_empty(), "{right}: {found:#?}");
    }
}

#[test]
fn functions_of_time() {
    const UNIT: &str =
        "a number needs a unit: write from_epoch_s(id) for seconds, or from_epoch_ms(id) for milliseconds";
    expressions(&[
        ("to_timestamp(id)", UNIT, "from_epoch_s(id)"),
        ("to_char(id, '%Y')", UNIT, "to_char(from_epoch_ms(id), '%Y')"),
        ("date_trunc('hour', id)", UNIT, "date_trunc('hour', from_epoch_s(id))"),
        ("epoch_ms(id)", UNIT, "from_epoch_ms(id)"),
        (
            "to_timestamp(amount)",
            "a number needs a unit: write from_epoch_ms(CAST(amount * 1000 AS int64)) for seconds, or from_epoch_ms(CAST(amount AS int64)) for milliseconds",
            "from_epoch_ms(CAST(amount * 1000 AS int64))",
        ),
        (
            "from_unixtime(id)",
            "write to_char(from_epoch_s(id), '%Y-%m-%d %H:%M:%S')",
            "to_char(from_epoch_s(id), '%Y-%m-%d %H:%M:%S')",
        ),
        (
            "to_date(id)",
            "write CAST(from_epoch_s(id) AS date), or from_epoch_ms(id) for milliseconds",
            "CAST(from_epoch_s(id) AS date)",
        ),
        ("timestamp_seconds(id)", "write from_epoch_s(number)", "from_epoch_s(id)"),
        ("unix_timestamp(ts)", "write to_epoch_s(ts)", "to_epoch_s(ts)"),
        ("unix_timestamp(user)", "write to_epoch_s(to_timestamp(user))", "to_epoch_s(to_timestamp(user))"),
        ("age(ts, d)", "subtract the times: to_ms(ts - d)", "to_ms(ts - d)"),
        ("year(ts)", "write date_part('year', ts)", "date_part('year', ts)"),
        ("month(ts)", "write date_part('month', ts)", "date_part('month', ts)"),
        ("MINUTE(ts)", "write date_part('minute', ts)", "date_part('minute', ts)"),
        ("dayofmonth(ts)", "write date_part('day', ts)", "date_part('day', ts)"),
        ("dayofyear(ts)", "write date_part('doy', ts)", "date_part('doy', ts)"),
        ("weekofyear(ts)", "write date_part('week', ts)", "date_part('week', ts)"),
        (
            "yearweek(ts)",
            "write date_part('isoyear', time) * 100 + date_part('week', time)",
            "date_part('isoyear', ts) * 100 + date_part('week', ts)",
        ),
        ("monthname(ts)", "write to_char(time, '%B')", "to_char(ts, '%B')"),
        ("datepart(year, ts)", "write date_part('year', ts)", "date_part('year', ts)"),
        (
            "last_day(ts)",
            "write date_trunc('month', time) + INTERVAL '1 month' - INTERVAL '1 day'",
            "date_trunc('month', ts) + INTERVAL '1 month' - INTERVAL '1 day'",
        ),
        ("date_sub(ts, 1)", "write ts - INTERVAL '1 day'", "ts - INTERVAL '1 day'"),
        ("date_add(d, 7)", "write d + INTERVAL '7 days'", "d + INTERVAL '7 days'"),
        ("date_sub(ts, INTERVAL 1 DAY)", "write ts - INTERVAL 1 DAY", "ts - INTERVAL 1 DAY"),
        ("dateadd(day, -1, ts)", "write ts - INTERVAL '1 day'", "ts - INTERVAL '1 day'"),
        ("dateadd('hour', i, ts)", "write ts + i * INTERVAL '1 hour'", "ts + i * INTERVAL '1 hour'"),
        ("timestampadd(MONTH, i + 1, ts)", "write add_months(ts, (i + 1))", "add_months(ts, (i + 1))"),
        (
            "datediff(d, ts)",
            "subtract the times: to_ms(d - ts) / 86400000 is days, to_ms(d - ts) / 3600000 hours, to_ms(d - ts) milliseconds",
            "to_ms(d - ts) / 86400000",
        ),
        ("timestampdiff(SECOND, ts, ts)", "write to_ms(ts - ts) / 1000", "to_ms(ts - ts) / 1000"),
        ("date_diff(ts, d, DAY)", "write to_ms(ts - d) / 86400000", "to_ms(ts - d) / 86400000"),
        (
            "datediff(month, d, ts)",
            "write (date_part('year', ts) - date_part('year', d)) * 12 + date_part('month', ts) - date_part('month', d)",
            "(date_part('year', ts) - date_part('year', d)) * 12 + date_part('month', ts) - date_part('month', d)",
        ),
        ("to_ms(ts - '1 hour')", "write INTERVAL '1 hour'", "ts - INTERVAL '1 hour'"),
        ("ts + '1 hour'", "write INTERVAL '1 hour'", "ts + INTERVAL '1 hour'"),
        ("event_time() - '90s'", "write INTERVAL '90s'", "event_time() - INTERVAL '90s'"),
        ("to_ms(ts - '2026-01-31')", "write TIMESTAMP '2026-01-31'", "to_ms(ts - TIMESTAMP '2026-01-31')"),
        (
            "ts + user",
            "add an interval: INTERVAL '1 hour', or a number times one: x * INTERVAL '1 second'",
            "ts + i * INTERVAL '1 second'",
        ),
        ("date_trunc(hour, ts)", "write 'hour' in quotes", "date_trunc('hour', ts)"),
        ("date_trunc(ts, HOUR)", "write date_trunc('hour', ts)", "date_trunc('hour', ts)"),
        ("date_part(dow, ts)", "write 'dow' in quotes", "date_part('dow', ts)"),
        ("to_local(ts, UTC)", "write 'UTC' in quotes", "to_local(ts, 'UTC')"),
        ("encode(user, hex)", "write 'hex' in quotes", "encode(user, 'hex')"),
    ]);
}

#[test]
fn other_functions() {
    expressions(&[
        ("isnull(i)", "write i IS NULL", "i IS NULL"),
        ("isnull(i, 0)", "write coalesce(i, 0)", "coalesce(i, 0)"),
        ("isnotnull(i)", "write x IS NOT NULL", "i IS NOT NULL"),
        ("cbrt(i)", "write sign(x) * power(abs(x), 1.0 / 3)", "sign(i) * power(abs(i), 1.0 / 3)"),
        (
            "sqrt(user)",
            "convert it: TRY_CAST(user AS float64) gives NULL for a text that is no float64, CAST(user AS float64) an error of the row",
            "sqrt(TRY_CAST(user AS float64))",
        ),
        ("lower(i)", "convert it: CAST(i AS string)", "lower(CAST(i AS string))"),
        ("from_epoch_s(ts)", "choose the unit: to_epoch_ms(ts) or to_epoch_s(ts)", "to_epoch_s(ts)"),
        (r"regexp_replace(user, '(a)', 'x\1')", "write `$1`", "regexp_replace(user, '(a)', 'x$1')"),
        (r"regexp_replace(user, '(a)', '\&')", "write `$0`", "regexp_replace(user, '(a)', '$0')"),
        (
            r"regexp_replace(user, '(a)', '\1x')",
            "write `${1}` (in a spec `$${1}`)",
            "regexp_replace(user, '(a)', '${1}x')",
        ),
        (
            r"regexp_replace(user, '(a)', 'C:\1')",
            r"for this very text, join it: '\' || '1'",
            r"regexp_replace(user, '(a)', 'C:\' || '1')",
        ),
    ]);
}

#[test]
fn comparisons() {
    const CONVERT: &str = "convert the text: TRY_CAST(user AS int64) gives NULL for a text that is no int64";
    expressions(&[
        ("user = 5", "compare with text: '5'", "user = '5'"),
        ("5.50 <> user", "compare with text: '5.50'", "'5.50' <> user"),
        ("user = true", "compare with text: 'true'", "user = 'true'"),
        ("id = '5'", "write 5 without quotes", "id = 5"),
        ("ok = 'TRUE'", "write TRUE without quotes", "ok = TRUE"),
        ("i + '5'", "write 5", "i + 5"),
        ("user = id", CONVERT, "TRY_CAST(user AS int64) = id"),
        ("user + id", CONVERT, "TRY_CAST(user AS int64) + id"),
        ("user IN ('a', 5)", "compare with text: '5'", "user IN ('a', '5')"),
        ("id IN ('1')", "write 1 without quotes", "id IN (1)"),
        ("user BETWEEN 1 AND 2", "compare with text: '1'", "user BETWEEN '1' AND '2'"),
        (
            "coalesce(id, 1) IN (user)",
            "convert one of them: CAST(coalesce(id, 1) AS string)",
            "CAST(id AS string) IN (user)",
        ),
        ("id = 1 || user = 'a'", "`||` joins texts: to combine conditions, write OR", "id = 1 OR user = 'a'"),
        ("ok || (user = 'a')", "`||` joins texts: to combine conditions, write OR", "ok OR (user = 'a')"),
    ]);
}

#[test]
fn operators() {
    expressions(&[
        ("j->'a'", "write json_get(j, '$.a')", "json_get(j, '$.a')"),
        ("j->'a'->0->>'b c'", "write json_text(j, '$.a[0].\"b c\"')", "json_text(j, '$.a[0].\"b c\"')"),
        ("j#>>'{a,0}'", "write json_text(j, '$.a[0]')", "json_text(j, '$.a[0]')"),
        (
            "j:a.b[0]",
            "write json_text(j, '$.a.b[0]'), or json_int, json_float, json_bool or json_get for a value of another type",
            "json_text(j, '$.a.b[0]')",
        ),
        ("j ? 'a'", "write json_exists(j, '$.a')", "json_exists(j, '$.a')"),
        ("j @> '{}'", "compare the value inside: json_text(j, '$.name') = 'a'", "json_text(j, '$.name') = 'a'"),
        ("id = 1 && user = 'b'", "write AND", "id = 1 AND user = 'b'"),
        ("user LIKE ANY ('a', 'b')", "write user LIKE 'a' OR user LIKE 'b'", "user LIKE 'a' OR user LIKE 'b'"),
        (
            "user NOT LIKE ALL ('a', s)",
            "write user NOT LIKE 'a' AND user NOT LIKE s",
            "user NOT LIKE 'a' AND user NOT LIKE s",
        ),
        ("user = ANY (ARRAY['a', 'b'])", "write user IN ('a', 'b')", "user IN ('a', 'b')"),
        ("id <> ALL (1, 2)", "write id NOT IN (1, 2)", "id NOT IN (1, 2)"),
        (
            "id BETWEEN SYMMETRIC 5 AND 1",
            "write the lesser bound first: BETWEEN least(a, b) AND greatest(a, b)",
            "id BETWEEN least(5, 1) AND greatest(5, 1)",
        ),
        ("user RLIKE 'a'", "write regexp_like(user, 'a')", "regexp_like(user, 'a')"),
        ("user NOT REGEXP 'a'", "write NOT regexp_like(user, 'a')", "NOT regexp_like(user, 'a')"),
        ("user ~ 'a'", "write regexp_like(user, 'a')", "regexp_like(user, 'a')"),
        ("user !~* 'a'", "write NOT regexp_like(user, '(?i)a')", "NOT regexp_like(user, '(?i)a')"),
        ("user SIMILAR TO 'a'", "write regexp_like(user, 'a')", "regexp_like(user, 'a')"),
        ("id DIV 2", "`/` of two whole numbers is whole: write id / 2", "id / 2"),
        ("id MOD 2", "write id % 2", "id % 2"),
        ("id ** 2", "write power(x, y)", "power(id, 2)"),
        ("id ^ 2", "write power(id, 2)", "power(id, 2)"),
        ("id <=> i", "write id IS NOT DISTINCT FROM i", "id IS NOT DISTINCT FROM i"),
        ("id ISNULL", "write id IS NULL", "id IS NULL"),
        ("id NOTNULL", "write id IS NOT NULL", "id IS NOT NULL"),
        ("id NOT NULL", "write id IS NOT NULL", "id IS NOT NULL"),
        ("!ok", "write NOT", "NOT ok"),
        ("[user]", "write the name in double quotes: \"user\"", "\"user\""),
        (
            "user[1]",
            "for an element of JSON write json_get(user, '$[1]'); for a character of a text, counted from 1, substr(user, 1, 1)",
            "substr(user, 1, 1)",
        ),
        ("split(user, ',')[0]", "write split_part(user, ',', 1): parts are counted from 1", "split_part(user, ',', 1)"),
        (
            "substring(user FOR 2)",
            "write substr(user, 1, 2), or substring(user FROM 1 FOR 2)",
            "substring(user FROM 1 FOR 2)",
        ),
        ("$name", "write ${name} for the variable `name`", "1"),
        ("?", "there are no parameters; write ${NAME} in the spec", "1"),
    ]);
}

#[test]
fn clauses() {
    for (wrong, help, right) in [
        ("SELECT user FORM src", "did you mean `FROM`?", "SELECT user FROM src"),
        ("SELECT * FRM src", "did you mean `FROM`?", "SELECT * FROM src"),
        ("SELECT user FROM $src", "write ${src} for the variable `src`", "SELECT user FROM src"),
        ("SELECT user FROM {{ src }}", "write ${src} for the variable `src`", "SELECT user FROM src"),
        ("SELECT user FROM [src]", "write the name in double quotes: \"src\"", "SELECT user FROM \"src\""),
        (
            "SELECT TOP 5 user FROM src",
            "remove it; `pipectl dry-run --records N` stops after N records",
            "SELECT user FROM src",
        ),
        (
            "SELECT TOP (5) user FROM src",
            "remove it; `pipectl dry-run --records N` stops after N records",
            "SELECT user FROM src",
        ),
        ("SELECT id, user FROM src HAVING id > 1", "write WHERE id > 1", "SELECT id, user FROM src WHERE id > 1"),
        (
            "SELECT id FROM src WHERE ok HAVING id > 1",
            "add it to WHERE: … AND (id > 1)",
            "SELECT id FROM src WHERE ok AND (id > 1)",
        ),
        (
            "SELECT user, count(*) AS n FROM src WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY user",
            "write the window in GROUP BY: GROUP BY key, tumble(INTERVAL '1 minute')",
            "SELECT user, count(*) AS n FROM src GROUP BY user, tumble(INTERVAL '1 minute')",
        ),
        (
            "SELECT user, count(*) AS n FROM src GROUP BY user, window(ts, '1 minute')",
            "write tumble(INTERVAL '1 minute')",
            "SELECT user, count(*) AS n FROM src GROUP BY user, tumble(INTERVAL '1 minute')",
        ),
        (
            "SELECT count(*) AS n FROM src GROUP BY window(ts, '1 minute', '10 seconds')",
            "write hop(INTERVAL '10 seconds', INTERVAL '1 minute')",
            "SELECT count(*) AS n FROM src GROUP BY hop(INTERVAL '10 seconds', INTERVAL '1 minute')",
        ),
        (
            "SELECT count(*) AS n FROM src GROUP BY tumble(1m)",
            "write an interval: INTERVAL '1 minute'",
            "SELECT count(*) AS n FROM src GROUP BY tumble(INTERVAL '1 minute')",
        ),
        (
            "SELECT count(*) AS n FROM src GROUP BY tumble(5 minutes)",
            "write INTERVAL '5 minutes'",
            "SELECT count(*) AS n FROM src GROUP BY tumble(INTERVAL '5 minutes')",
        ),
    ] {
        gives_one(wrong, help);
        assert!(problems(right).is_empty(), "{right}: {:#?}", problems(right));
    }
}

/// Words that are operators elsewhere stay names here, where they cannot be an operator.
#[test]
fn names_that_are_words_of_other_systems() {
    for sql in [
        "SELECT id div, i regexp, user glob FROM src",
        "SELECT id AS isnull, i AS notnull FROM src",
        "SELECT id top FROM src",
        "SELECT id FROM src xor WHERE xor.id < -1",
        "SELECT id FROM src HAVING count(*) > 1 OR window_start IS NULL",
    ] {
        let found = problems(sql);
        let windows = found.iter().all(|(title, _)| title.contains("window") || title.contains("grouped"));
        assert!(windows, "{sql}: {found:#?}");
    }
}

#[test]
fn names_alone() {
    for (name, part) in [
        ("lag", "neighboring rows"),
        ("YEAR", "date_part('year', time)"),
        ("now", "event_time()"),
        ("mode", "does not have it"),
        ("rand", "sha256"),
    ] {
        assert!(instead_of(name).is_some_and(|text| text.contains(part)), "{name}: {:?}", instead_of(name));
    }
    for name in ["lower", "round", "no_such_word"] {
        assert_eq!(instead_of(name), None, "{name}");
    }
}
