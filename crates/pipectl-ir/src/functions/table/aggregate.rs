//! Aggregates.

use super::{AGGREGATE, ALL, BOOL, Example, FLOAT, Function, INT, LOCAL_SPARK, Nulls, Param, Returns, fixed};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "count",
        aliases: &[],
        signatures: &[fixed(&[], Returns::Is(INT)), fixed(&[Param::Same], Returns::Is(INT))],
        nulls: Nulls::Never,
        doc: "Returns the number of rows (`count(*)`), or of values that are not null.",
        example: Example { sql: "count(*)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "sum",
        aliases: &[],
        signatures: &[fixed(&[Param::Number], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the sum. If a sum of whole numbers does not fit int64, the row of the window becomes a dead letter.",
        example: Example { sql: "sum(amount)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "avg",
        aliases: &["mean"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the mean, always as float64. The sum of whole numbers is exact, only the mean is rounded.",
        example: Example { sql: "avg(temperature)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "min",
        aliases: &[],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the minimum.",
        example: Example { sql: "min(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "max",
        aliases: &[],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the maximum.",
        example: Example { sql: "max(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "stddev_samp",
        aliases: &["stddev"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the sample standard deviation (divided by n - 1). Returns null for fewer than two values.",
        example: Example { sql: "stddev_samp(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "stddev_pop",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the population standard deviation (divided by n).",
        example: Example { sql: "stddev_pop(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "var_samp",
        aliases: &["variance", "var"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the sample variance (divided by n - 1). Returns null for fewer than two values.",
        example: Example { sql: "var_samp(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "var_pop",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT))],
        nulls: Nulls::Always,
        doc: "Returns the population variance (divided by n).",
        example: Example { sql: "var_pop(temperature)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "bool_and",
        aliases: &["every"],
        signatures: &[fixed(&[Param::Is(BOOL)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Returns whether all values are true.",
        example: Example { sql: "bool_and(ok)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "bool_or",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(BOOL)], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Returns whether at least one value is true.",
        example: Example { sql: "bool_or(ok)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
];
