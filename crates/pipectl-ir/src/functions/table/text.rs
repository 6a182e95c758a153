//! Text and regular expressions.

use super::{
    ALL, BOOL, BYTES, Example, Function, INT, JSON_TYPE, LOCAL, LiteralKind, Nulls, Param, REGEX, Returns, STRING,
    TEXT, fixed, variadic,
};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
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
        doc: "Characters from a position, counted from 1, on; at most as many as the third argument says. Positions before the first character are counted too: `substr('abc', 0, 2)` is `a`. A negative number of characters is a fault of the row.",
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
        name: "concat_ws",
        aliases: &[],
        signatures: &[variadic(&[Param::Is(STRING), Param::Is(STRING)], Param::Is(STRING), Returns::Is(STRING))],
        nulls: Nulls::IfFirst,
        doc: "The texts after the first argument that are not null, with the first argument between them.",
        example: Example { sql: "concat_ws('-', 'a', NULL, 'b')", gives: "a-b" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "initcap",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "The first letter of each word capital, all others small; a word is letters and digits.",
        example: Example { sql: "initcap('hELLO big-world')", gives: "Hello Big-World" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "translate",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Each character that stands in the second text replaced by the one at the same place of the third; without one there it is left out.",
        example: Example { sql: "translate('12-34', '1-', '9')", gives: "9234" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "url_decode",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Percent-encoding undone, and `+` as a space, as in forms. What is no encoding or no UTF-8 is a fault of the row.",
        example: Example { sql: "url_decode('a%20b+c%C3%A9')", gives: "a b cé" },
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
        doc: "The text so many times.",
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
        name: "regexp_extract_all",
        aliases: &[],
        signatures: &[
            fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(JSON_TYPE)),
            fixed(
                &[Param::Is(STRING), Param::Literal(LiteralKind::Regex), Param::Literal(LiteralKind::Group)],
                Returns::Is(JSON_TYPE),
            ),
        ],
        nulls: Nulls::Propagate,
        doc: "What each match, or this group of it, holds, as a JSON array of texts; null in it where the group is not part of the match.",
        example: Example { sql: "regexp_extract_all('a1b22', '[0-9]+')", gives: r#"["1","22"]"# },
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
        doc: "Every match replaced. `$1`, `${1}`, `$name` and `${name}` stand for a group; without braces a name takes all letters, digits and underscores that follow, so group 1 before an `x` is `${1}x`. `$$` is a dollar. In a spec `${` begins a variable: write `$${1}`, `$${name}` there.",
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
];
