//! Words that stand in no table of the reference pages: the syntax of SQL, the types, and keys that every spec has.

/// A word's other forms, its first line, what it means and an example.
struct Word {
    names: &'static [&'static str],
    form: &'static str,
    meaning: &'static str,
    example: &'static str,
}

const fn word(
    names: &'static [&'static str],
    form: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Word {
    Word { names, form, meaning, example }
}

const WORDS: &[Word] = &[
    // The windows, which are no functions: they stand in `GROUP BY` only.
    word(
        &["tumble"],
        "tumble(size)\ntumble(size, offset)",
        "Windows of a fixed size that do not overlap, for GROUP BY. The offset shifts their start. `window_start` and\n  `window_end` are the bounds of the window.",
        "GROUP BY sensor_id, tumble(INTERVAL '1 minute')",
    ),
    word(
        &["hop"],
        "hop(slide, size)\nhop(slide, size, offset)",
        "Windows of a fixed size that overlap, for GROUP BY: a new window starts with each slide, so a record can be in several\n  windows. The offset shifts their start. `window_start` and `window_end` are the bounds of the window.",
        "GROUP BY sensor_id, hop(INTERVAL '10 seconds', INTERVAL '1 minute')",
    ),
    word(
        &["window_start"],
        "window_start",
        "The start of the window of a group, in a query that groups by tumble or hop.",
        "SELECT sensor_id, window_start, count(*) AS readings FROM … GROUP BY sensor_id, tumble(INTERVAL '1 minute')",
    ),
    word(
        &["window_end"],
        "window_end",
        "The end of the window of a group: the first instant after the window. See `window_start`.",
        "",
    ),
    word(
        &["cast", "::"],
        "CAST(value AS type)\nvalue::type",
        "Converts a value to another type. A value that cannot be converted is an error of the row; TRY_CAST gives null\n  instead.",
        "CAST(amount AS string)",
    ),
    word(
        &["try_cast", "safe_cast"],
        "TRY_CAST(value AS type)",
        "Converts a value to another type, and gives null for a value that cannot be converted.",
        "TRY_CAST(code AS int64)",
    ),
    word(
        &["between"],
        "value [NOT] BETWEEN low AND high",
        "Whether a value is in a range, both bounds included.",
        "WHERE temperature BETWEEN 10 AND 20",
    ),
    word(
        &["like", "ilike", "not like", "escape"],
        "text [NOT] LIKE pattern [ESCAPE character]\ntext [NOT] ILIKE pattern",
        "Whether the whole text matches the pattern: `%` is any text, `_` one character. ILIKE ignores case. regexp_like takes a\n  regular expression.",
        "WHERE path LIKE '/shop/%'",
    ),
    word(
        &["in", "not in"],
        "value [NOT] IN (value, …)",
        "Whether a value equals one of a list.",
        "WHERE site IN ('north', 'south')",
    ),
    word(
        &["case", "when"],
        "CASE WHEN condition THEN value … [ELSE value] END\nCASE value WHEN value THEN value … [ELSE value] END",
        "The value of the first branch whose condition holds; null if none does and there is no ELSE.",
        "CASE WHEN temperature > 30 THEN 'hot' ELSE 'fine' END AS state",
    ),
    word(
        &["filter"],
        "aggregate(…) FILTER (WHERE condition)",
        "Only the rows for which the condition holds count for this aggregate.",
        "count(*) FILTER (WHERE status >= 500) AS failures",
    ),
    word(
        &["distinct"],
        "aggregate(DISTINCT value)\na IS [NOT] DISTINCT FROM b",
        "In an aggregate, each value counts once. IS DISTINCT FROM compares as `<>` does, but null equals null. SELECT DISTINCT\n  gives the different rows of each window: SELECT DISTINCT window_start, site FROM s GROUP BY tumble(INTERVAL '1 minute').",
        "count(DISTINCT visitor) AS visitors",
    ),
    word(
        &["interval"],
        "INTERVAL 'amount unit …'",
        "A length of time, to add to a time and for windows. Units are year, month, week, day, hour, minute, second,\n  millisecond and microsecond; years and months can only be added to a time.",
        "ts + INTERVAL '1 hour 30 minutes'",
    ),
    word(
        &["group by", "group"],
        "GROUP BY column, …, tumble(size)",
        "One row for each group and window. An input that ends by itself can be grouped without a window.",
        "SELECT site, count(*) AS n FROM sensor_data GROUP BY site, tumble(INTERVAL '1 minute')",
    ),
    word(
        &["having"],
        "HAVING condition",
        "Keeps the groups for which a condition on keys and aggregates holds. Conditions on single rows stand in WHERE.",
        "GROUP BY site, tumble(INTERVAL '1 minute') HAVING count(*) > 100",
    ),
    word(
        &["where"],
        "WHERE condition",
        "Keeps the rows for which the condition holds, before they are grouped.",
        "WHERE temperature IS NOT NULL AND temperature > 30",
    ),
    word(
        &["select", "from"],
        "SELECT columns FROM input [WHERE …] [GROUP BY …] [HAVING …]",
        "A query over one stream, source or processor. docs/generated/functions.md lists the functions.",
        "SELECT sensor_id, temperature * 1.8 + 32 AS fahrenheit FROM sensor_data",
    ),
    word(
        &["at time zone"],
        "time AT TIME ZONE 'zone'",
        "What a clock in the zone shows at this time. Same as to_local(time, 'zone').",
        "to_char(ts AT TIME ZONE 'Europe/Berlin', '%H:%M')",
    ),
    word(&["bool"], "bool (type)", "true or false.", "schema: { open: bool }"),
    word(
        &["int64"],
        "int64 (type)",
        "A whole number of 64 bits: from -9223372036854775808 to 9223372036854775807.",
        "schema: { count: int64 }",
    ),
    word(
        &["float64"],
        "float64 (type)",
        "A number of 64 bits with a fraction (IEEE 754), about 15 digits. Never infinite or NaN.",
        "schema: { temperature: float64 }",
    ),
    word(&["string"], "string (type)", "Text in UTF-8.", "schema: { site: string! }"),
    word(&["bytes"], "bytes (type)", "Bytes; in JSON, as text in base64.", "schema: { payload: bytes }"),
    word(
        &["timestamp"],
        "timestamp (type)\nTIMESTAMP 'time'",
        "An instant in UTC with microseconds. As text it is RFC 3339; without a zone it is UTC.",
        "WHERE ts >= TIMESTAMP '2026-01-31T10:20:30Z'",
    ),
    word(
        &["date"],
        "date (type)\nDATE 'day'",
        "A day of the calendar, without a time of day.",
        "WHERE day = DATE '2026-01-31'",
    ),
    word(
        &["json"],
        "json (type)",
        "Any JSON value. In SQL, json_text, json_int, json_float, json_bool and json_get extract a value by its path.",
        "json_text(detail, '$.name')",
    ),
    word(
        &["decimal", "numeric", "money"],
        "decimal(p, s) (type)",
        "An exact number of at most p digits (38 at most), s of them after the point. docs/types.md explains it.",
        "schema: { price: \"decimal(10, 2)\" }",
    ),
    word(
        &["list", "array"],
        "list<T> (type)",
        "Values of one type in order; an array in JSON. In SQL, x[1] is the first value, cardinality(x) their number.",
        "schema: { tags: list<string> }",
    ),
    word(
        &["struct", "row"],
        "struct<a:T, b:T> (type)",
        "Fields with names, `!` after those that are never null; an object in JSON. In SQL, x.a is the field a.",
        "schema: { customer: \"struct<name:string!, city:string>\" }",
    ),
    word(
        &["epoch_ms"],
        "epoch_ms (type)",
        "A timestamp that the records hold as a number: milliseconds since 1970. In SQL it is a timestamp.",
        "schema: { at: epoch_ms! }",
    ),
    word(
        &["epoch_s"],
        "epoch_s (type)",
        "A timestamp that the records hold as a number: seconds since 1970. In SQL it is a timestamp.",
        "schema: { at: epoch_s! }",
    ),
    word(
        &["dead_letters", "dead letters", "dead letter"],
        "dead_letters (key of `spec` of a Pipeline)",
        "The sink for records that cannot be processed, each with the reason. It takes the kinds of sinks except `stream`.",
        "dead_letters: { file: { path: out/dead.jsonl } }",
    ),
    word(
        &["metadata", "metadata.name", "metadata.description"],
        "metadata (key of every document)\n\nname: string, required\n  The name under which checkpoints, dead letters and state are kept.\n\ndescription: string",
        "A short description of its purpose.",
        "metadata: { name: sensor-lab }",
    ),
    word(
        &["watermark", "event time"],
        "watermark",
        "The event time up to which a stream counts as complete: the newest event time minus `lateness`. A window closes when the\n  watermark passes its end. docs/event-time.md explains it.",
        "time: { field: timestamp, lateness: 30s }",
    ),
];

/// What a word in lower case means.
pub(super) fn find(lower: &str) -> Option<String> {
    let word = WORDS.iter().find(|word| word.names.contains(&lower))?;
    let example = if word.example.is_empty() { String::new() } else { format!("\n  example: {}\n", word.example) };
    Some(format!("{}\n\n  {}\n{example}", word.form, word.meaning))
}

/// All words, for what is misspelt.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WORDS.iter().flat_map(|word| word.names).copied()
}
