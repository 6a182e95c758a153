//! Times and JSON.

use pipectl_data::DataType;

use super::{
    BOOL, Example, FLOAT, Function, INSTANT, INT, JSON, JSON_TYPE, LOCAL, LOCAL_SPARK, LiteralKind, Nulls, Param,
    Returns, SPAN, STRING, TIME, fixed,
};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "event_time",
        aliases: &[],
        signatures: &[fixed(&[], Returns::Is(INSTANT))],
        nulls: Nulls::Always,
        doc: "When the record happened, as its stream's `time` says.",
        example: Example { sql: "event_time()", gives: "" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "arrival_time",
        aliases: &[],
        signatures: &[fixed(&[], Returns::Is(INSTANT))],
        nulls: Nulls::Never,
        doc: "When the record came into the pipeline.",
        example: Example { sql: "arrival_time()", gives: "" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "date_trunc",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Literal(LiteralKind::TruncUnit), Param::Is(INSTANT)], Returns::Is(INSTANT)),
            fixed(
                &[Param::Literal(LiteralKind::TruncUnit), Param::Is(INSTANT), Param::Literal(LiteralKind::Zone)],
                Returns::Is(INSTANT),
            ),
        ],
        nulls: Nulls::Propagate,
        doc: "The start of the `microsecond`, `millisecond`, `second`, `minute`, `hour`, `day`, `week` (Monday), `month`, `quarter` or `year`: in UTC, or by the clock of the given zone.",
        example: Example { sql: "date_trunc('hour', TIMESTAMP '2026-01-31T10:20:30Z')", gives: "2026-01-31T10:00:00Z" },
        engines: LOCAL_SPARK,
        ..TIME
    },
    Function {
        name: "date_bin",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(SPAN), Param::Is(INSTANT)], Returns::Is(INSTANT)),
            fixed(&[Param::Is(SPAN), Param::Is(INSTANT), Param::Is(INSTANT)], Returns::Is(INSTANT)),
        ],
        nulls: Nulls::Propagate,
        doc: "The start of the bin of this length, counted from 1970 or from the third argument.",
        example: Example {
            sql: "date_bin(INTERVAL '15 minutes', TIMESTAMP '2026-01-31T10:20:30Z')",
            gives: "2026-01-31T10:15:00Z",
        },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "date_part",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Literal(LiteralKind::DatePart), Param::Is(INSTANT)], Returns::Is(INT)),
            fixed(
                &[Param::Literal(LiteralKind::DatePart), Param::Is(INSTANT), Param::Literal(LiteralKind::Zone)],
                Returns::Is(INT),
            ),
            fixed(&[Param::Literal(LiteralKind::DatePart), Param::Is(SPAN)], Returns::Is(INT)),
        ],
        nulls: Nulls::Propagate,
        doc: "`year`, `isoyear` (that `week` counts in), `quarter`, `month`, `week` (ISO 8601), `day`, `dow` (Sunday is 0), `isodow` (Monday is 1), `doy`, `hour`, `minute`, `second`, `millisecond` (of the second), `microsecond` (of the second) or `epoch` (whole seconds) of a time, in UTC or by the clock of the given zone; of an interval only `epoch` and the parts from `day` down, as whole units of its length, cut towards zero. Also `EXTRACT(part FROM time)`.",
        example: Example { sql: "date_part('hour', TIMESTAMP '2026-01-31T10:20:30Z')", gives: "10" },
        engines: LOCAL_SPARK,
        ..TIME
    },
    Function {
        name: "to_local",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT), Param::Literal(LiteralKind::Zone)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "What the clock of the zone shows at this time, as a timestamp. Also `time AT TIME ZONE 'zone'`.",
        example: Example {
            sql: "to_local(TIMESTAMP '2026-07-01T10:00:00Z', 'Europe/Berlin')",
            gives: "2026-07-01T12:00:00Z",
        },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "from_local",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT), Param::Literal(LiteralKind::Zone)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "The time at which the clock of the zone shows this: of two such times the first; what the clock skips is moved on by what it skips. Also `AT TIME ZONE` behind a constant without a zone, and behind another `AT TIME ZONE`.",
        example: Example {
            sql: "from_local(TIMESTAMP '2026-07-01 12:00:00', 'Europe/Berlin')",
            gives: "2026-07-01T10:00:00Z",
        },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "add_months",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT), Param::Is(INT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "So many months later, on the same day of the month, or its last day if it is shorter. Also `time + INTERVAL '1 month'`.",
        example: Example { sql: "add_months(TIMESTAMP '2026-01-31T10:00:00Z', 1)", gives: "2026-02-28T10:00:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "make_date",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INT), Param::Is(INT), Param::Is(INT)], Returns::Is(DataType::Date))],
        nulls: Nulls::Propagate,
        doc: "The date of this year, month and day; a day that does not exist is a fault of the row.",
        example: Example { sql: "make_date(2026, 1, 31)", gives: "2026-01-31" },
        engines: LOCAL_SPARK,
        ..TIME
    },
    Function {
        name: "to_timestamp",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(INSTANT)),
            fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::TimeFormat)], Returns::Is(INSTANT)),
        ],
        nulls: Nulls::Propagate,
        doc: "The time that an RFC 3339 text, or a text in this strftime format, stands for; without a zone it means UTC. Digits beyond microseconds are cut off.",
        example: Example { sql: "to_timestamp('31/01/2026 10:20', '%d/%m/%Y %H:%M')", gives: "2026-01-31T10:20:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_char",
        aliases: &["date_format"],
        signatures: &[
            fixed(&[Param::Is(INSTANT), Param::Literal(LiteralKind::TimeFormat)], Returns::Is(STRING)),
            fixed(
                &[Param::Is(INSTANT), Param::Literal(LiteralKind::TimeFormat), Param::Literal(LiteralKind::Zone)],
                Returns::Is(STRING),
            ),
        ],
        nulls: Nulls::Propagate,
        doc: "The time in a strftime format, in UTC or the given zone.",
        example: Example { sql: "to_char(TIMESTAMP '2026-01-31T10:20:30Z', '%Y/%m/%d')", gives: "2026/01/31" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "from_epoch_ms",
        aliases: &["to_timestamp_millis"],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "The time so many milliseconds after 1970.",
        example: Example { sql: "from_epoch_ms(1000)", gives: "1970-01-01T00:00:01Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "from_epoch_s",
        aliases: &["to_timestamp_seconds"],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "The time so many seconds after 1970.",
        example: Example { sql: "from_epoch_s(60)", gives: "1970-01-01T00:01:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_epoch_ms",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Milliseconds since 1970, rounded down.",
        example: Example { sql: "to_epoch_ms(TIMESTAMP '1970-01-01T00:00:01Z')", gives: "1000" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_epoch_s",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Seconds since 1970, rounded down.",
        example: Example { sql: "to_epoch_s(TIMESTAMP '1970-01-01T00:01:00Z')", gives: "60" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_ms",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(SPAN)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "The interval in whole milliseconds, rounded down.",
        example: Example { sql: "to_ms(INTERVAL '2 seconds')", gives: "2000" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "json_get",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(JSON_TYPE))],
        nulls: Nulls::Always,
        doc: "The JSON value at a path such as `$.a.b[0]` or `$.\"odd name\"`; null if there is nothing, or null, at the path.",
        example: Example { sql: "json_get('{\"a\":[1,2]}', '$.a')", gives: "[1,2]" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_text",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(STRING))],
        nulls: Nulls::Always,
        doc: "The text at a path; another value as its JSON; null if there is nothing, or null, at the path.",
        example: Example { sql: "json_text('{\"a\":\"x\"}', '$.a')", gives: "x" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_int",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(INT))],
        nulls: Nulls::Always,
        doc: "The whole number at a path, another value is a fault of the row; null if there is nothing, or null, at the path.",
        example: Example { sql: "json_int('{\"a\":{\"b\":7}}', '$.a.b')", gives: "7" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_float",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "The number at a path, another value is a fault of the row; null if there is nothing, or null, at the path.",
        example: Example { sql: "json_float('[1.5]', '$[0]')", gives: "1.5" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_bool",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "The truth value at a path, another value is a fault of the row; null if there is nothing, or null, at the path.",
        example: Example { sql: "json_bool('{\"a\":true}', '$.a')", gives: "true" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_exists",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Whether there is a value at a path, be it null.",
        example: Example { sql: "json_exists('{\"a\":null}', '$.a')", gives: "true" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_length",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(JSON_TYPE)], Returns::Is(INT)),
            fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(INT)),
        ],
        nulls: Nulls::Always,
        doc: "How many elements an array has, or members an object; null for anything else.",
        example: Example { sql: "json_length('{\"a\":[1,2]}', '$.a')", gives: "2" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_keys",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(JSON_TYPE)], Returns::Is(JSON_TYPE)),
            fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(JSON_TYPE)),
        ],
        nulls: Nulls::Always,
        doc: "The names of an object's members as a JSON array; null for anything else.",
        example: Example { sql: "json_keys('{\"b\":1,\"a\":2}')", gives: r#"["b","a"]"# },
        engines: LOCAL,
        ..JSON
    },
];
