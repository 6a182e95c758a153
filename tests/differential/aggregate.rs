//! Random aggregates in two dialects at once.

use super::generate::{Kind, Pair, SeededRng, alike, put, same};

/// A filter of DuckDB's that another condition is added to.
fn theirs_filter(filter: &Pair, condition: &str) -> String {
    match filter.theirs.strip_prefix(" FILTER (WHERE ").and_then(|filter| filter.strip_suffix(')')) {
        Some(filter) => format!(" FILTER (WHERE ({filter}) AND {condition})"),
        None => format!(" FILTER (WHERE {condition})"),
    }
}

/// An aggregate that skips nulls where DuckDB does not.
fn filtered(ours: &str, theirs: &str, value: &Pair, filter: &Pair) -> Pair {
    let filter_ = theirs_filter(filter, &format!("{} IS NOT NULL", value.theirs));
    let theirs = theirs.replacen("{}", &value.theirs, 1).replacen("{}", &filter_, 1);
    put(ours, "", &[value, filter], false).with_theirs(theirs)
}

/// An aggregate, the kind of its result, in both dialects.
pub(crate) fn aggregate(rng: &mut SeededRng) -> (Pair, Kind) {
    let filter = match rng.below(3) {
        0 => same(" FILTER (WHERE b)"),
        1 => same(" FILTER (WHERE j > 1 AND s IS NOT NULL)"),
        _ => same(""),
    };
    let distinct = rng.one(&["", "", "DISTINCT "]);
    // Rows with equal times are apart by their position; DuckDB orders by it where it is written.
    let order = "ORDER BY ts, id";
    let number = same(rng.one(&["j", "length(s)", "CASE WHEN c THEN j END", "coalesce(j, 7)"]));
    let float = same(rng.one(&["g", "abs(g)", "nullif(g, 1.0)"]));
    let (any, kind) = rng.one(&[
        ("i", Kind::Int),
        ("g", Kind::Float),
        ("s", Kind::Text),
        ("c", Kind::Bool),
        ("ts", Kind::Time),
        ("d", Kind::Date),
        ("CAST(p AS decimal(18, 4))", Kind::Decimal),
    ]);
    let any = same(any);
    let decimal = same(rng.one(&["p", "q", "(p - q)", "abs(p)"]));
    match rng.below(28) {
        24 | 25 => {
            let name = rng.one(&["sum", "min", "max"]);
            let form = format!("CAST({name}({distinct}{{}}){{}} AS decimal(18, 4))");
            (alike(&form, &[&decimal, &filter], false), Kind::Decimal)
        }
        26 => {
            // DuckDB's mean of decimals is a double: here the sum in hundredths, divided by the count to six digits.
            let sum = format!("CAST(sum({distinct}{{}}){{}} * 100 AS HUGEINT)");
            let count = format!("count({distinct}{{}}){{}}");
            let theirs = format!(
                "sign({sum}) * ((2 * abs({sum}) * 10000 + {count}) // (2 * {count})) / CAST(1000000 AS DOUBLE)"
            );
            let ours = put(&format!("CAST(avg({distinct}{{}}){{}} AS float64)"), "", &[&decimal, &filter], false);
            let operands: Vec<_> = std::iter::repeat_n([&decimal, &filter], 4).flatten().collect();
            (ours.with_theirs(put("", &theirs, &operands, false).theirs), Kind::Float)
        }
        27 => (alike(&format!("count({distinct}{{}}){{}}"), &[&decimal, &filter], false), Kind::Int),
        0 => (alike("count(*){}", &[&filter], false), Kind::Int),
        1 => (alike(&format!("count({distinct}{{}}){{}}"), &[&number, &filter], false), Kind::Int),
        2 => (
            alike(&format!("count({distinct}{{}}){{}}"), &[&same(rng.one(&["s", "g", "b", "d"])), &filter], false),
            Kind::Int,
        ),
        3 => (
            put(
                &format!("sum({distinct}{{}}){{}}"),
                &format!("CAST(sum({distinct}{{}}){{}} AS BIGINT)"),
                &[&number, &filter],
                false,
            ),
            Kind::Int,
        ),
        4 => (alike("sum({}){}", &[&float, &filter], false), Kind::Float),
        5 => (alike(&format!("avg({distinct}{{}}){{}}"), &[&float, &filter], false), Kind::Float),
        6 => (alike("min({}){}", &[&number, &filter], false), Kind::Int),
        7 => (alike("max({}){}", &[&same("s"), &filter], false), Kind::Text),
        8 => (alike("stddev_samp({}){}", &[&float, &filter], false), Kind::Float),
        9 => (alike("bool_and({}){}", &[&same("b"), &filter], false), Kind::Bool),
        10 => (alike("bool_or({}){}", &[&same("c"), &filter], false), Kind::Bool),
        11 | 12 => (alike(&format!("{}({{}}){{}}", rng.one(&["min", "max"])), &[&any, &filter], false), kind),
        13 | 14 => {
            let name = rng.one(&["first", "last"]);
            let theirs = format!("{name}({{}} {order}) {{}}");
            (filtered(&format!("{name}({{}}){{}}"), &theirs, &any, &filter), kind)
        }
        15 => (filtered("any_value({}){}", &format!("first({{}} {order}) {{}}"), &any, &filter), kind),
        16 | 17 => {
            let name = rng.one(&["min_by", "max_by"]);
            // Of several rows, ours takes the first by time.
            let by = rng.one(&["j", "d", "t", "b", "ts"]);
            let direction = if name == "min_by" { "ASC" } else { "DESC" };
            let theirs = format!("first({{}} ORDER BY {by} {direction}, ts, id) {{}}");
            let theirs_filter = theirs_filter(&filter, &format!("{} IS NOT NULL AND {by} IS NOT NULL", any.ours));
            let ours = put(&format!("{name}({{}}, {by}){{}}"), "", &[&any, &filter], false);
            (ours.with_theirs(theirs.replacen("{}", &any.theirs, 1).replacen("{}", &theirs_filter, 1)), kind)
        }
        18 => {
            let of = rng.one(&[&number, &float]).clone();
            (
                alike(&format!("median({distinct}CAST({{}} AS float64)){{}}"), &[&of, &filter], false).of_double(),
                Kind::Float,
            )
        }
        19 => {
            let fraction = rng.one(&["0.0", "0.1", "0.25", "0.5", "0.9", "1.0"]);
            let ours = format!("percentile_cont({distinct}{{}}, {fraction}){{}}");
            (
                put(&ours, &format!("quantile_cont({distinct}{{}}, {fraction}){{}}"), &[&float, &filter], false),
                Kind::Float,
            )
        }
        20 => {
            let fraction = rng.one(&["0.0", "0.25", "0.5", "0.75", "1.0"]);
            let ours = format!("percentile_disc({distinct}{{}}, {fraction}){{}}");
            (
                put(&ours, &format!("quantile_disc({distinct}{{}}, {fraction}){{}}"), &[&number, &filter], false),
                Kind::Int,
            )
        }
        21 => {
            let theirs = format!("string_agg({{}}, ';' {order}){{}}");
            (put("string_agg({}, ';'){}", &theirs, &[&same(rng.one(&["s", "t"])), &filter], false), Kind::Text)
        }
        22 => {
            let name = rng.one(&["stddev_pop", "var_samp", "var_pop"]);
            (alike(&format!("{name}({distinct}{{}}){{}}"), &[&float, &filter], false), Kind::Float)
        }
        _ => (
            put(
                "sum(10 / j) FILTER (WHERE j <> 0)",
                "CAST(sum(10 // nullif(j, 0)) FILTER (WHERE j <> 0) AS BIGINT)",
                &[],
                false,
            ),
            Kind::Int,
        ),
    }
}
