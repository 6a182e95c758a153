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
];
