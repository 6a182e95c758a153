//! Aggregates.

use super::{
    AGGREGATE, ALL, BOOL, Example, FLOAT, Function, INT, LOCAL, LOCAL_SPARK, LiteralKind, Nulls, Param, Returns,
    STRING, fixed,
};

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
        doc: "Returns the sum. If a sum of whole numbers does not fit int64, or a sum of decimals 38 digits, the row of the window becomes a dead letter.",
        example: Example { sql: "sum(amount)", gives: "" },
        engines: ALL,
        ..AGGREGATE
    },
    Function {
        name: "avg",
        aliases: &["mean"],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT)), fixed(&[Param::Decimal], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the mean, of whole numbers as float64. The sum of whole numbers and decimals is exact, only the mean is rounded.",
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
    Function {
        name: "first",
        aliases: &["first_value", "earliest"],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the value with the earliest event time. Nulls are skipped. Rows with equal event times are ordered by partition and position.",
        example: Example { sql: "first(status)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "last",
        aliases: &["last_value", "latest"],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the value with the latest event time. Nulls are skipped. Rows with equal event times are ordered by partition and position.",
        example: Example { sql: "last(status)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "any_value",
        aliases: &["arbitrary"],
        signatures: &[fixed(&[Param::Same], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns one of the values that are not null: the one with the earliest event time, so that a replay returns the same.",
        example: Example { sql: "any_value(site)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "min_by",
        aliases: &["arg_min", "argmin"],
        signatures: &[fixed(&[Param::Any, Param::Any], Returns::First)],
        nulls: Nulls::Always,
        doc: "Returns the first argument from the row in which the second one is smallest. Rows in which one of them is null are skipped. Of several such rows, the one with the earliest event time counts.",
        example: Example { sql: "min_by(sensor_id, temperature)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "max_by",
        aliases: &["arg_max", "argmax"],
        signatures: &[fixed(&[Param::Any, Param::Any], Returns::First)],
        nulls: Nulls::Always,
        doc: "Returns the first argument from the row in which the second one is largest. Rows in which one of them is null are skipped. Of several such rows, the one with the earliest event time counts.",
        example: Example { sql: "max_by(sensor_id, temperature)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "median",
        aliases: &[],
        signatures: &[fixed(&[Param::Is(FLOAT)], Returns::Is(FLOAT)), fixed(&[Param::Decimal], Returns::Same)],
        nulls: Nulls::Always,
        doc: "Returns the exact median: the middle value, or the mean of the two middle values. All values of a window stay in memory until it closes.",
        example: Example { sql: "median(temperature)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "percentile_cont",
        aliases: &["percentile", "quantile_cont"],
        signatures: &[
            fixed(&[Param::Is(FLOAT), Param::Literal(LiteralKind::Fraction)], Returns::Is(FLOAT)),
            fixed(&[Param::Decimal, Param::Literal(LiteralKind::Fraction)], Returns::Same),
        ],
        nulls: Nulls::Always,
        doc: "Returns the exact percentile at a fraction from 0 to 1, interpolated between the two nearest values. All values of a window stay in memory until it closes.",
        example: Example { sql: "percentile_cont(latency, 0.99)", gives: "" },
        engines: LOCAL_SPARK,
        ..AGGREGATE
    },
    Function {
        name: "percentile_disc",
        aliases: &["quantile_disc"],
        signatures: &[fixed(&[Param::Any, Param::Literal(LiteralKind::Fraction)], Returns::First)],
        nulls: Nulls::Always,
        doc: "Returns the smallest value that is not less than this fraction of all values, from 0 to 1. It is one of the values, and they can have any type. All values of a window stay in memory until it closes.",
        example: Example { sql: "percentile_disc(latency, 0.99)", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
    Function {
        name: "string_agg",
        aliases: &["listagg", "group_concat"],
        signatures: &[fixed(&[Param::Is(STRING), Param::Literal(LiteralKind::Text)], Returns::Is(STRING))],
        nulls: Nulls::Always,
        doc: "Joins the texts that are not null in the order of their event times, with a constant text between them. Rows with equal event times are ordered by partition and position. With `DISTINCT`, each text is at its first position. If the result is over 1 MiB, the row of the window becomes a dead letter.",
        example: Example { sql: "string_agg(status, ', ')", gives: "" },
        engines: LOCAL,
        ..AGGREGATE
    },
];
