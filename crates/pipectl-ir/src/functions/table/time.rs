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
        doc: "Returns the event time of the record, which `time` of its stream, source or processor defines.",
        example: Example { sql: "event_time()", gives: "" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "arrival_time",
        aliases: &[],
        signatures: &[fixed(&[], Returns::Is(INSTANT))],
        nulls: Nulls::Never,
        doc: "Returns the time at which the record arrived in the pipeline.",
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
        doc: "Truncates the time to the start of its `microsecond`, `millisecond`, `second`, `minute`, `hour`, `day`, `week` (Monday), `month`, `quarter` or `year`, in UTC or in the given zone.",
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
        doc: "Returns the start of the bin of the given length, counted from 1970 or from the third argument.",
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
        doc: "Returns a part of a time, in UTC or in the given zone: `year`, `isoyear` (the year of `week`), `quarter`, `month`, `week` (ISO 8601), `day`, `dow` (Sunday is 0), `isodow` (Monday is 1), `doy`, `hour`, `minute`, `second`, `millisecond` (of the second), `microsecond` (of the second) or `epoch` (whole seconds). For an interval, only `epoch` and the parts from `day` down are available, as whole units of its length, truncated toward zero. Also `EXTRACT(part FROM time)`.",
        example: Example { sql: "date_part('hour', TIMESTAMP '2026-01-31T10:20:30Z')", gives: "10" },
        engines: LOCAL_SPARK,
        ..TIME
    },
    Function {
        name: "to_local",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT), Param::Literal(LiteralKind::Zone)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "Returns the local time in the zone, as a timestamp. Also `time AT TIME ZONE 'zone'`.",
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
        doc: "Returns the time at which the zone has this local time. If a local time occurs twice, returns the first. If the zone skips the local time, moves it forward by the length of the gap. Also `AT TIME ZONE` after a constant without a zone, and after another `AT TIME ZONE`.",
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
        doc: "Adds `n` months and keeps the day of the month, or uses the last day of a shorter month. Also `time + INTERVAL '1 month'`.",
        example: Example { sql: "add_months(TIMESTAMP '2026-01-31T10:00:00Z', 1)", gives: "2026-02-28T10:00:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "make_date",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INT), Param::Is(INT), Param::Is(INT)], Returns::Is(DataType::Date))],
        nulls: Nulls::Propagate,
        doc: "Returns the date of the given year, month and day. A date that does not exist is an error of the row.",
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
        doc: "Parses a text in RFC 3339, or in the given strftime format, as a timestamp. A text without a zone is UTC. Digits beyond microseconds are truncated.",
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
        doc: "Formats the time with a strftime format, in UTC or in the given zone.",
        example: Example { sql: "to_char(TIMESTAMP '2026-01-31T10:20:30Z', '%Y/%m/%d')", gives: "2026/01/31" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "from_epoch_ms",
        aliases: &["to_timestamp_millis"],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "Converts milliseconds since 1970 to a timestamp.",
        example: Example { sql: "from_epoch_ms(1000)", gives: "1970-01-01T00:00:01Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "from_epoch_s",
        aliases: &["to_timestamp_seconds"],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "Converts seconds since 1970 to a timestamp.",
        example: Example { sql: "from_epoch_s(60)", gives: "1970-01-01T00:01:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_epoch_ms",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the milliseconds since 1970, rounded down.",
        example: Example { sql: "to_epoch_ms(TIMESTAMP '1970-01-01T00:00:01Z')", gives: "1000" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_epoch_s",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INSTANT)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the seconds since 1970, rounded down.",
        example: Example { sql: "to_epoch_s(TIMESTAMP '1970-01-01T00:01:00Z')", gives: "60" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_ms",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(SPAN)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the interval in whole milliseconds, rounded down.",
        example: Example { sql: "to_ms(INTERVAL '2 seconds')", gives: "2000" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "json_get",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(JSON_TYPE))],
        nulls: Nulls::Always,
        doc: "Returns the JSON value at a path such as `$.a.b[0]` or `$.\"odd name\"`. Returns null if the path does not exist or its value is null.",
        example: Example { sql: "json_get('{\"a\":[1,2]}', '$.a')", gives: "[1,2]" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_text",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(STRING))],
        nulls: Nulls::Always,
        doc: "Returns the string at a path, or any other value as JSON text. Returns null if the path does not exist or its value is null.",
        example: Example { sql: "json_text('{\"a\":\"x\"}', '$.a')", gives: "x" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_int",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(INT))],
        nulls: Nulls::Always,
        doc: "Returns the whole number at a path, which can have a decimal point or an exponent: 7, 7.0, 7e2. Any other value is an error of the row. Returns null if the path does not exist or its value is null.",
        example: Example { sql: "json_int('{\"a\":{\"b\":7}}', '$.a.b')", gives: "7" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_float",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the number at a path. Any other value is an error of the row. Returns null if the path does not exist or its value is null.",
        example: Example { sql: "json_float('[1.5]', '$[0]')", gives: "1.5" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_bool",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Returns the Boolean at a path. Any other value is an error of the row. Returns null if the path does not exist or its value is null.",
        example: Example { sql: "json_bool('{\"a\":true}', '$.a')", gives: "true" },
        engines: LOCAL,
        ..JSON
    },
    Function {
        name: "json_exists",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Returns whether the path exists, even if its value is null.",
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
        doc: "Returns the number of elements of an array or members of an object, and null for anything else.",
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
        doc: "Returns the member names of an object as a JSON array, and null for anything else.",
        example: Example { sql: "json_keys('{\"b\":1,\"a\":2}')", gives: r#"["b","a"]"# },
        engines: LOCAL,
        ..JSON
    },
];
