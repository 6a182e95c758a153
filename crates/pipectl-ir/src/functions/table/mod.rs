//! The entries of the allow-list: scalars first, then aggregates.

mod aggregate;
mod nested;
mod number;
mod text;
mod time;

use std::sync::LazyLock;

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
const NESTED: Function = empty(Group::Nested);
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
pub static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    [text::FUNCTIONS, number::FUNCTIONS, time::FUNCTIONS, nested::FUNCTIONS, aggregate::FUNCTIONS].concat()
});
