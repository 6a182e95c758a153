//! Numbers and choices.

use super::{
    ALL, CONDITIONAL, Example, FLOAT, Function, LOCAL_SPARK, LiteralKind, MATH, Nulls, Param, Returns, fixed, variadic,
};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "abs",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Returns the absolute value.",
        example: Example { sql: "abs(-3)", gives: "3" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "ceil",
        aliases: &["ceiling"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Rounds up to the next whole number.",
        example: Example { sql: "ceil(1.2)", gives: "2.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "floor",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Rounds down to the next whole number.",
        example: Example { sql: "floor(-1.2)", gives: "-2.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "trunc",
        aliases: &["truncate"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Truncates toward zero to a whole number.",
        example: Example { sql: "trunc(-1.7)", gives: "-1.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "sign",
        aliases: &["signum"],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Returns the sign: -1, 0 or 1.",
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
            fixed(&[Param::Decimal, Param::Literal(LiteralKind::Digits)], Returns::Same),
        ],
        nulls: Nulls::Propagate,
        doc: "Rounds to the nearest whole number, or to the given number of decimal places, a constant from -15 to 15. Halves round away from zero.",
        example: Example { sql: "round(2.345, 2)", gives: "2.35" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "sqrt",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns the square root. A negative number is an error of the row.",
        example: Example { sql: "sqrt(9.0)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "exp",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns e to the power of the number.",
        example: Example { sql: "exp(0)", gives: "1.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "ln",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns the natural logarithm. A number that is not positive is an error of the row.",
        example: Example { sql: "ln(1)", gives: "0.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "log10",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns the logarithm to base 10. A number that is not positive is an error of the row.",
        example: Example { sql: "log10(1000)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "log2",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns the logarithm to base 2. A number that is not positive is an error of the row.",
        example: Example { sql: "log2(8)", gives: "3.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "power",
        aliases: &["pow"],
        signatures: &[fixed(&[Param::Is(FLOAT), Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Propagate,
        doc: "Returns the first number to the power of the second.",
        example: Example { sql: "power(2, 10)", gives: "1024.0" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "mod",
        aliases: &[],
        signatures: &[fixed(&[Param::Number, Param::Number], Returns::Same)],
        nulls: Nulls::Propagate,
        doc: "Returns the remainder, with the sign of the first number. Same as `%`.",
        example: Example { sql: "mod(-7, 3)", gives: "-1" },
        engines: ALL,
        ..MATH
    },
    Function {
        name: "coalesce",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "Returns the first argument that is not null.",
        example: Example { sql: "coalesce(NULL, 'a')", gives: "a" },
        engines: ALL,
        ..CONDITIONAL
    },
    Function {
        name: "nullif",
        aliases: &[],
        signatures: &[fixed(&[Param::Same, Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns null if both arguments are equal, otherwise the first.",
        example: Example { sql: "nullif(1, 2)", gives: "1" },
        engines: ALL,
        ..CONDITIONAL
    },
    Function {
        name: "greatest",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "Returns the greatest argument that is not null.",
        example: Example { sql: "greatest(1, 3, 2)", gives: "3" },
        engines: LOCAL_SPARK,
        ..CONDITIONAL
    },
    Function {
        name: "least",
        aliases: &[],
        signatures: &[variadic(&[Param::Same], Param::Same, Returns::Same)],
        nulls: Nulls::IfAll,
        doc: "Returns the least argument that is not null.",
        example: Example { sql: "least(3, 1, 2)", gives: "1" },
        engines: LOCAL_SPARK,
        ..CONDITIONAL
    },
];
