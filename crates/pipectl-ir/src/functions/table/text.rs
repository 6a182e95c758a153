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
        doc: "Converts the text to lower case.",
        example: Example { sql: "lower('AbC')", gives: "abc" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "upper",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Converts the text to upper case.",
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
        doc: "Removes spaces, or the given characters, from both ends.",
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
        doc: "Removes spaces, or the given characters, from the start.",
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
        doc: "Removes spaces, or the given characters, from the end.",
        example: Example { sql: "rtrim('axx','x')", gives: "a" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "length",
        aliases: &["char_length", "character_length"],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the number of characters.",
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
        doc: "Returns the characters from a position on, counted from 1, up to the number in the third argument. Positions before the first character count too: `substr('abc', 0, 2)` is `a`. A negative number of characters is an error of the row.",
        example: Example { sql: "substr('pipeline', 1, 4)", gives: "pipe" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "replace",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Replaces every occurrence of the second text with the third.",
        example: Example { sql: "replace('a-b-c', '-', '+')", gives: "a+b+c" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "split_part",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Splits the text at the separator and returns part `n`, counted from 1. Returns an empty text if there are fewer parts. A negative number counts from the end.",
        example: Example { sql: "split_part('a,b,c', ',', 2)", gives: "b" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "concat",
        aliases: &[],
        signatures: &[variadic(&[Param::Is(STRING)], Param::Is(STRING), Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Concatenates the texts. Returns null if one of them is null, like `||`.",
        example: Example { sql: "concat('a', 'b', 'c')", gives: "abc" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "concat_ws",
        aliases: &[],
        signatures: &[variadic(&[Param::Is(STRING), Param::Is(STRING)], Param::Is(STRING), Returns::Is(STRING))],
        nulls: Nulls::IfFirst,
        doc: "Concatenates the texts that are not null, with the first argument as separator.",
        example: Example { sql: "concat_ws('-', 'a', NULL, 'b')", gives: "a-b" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "initcap",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Converts the first letter of each word to upper case and all others to lower case. A word consists of letters and digits.",
        example: Example { sql: "initcap('hELLO big-world')", gives: "Hello Big-World" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "translate",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING), Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Replaces each character that is in the second text with the character at the same position of the third text. Removes it if the third text is shorter.",
        example: Example { sql: "translate('12-34', '1-', '9')", gives: "9234" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "url_decode",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Decodes percent-encoding, and `+` as a space, as in forms. An invalid encoding or invalid UTF-8 is an error of the row.",
        example: Example { sql: "url_decode('a%20b+c%C3%A9')", gives: "a b cé" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "starts_with",
        aliases: &["startswith"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Returns whether the first text starts with the second.",
        example: Example { sql: "starts_with('pipeline', 'pipe')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "ends_with",
        aliases: &["endswith"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Returns whether the first text ends with the second.",
        example: Example { sql: "ends_with('pipeline', 'line')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "contains",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Returns whether the first text contains the second.",
        example: Example { sql: "contains('pipeline', 'pel')", gives: "true" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "strpos",
        aliases: &["instr"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(STRING)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the position of the second text in the first, counted from 1, or 0 if it is not found. Also `position(part IN text)`.",
        example: Example { sql: "strpos('pipeline', 'e')", gives: "4" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "left",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Returns the first `n` characters. With a negative number, returns all but the last `-n`.",
        example: Example { sql: "left('pipeline', 4)", gives: "pipe" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "right",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Returns the last `n` characters. With a negative number, returns all but the first `-n`.",
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
        doc: "Pads the text at the start, with spaces or the given text, to length `n`. Truncates a longer text.",
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
        doc: "Pads the text at the end, with spaces or the given text, to length `n`. Truncates a longer text.",
        example: Example { sql: "rpad('7', 3, '.')", gives: "7.." },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "reverse",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Reverses the order of the characters.",
        example: Example { sql: "reverse('abc')", gives: "cba" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "repeat",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Repeats the text `n` times.",
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
        doc: "Returns the MD5 digest in hexadecimal. Use it for keys, not for security.",
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
        doc: "Returns the SHA-256 digest in hexadecimal.",
        example: Example { sql: "left(sha256('a'), 8)", gives: "ca978112" },
        engines: ALL,
        ..TEXT
    },
    Function {
        name: "to_hex",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(INT)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Returns the number in hexadecimal; a negative number in two's complement.",
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
        doc: "Encodes bytes as text, in `base64` or `hex`.",
        example: Example { sql: "encode('hi', 'base64')", gives: "aGk=" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "decode",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Encoding)], Returns::Is(BYTES))],
        nulls: Nulls::Propagate,
        doc: "Decodes a text in `base64` or `hex` to bytes.",
        example: Example { sql: "encode(decode('aGk=', 'base64'), 'hex')", gives: "6869" },
        engines: LOCAL,
        ..TEXT
    },
    Function {
        name: "regexp_like",
        aliases: &["rlike"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(BOOL))],
        nulls: Nulls::Propagate,
        doc: "Returns whether the pattern matches anywhere in the text. Patterns use the syntax of Rust's `regex`: linear time, no look-around.",
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
        doc: "Returns the first match, or the given group of it. Returns null if nothing matches.",
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
        doc: "Returns all matches, or the given group of each, as a JSON array of strings. An element is null if the group is not part of the match.",
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
        doc: "Replaces every match. `$1`, `${1}`, `$name` and `${name}` refer to a group. Without braces, a name extends over all letters, digits and underscores that follow, so write group 1 before an `x` as `${1}x`. `$$` is a literal dollar sign. In a spec, `${` begins a variable: write `$${1}` and `$${name}` there.",
        example: Example { sql: "regexp_replace('a1b22', '[0-9]+', '#')", gives: "a#b#" },
        engines: LOCAL,
        ..REGEX
    },
    Function {
        name: "regexp_count",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Regex)], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the number of matches that do not overlap.",
        example: Example { sql: "regexp_count('a1b22', '[0-9]+')", gives: "2" },
        engines: LOCAL,
        ..REGEX
    },
];
