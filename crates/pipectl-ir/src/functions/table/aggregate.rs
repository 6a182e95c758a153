//! Aggregates.

use super::{AGGREGATE, ALL, BOOL, Example, FLOAT, Function, INT, LOCAL_SPARK, Nulls, Param, Returns, fixed};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
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
