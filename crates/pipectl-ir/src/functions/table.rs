//! The entries of the allow-list: scalars first, then aggregates.

use pipectl_data::DataType;

use super::{Engine, Example, Function, Group, LiteralKind, Nulls, Param, Returns, Signature};

const STRING: DataType = DataType::String;
const INT: DataType = DataType::Int64;
const FLOAT: DataType = DataType::Float64;
const BOOL: DataType = DataType::Bool;
const INSTANT: DataType = DataType::Timestamp;
const JSON_TYPE: DataType = DataType::Json;
const BYTES: DataType = DataType::Bytes;
const SPAN: DataType = DataType::Interval;

const ALL: &[Engine] = &[Engine::Local, Engine::Flink, Engine::Spark];
const LOCAL_SPARK: &[Engine] = &[Engine::Local, Engine::Spark];
const LOCAL: &[Engine] = &[Engine::Local];

const TEXT: Function = empty(Group::Text);
const REGEX: Function = empty(Group::Regex);
const MATH: Function = empty(Group::Math);
const CONDITIONAL: Function = empty(Group::Conditional);
const TIME: Function = empty(Group::Time);
const JSON: Function = empty(Group::Json);
const AGGREGATE: Function = empty(Group::Aggregate);

const fn empty(group: Group) -> Function {
    Function {
        name: "",
        aliases: &[],
        group,
        signatures: &[],
        nulls: Nulls::Propagate,
        doc: "",
        example: Example { sql: "", gives: "" },
        engines: LOCAL,
    }
}

const fn fixed(params: &'static [Param], returns: Returns) -> Signature {
    Signature { params, rest: None, returns }
}

const fn variadic(params: &'static [Param], rest: Param, returns: Returns) -> Signature {
    Signature { params, rest: Some(rest), returns }
}

