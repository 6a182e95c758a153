//! Lists and structs.

use super::{BOOL, Example, Function, INT, LOCAL_SPARK, NESTED, Nulls, Param, Returns, STRING, fixed};

/// The functions, by group.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "cardinality",
        aliases: &["array_length", "list_length", "array_size"],
        signatures: &[fixed(&[Param::List], Returns::Is(INT))],
        nulls: Nulls::Propagate,
        doc: "Returns the number of values of a list, nulls included.",
        example: Example { sql: "cardinality(CAST('[1, null]' AS list<int64>))", gives: "2" },
        engines: super::ALL,
        ..NESTED
    },
    Function {
        name: "array_contains",
        aliases: &["list_contains"],
        signatures: &[fixed(&[Param::List, Param::ValueOfList], Returns::Is(BOOL))],
        nulls: Nulls::Always,
        doc: "Returns whether a list has the value. Returns null if it does not and has a null, which could be the value.",
        example: Example { sql: "array_contains(CAST('[1, 2]' AS list<int64>), 2)", gives: "true" },
        engines: LOCAL_SPARK,
        ..NESTED
    },
    Function {
        name: "array_join",
        aliases: &["array_to_string"],
        signatures: &[fixed(&[Param::List, Param::Is(STRING)], Returns::Is(STRING))],
        nulls: Nulls::Propagate,
        doc: "Joins the values of a list as texts, with the second argument between them. Nulls are left out.",
        example: Example { sql: "array_join(CAST('[1, 2]' AS list<int64>), '-')", gives: "1-2" },
        engines: LOCAL_SPARK,
        ..NESTED
    },
];