/// Every function of the dialect.
pub static FUNCTIONS: &[Function] = &[
    Function {
        name: "lower",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "All letters small.",
        example: Example { sql: "lower('AbC')", gives: "abc" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "upper",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "All letters capital.",
        example: Example { sql: "upper('AbC')", gives: "ABC" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "trim",
        aliases: &["btrim"],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Without spaces, or without any of the given characters, at both ends.",
        example: Example { sql: "trim('  a  ')", gives: "a" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "ltrim",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Without spaces, or without any of the given characters, at the start.",
        example: Example { sql: "ltrim('xxa','x')", gives: "a" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "rtrim",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Without spaces, or without any of the given characters, at the end.",
        example: Example { sql: "rtrim('axx','x')", gives: "a" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "length",
        aliases: &["char_length", "character_length"],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Number of characters.",
        example: Example { sql: "length('naïve')", gives: "5" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "substr",
        aliases: &["substring"],
        signatures: &[
            fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(INT), Param::Is(INT)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Characters from a position, counted from 1, on; at most as many as the third argument says.",
        example: Example { sql: "substr('pipeline', 1, 4)", gives: "pipe" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "replace",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Every occurrence of the second text replaced by the third.",
        example: Example { sql: "replace('a-b-c', '-', '+')", gives: "a+b+c" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "split_part",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The part of this number, counted from 1, between separators; empty if there are fewer; negative numbers count from the end.",
        example: Example { sql: "split_part('a,b,c', ',', 2)", gives: "b" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "concat",
        aliases: &[],
        signatures: &[variadic(&[Param::Is(STRING)], Param::Is(STRING), Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The texts one after the other; null if one of them is null, as with `||`.",
        example: Example { sql: "concat('a', 'b', 'c')", gives: "abc" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "starts_with",
        aliases: &["startswith"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Whether the first text starts with the second.",
        example: Example { sql: "starts_with('pipeline', 'pipe')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "ends_with",
        aliases: &["endswith"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Whether the first text ends with the second.",
        example: Example { sql: "ends_with('pipeline', 'line')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "contains",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Whether the second text stands in the first.",
        example: Example { sql: "contains('pipeline', 'pel')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "strpos",
        aliases: &["instr"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Position of the second text in the first, counted from 1; 0 if it is not there. Also `position(part IN text)`.",
        example: Example { sql: "strpos('pipeline', 'e')", gives: "4" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "left",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The first characters; with a negative number all but the last.",
        example: Example { sql: "left('pipeline', 4)", gives: "pipe" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "right",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The last characters; with a negative number all but the first.",
        example: Example { sql: "right('pipeline', 4)", gives: "line" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "lpad",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(INT), Param::Is(STRING)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Filled at the start, with spaces or the given text, to this length; cut if longer.",
        example: Example { sql: "lpad('7', 3, '0')", gives: "007" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "rpad",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Is(INT), Param::Is(STRING)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Filled at the end, with spaces or the given text, to this length; cut if longer.",
        example: Example { sql: "rpad('7', 3, '.')", gives: "7.." },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "reverse",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The characters in reverse.",
        example: Example { sql: "reverse('abc')", gives: "cba" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "repeat",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The text so many times. A result over 1 MiB is a fault of the row.",
        example: Example { sql: "repeat('ab', 3)", gives: "ababab" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "md5",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(STRING)),
            fixed(&[Param::Is(BYTES)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "MD5 digest in hexadecimal; for keys, not for security.",
        example: Example { sql: "md5('a')", gives: "0cc175b9c0f1b6a831c399e269772661" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "sha256",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING)], Returns::Is(STRING)),
            fixed(&[Param::Is(BYTES)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "SHA-256 digest in hexadecimal.",
        example: Example { sql: "left(sha256('a'), 8)", gives: "ca978112" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "to_hex",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The number in hexadecimal; a negative one in two's complement.",
        example: Example { sql: "to_hex(255)", gives: "ff" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "encode",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(BYTES), Param::Literal(LiteralKind::Encoding)], Returns::Is(STRING)),
            fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Encoding)], Returns::Is(STRING)),
        ],
        nulls: Nulls::Propagate,
        doc: "Bytes as text, in `base64` or `hex`.",
        example: Example { sql: "encode('hi', 'base64')", gives: "aGk=" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "decode",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Encoding)], Returns::Is(BYTES))],
        nulls: Nulls::Propagate,
        doc: "The bytes that a text in `base64` or `hex` stands for.",
        example: Example { sql: "encode(decode('aGk=', 'base64'), 'hex')", gives: "6869" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "regexp_like",
        aliases: &["rlike"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Whether the pattern matches somewhere in the text. Patterns are those of Rust's `regex`: linear time, no look-around.",
        example: Example { sql: "regexp_like('error 42', '[0-9]+')", gives: "true" },
        engines: ALL,
        ..REGEX
    },
    Function {
        name: "regexp_extract",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(STRING)),
            fixed(
                &[Param::Is(STRING), Param::Literal(LiteralKind::Regex), Param::Literal(LiteralKind::Group)],
                Returns::Is(STRING),
            ),
        ],
        nulls: Nulls::Always,
        doc: "What the first match, or this group of it, holds; null without a match.",
        example: Example { sql: "regexp_extract('took 42 ms', '([0-9]+) ms', 1)", gives: "42" },
        engines: LOCAL,
        ..REGEX
    },
    Function {
        name: "regexp_replace",
        aliases: &[],
        signatures: &[fixed(
            &[Param::Is(STRING), Param::Literal(LiteralKind::Regex), Param::Is(STRING)],
            Returns::Is(STRING),
        )],
        nulls: Nulls::Propagate,
        doc: "Every match replaced; `$1` or `${name}` stands for a group.",
        example: Example { sql: "regexp_replace('a1b22', '[0-9]+', '#')", gives: "a#b#" },
        engines: LOCAL,
        ..REGEX
    },
    Function {
        name: "regexp_count",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Number of matches that do not overlap.",
        example: Example { sql: "regexp_count('a1b22', '[0-9]+')", gives: "2" },
        engines: LOCAL,
        ..REGEX
    },
    Function {
        name: "abs",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Without the sign.",
        example: Example { sql: "abs(-3)", gives: "3" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "ceil",
        aliases: &["ceiling"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Up to the next whole number.",
        example: Example { sql: "ceil(1.2)", gives: "2.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "floor",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Down to the next whole number.",
        example: Example { sql: "floor(-1.2)", gives: "-2.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "trunc",
        aliases: &["truncate"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Towards zero to a whole number.",
        example: Example { sql: "trunc(-1.7)", gives: "-1.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "sign",
        aliases: &["signum"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "-1, 0 or 1.",
        example: Example { sql: "sign(-5)", gives: "-1" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "round",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Number], Returns::Same),
            fixed(&[Param::Is(FLOAT), Param::Literal(LiteralKind::Digits)], Returns::Is(FLOAT)),
        ],
        nulls: Nulls::Propagate,
        doc: "To the nearest whole number, or to this many digits after the point; halves go away from zero.",
        example: Example { sql: "round(2.345, 2)", gives: "2.35" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "sqrt",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Square root; of a negative number a fault of the row.",
        example: Example { sql: "sqrt(9.0)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "exp",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "e to this power.",
        example: Example { sql: "exp(0)", gives: "1.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "ln",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Natural logarithm; of a number that is not positive a fault of the row.",
        example: Example { sql: "ln(1)", gives: "0.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "log10",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Logarithm to base 10; of a number that is not positive a fault of the row.",
        example: Example { sql: "log10(1000)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "log2",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Logarithm to base 2; of a number that is not positive a fault of the row.",
        example: Example { sql: "log2(8)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "power",
        aliases: &["pow"],
        signatures: &[fixed(&[Param::Is(FLOAT), Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "The first number to the power of the second.",
        example: Example { sql: "power(2, 10)", gives: "1024.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "mod",
        aliases: &[],
        signatures: &[fixed(&[Param::Number, Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Remainder, with the sign of the first number; the same as `%`.",
        example: Example { sql: "mod(-7, 3)", gives: "-1" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "coalesce",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "The first argument that is not null.",
        example: Example { sql: "coalesce(NULL, 'a')", gives: "a" },
        engines: ALL,
        ..CONDITIONAL
    },
    Function {
        name: "nullif",
        aliases: &[],
        signatures: &[fixed(&[Param::Same, Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Null if both are equal, else the first.",
        example: Example { sql: "nullif(1, 2)", gives: "1" },
        engines: ALL,
        ..CONDITIONAL
    },
    Function {
        name: "greatest",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "The greatest of the arguments that are not null.",
        example: Example { sql: "greatest(1, 3, 2)", gives: "3" },
        engines: LOCAL_SPARK,
        ..CONDITIONAL
    },
    Function {
        name: "least",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "The least of the arguments that are not null.",
        example: Example { sql: "least(3, 1, 2)", gives: "1" },
        engines: LOCAL_SPARK,
        ..CONDITIONAL
    },
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
        signatures: &[fixed(&[Param::Literal(LiteralKind::TruncUnit), Param::Is(INSTANT)], Returns::Is(INSTANT))],
        nulls: Nulls::Propagate,
        doc: "The start of the `microsecond`, `millisecond`, `second`, `minute`, `hour`, `day`, `week` (Monday), `month`, `quarter` or `year`, UTC.",
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
            fixed(&[Param::Literal(LiteralKind::DatePart), Param::Is(SPAN)], Returns::Is(INT)),
        ],
        nulls: Nulls::Propagate,
        doc: "`year`, `quarter`, `month`, `week` (ISO 8601), `day`, `dow` (Sunday is 0), `isodow` (Monday is 1), `doy`, `hour`, `minute`, `second`, `millisecond` (of the second), `microsecond` (of the second) or `epoch` (whole seconds) of a time, UTC; of an interval only `epoch` and the parts from `day` down, as whole units of its length. Also `EXTRACT(part FROM time)`.",
        example: Example { sql: "date_part('hour', TIMESTAMP '2026-01-31T10:20:30Z')", gives: "10" },
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
        doc: "The time that an RFC 3339 text, or a text in this strftime format, stands for; without a zone it means UTC.",
        example: Example { sql: "to_timestamp('31/01/2026 10:20', '%d/%m/%Y %H:%M')", gives: "2026-01-31T10:20:00Z" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "to_char",
        aliases: &["date_format"],
        signatures: &[fixed(&[Param::Is(INSTANT), Param::Literal(LiteralKind::TimeFormat)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The time in a strftime format, UTC.",
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
        doc: "The interval in whole milliseconds.",
        example: Example { sql: "to_ms(INTERVAL '2 seconds')", gives: "2000" },
        engines: LOCAL,
        ..TIME
    },
    Function {
        name: "json_get",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(JSON_TYPE), Param::Literal(LiteralKind::JsonPath)], Returns::Is(JSON_TYPE))],
        nulls: Nulls::Always,
        doc: "The JSON value at a path such as `$.a.b[0]`; null if there is nothing, or null, at the path.",
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
        name: "count",
        aliases: &[],
        signatures: &[fixed(&[], Returns::Is(INT)), fixed(&[Param::Same], Returns::Is(INT))],
        nulls: Nulls::Never,
        doc: "Number of rows (`count(*)`), or of values that are not null.",
        example: Example { sql: "count(*)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "sum",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Sum. A sum of whole numbers that does not fit int64 makes the window's row a dead letter.",
        example: Example { sql: "sum(amount)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "avg",
        aliases: &["mean"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Mean, always a float64.",
        example: Example { sql: "avg(temperature)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "min",
        aliases: &[],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "The least value.",
        example: Example { sql: "min(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "max",
        aliases: &[],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "The greatest value.",
        example: Example { sql: "max(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "stddev_samp",
        aliases: &["stddev"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Standard deviation of a sample (divided by n - 1); null below two values.",
        example: Example { sql: "stddev_samp(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "stddev_pop",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Standard deviation of all (divided by n).",
        example: Example { sql: "stddev_pop(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "var_samp",
        aliases: &["variance", "var"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Variance of a sample (divided by n - 1); null below two values.",
        example: Example { sql: "var_samp(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "var_pop",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Variance of all (divided by n).",
        example: Example { sql: "var_pop(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "bool_and",
        aliases: &["every"],
        signatures: &[fixed(&[Param::Is(BOOL)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Whether all are true.",
        example: Example { sql: "bool_and(ok)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "bool_or",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(BOOL)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Whether one is true.",
        example: Example { sql: "bool_or(ok)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
];
