//! Functions that people know from other systems, and names that are only misspelt.
//!
//! A wrong proposal is worse than none: `mean` for `median` gives a query that runs and answers something else. So a name
//! that some other system has is never taken for a slip of the pen.

use pipectl_diag::codes::sql as codes;
use pipectl_ir::{functions, query::Expr};

use super::{Checker, call::mismatch, inside};
use crate::parse::ast::Call;

/// Functions of other dialects whose value does not follow from the input.
const CLOCKS: &[&str] = &[
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "getdate",
    "getutcdate",
    "sysdate",
    "sysdatetime",
    "systimestamp",
    "unix_timestamp",
    "today",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "utc_timestamp",
    "curdate",
    "curtime",
    "proctime",
    "current_row_timestamp",
    "age",
];
const DICE: &[&str] = &[
    "random",
    "rand",
    "randn",
    "rand_integer",
    "uuid",
    "gen_random_uuid",
    "generate_uuid",
    "newid",
    "current_user",
    "session_user",
];

/// What other systems have under other names, or pipectl in another form.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["if", "iif", "iff", "decode_case", "choose"], "write CASE WHEN condition THEN a ELSE b END"),
    (&["ifnull", "nvl", "isnull", "zeroifnull"], "write coalesce(a, b)"),
    (&["nvl2"], "write CASE WHEN a IS NOT NULL THEN b ELSE c END"),
    (&["nullifzero"], "write nullif(a, 0)"),
    (&["len", "char_len", "strlen", "string_length"], "write length(text)"),
    (
        &["octet_length", "bit_length", "byte_length", "length_utf8"],
        "there is no length in bytes; length(text) counts characters",
    ),
    (&["ucase", "toupper", "to_uppercase"], "write upper(text)"),
    (&["lcase", "tolower", "to_lowercase"], "write lower(text)"),
    (&["mid"], "write substr(text, start, count)"),
    (&["charindex", "locate", "indexof", "index", "find_in_set"], "write strpos(text, part)"),
    (
        &["string_split", "split", "string_to_array", "str_split", "split_to_array"],
        "there are no arrays; take one part: split_part(text, ',', 1)",
    ),
    (&["split_index", "element_at"], "write split_part(text, ',', 1); parts are counted from 1"),
    (&["replicate"], "write repeat(text, count)"),
    (&["space"], "write repeat(' ', count)"),
    (&["prefix", "startwith"], "write starts_with(text, part)"),
    (&["suffix", "endwith"], "write ends_with(text, part)"),
    (
        &["format", "printf", "format_string", "sprintf"],
        "join texts with `||` and pad numbers with lpad(CAST(x AS string), 3, '0')",
    ),
    (&["string", "to_string", "str", "to_varchar"], "write CAST(x AS string)"),
    (&["int", "to_int", "to_integer", "to_bigint", "toint64", "to_number"], "write CAST(x AS int64)"),
    (&["float", "double", "to_double", "tofloat64", "to_decimal"], "write CAST(x AS float64)"),
    (&["try_to_number", "safe_cast", "try_cast"], "write TRY_CAST(x AS type)"),
    (&["boolean", "to_boolean"], "write CAST(x AS bool)"),
    (&["from_base64", "unbase64", "base64_decode"], "write decode(text, 'base64')"),
    (&["to_base64", "base64", "base64_encode"], "write encode(x, 'base64')"),
    (&["hex"], "write encode(x, 'hex'), or to_hex(number)"),
    (&["unhex", "from_hex"], "write decode(text, 'hex')"),
    (
        &["sha2", "sha", "sha1", "sha512", "sha224", "sha384", "hash", "xxhash64", "crc32", "digest", "hashbytes"],
        "there are md5(x) and sha256(x)",
    ),
    (
        &[
            "json_value",
            "json_query",
            "get_json_object",
            "json_extract",
            "json_extract_scalar",
            "json_extract_string",
            "json_extract_path",
            "json_extract_path_text",
            "jsonb_extract_path_text",
            "get_path",
            "json_path_query",
            "jsonb_path_query",
            "parse_json",
            "from_json",
        ],
        "write json_text(value, '$.name'), json_int, json_float, json_bool or json_get",
    ),
    (
        &[
            "json_object",
            "json_build_object",
            "to_json",
            "to_jsonb",
            "struct",
            "named_struct",
            "json_array",
            "row_to_json",
        ],
        "JSON cannot be built in SQL; name the columns, each becomes a member of the record",
    ),
    (
        &["regexp_matches", "regexp_match", "regexp", "regexp_instr", "regexp_contains", "regex"],
        "write regexp_like(text, 'pattern') or regexp_extract",
    ),
    (&["regexp_substr"], "write regexp_extract(text, 'pattern')"),
    (
        &[
            "str_to_date",
            "to_date",
            "parse_timestamp",
            "strptime",
            "try_strptime",
            "parse_date",
            "date_parse",
            "to_datetime",
        ],
        "write to_timestamp(text, '%Y-%m-%d') or CAST(text AS date)",
    ),
    (
        &["strftime", "format_timestamp", "from_unixtime", "format_date", "date_format_string", "timestamp_format"],
        "write to_char(time, '%Y-%m-%d')",
    ),
    (
        &["epoch", "epoch_ms", "epoch_us", "to_unixtime", "to_unix_timestamp", "timestamp_seconds", "unix_millis"],
        "write to_epoch_ms(time) or to_epoch_s(time)",
    ),
    (&["to_timestamp_ltz", "timestamp_millis", "make_timestamp_ms"], "write from_epoch_ms(number)"),
    (
        &["datediff", "timestampdiff", "date_diff", "timediff", "months_between", "date_sub_days"],
        "subtract the times: to_ms(a - b)",
    ),
    (
        &["dateadd", "date_add", "timestampadd", "date_sub", "adddate", "subdate"],
        "add an interval: time + INTERVAL '1 hour'",
    ),
    (
        &[
            "year",
            "quarter",
            "month",
            "week",
            "day",
            "dayofmonth",
            "hour",
            "minute",
            "second",
            "millisecond",
            "microsecond",
            "datepart",
        ],
        "write date_part('hour', time)",
    ),
    (
        &["dayofweek", "day_of_week", "weekday", "dow", "isodow"],
        "write date_part('dow', time): Sunday is 0; or 'isodow': Monday is 1",
    ),
    (&["dayofyear", "day_of_year", "doy"], "write date_part('doy', time)"),
    (&["weekofyear", "isoweek", "yearweek"], "write date_part('week', time)"),
    (&["date", "timestamp", "datetime"], "write CAST(x AS date) or CAST(x AS timestamp)"),
    (
        &["trunc_date", "datetrunc", "timestamp_trunc", "time_bucket", "date_floor"],
        "write date_trunc('hour', time), or date_bin(INTERVAL '15 minutes', time)",
    ),
    (&["last_day"], "write date_trunc('month', time) and add to it"),
    (
        &["convert_tz", "to_utc_timestamp", "from_utc_timestamp", "convert_timezone", "timezone"],
        "times are UTC; to_char(time AT TIME ZONE 'Europe/Berlin', '%H:%M') formats it in another zone",
    ),
    (&["log"], "write log10(x), ln(x) or log2(x): the meaning of log(x) differs between systems"),
    (&["sqr", "square"], "write x * x"),
    (&["cbrt"], "write power(x, 1.0 / 3)"),
    (&["log1p"], "write ln(1 + x)"),
    (&["expm1"], "write exp(x) - 1"),
    (&["div"], "`/` of two whole numbers is whole: a / b"),
    (&["rem", "modulo", "remainder"], "write a % b"),
    (&["count_if", "countif"], "write count(*) FILTER (WHERE condition)"),
    (&["sum_if", "sumif"], "write sum(x) FILTER (WHERE condition)"),
    (&["avg_if", "avgif"], "write avg(x) FILTER (WHERE condition)"),
    (&["any", "some", "any_match", "logical_or"], "write bool_or(condition)"),
    (&["all", "all_match", "logical_and"], "write bool_and(condition)"),
    (
        &["first", "last", "first_value", "last_value", "any_value", "earliest", "latest", "arbitrary"],
        "rows of a window have no fixed order across partitions; write min(x) or max(x)",
    ),
    (
        &["approx_count_distinct", "approx_distinct", "hll_count", "uniq", "uniqexact", "count_distinct"],
        "write count(DISTINCT x)",
    ),
    (&["total"], "write coalesce(sum(x), 0)"),
    (&["stdev", "std", "stdevp"], "write stddev_samp(x) or stddev_pop(x)"),
    (
        &["lag", "lead", "row_number", "rank", "dense_rank", "ntile", "percent_rank", "cume_dist", "nth_value"],
        "there are no functions over neighboring rows: rows of a stream have no fixed order across partitions",
    ),
    (&["session", "cumulate"], "windows are tumble and hop"),
    (&["date_bucket", "window"], "write windows in GROUP BY: tumble(INTERVAL '1 minute')"),
    (
        &[
            "unnest",
            "explode",
            "flatten",
            "generate_series",
            "json_array_elements",
            "json_each",
            "jsonb_array_elements",
        ],
        "one record gives at most one row; extract elements by index: json_get(value, '$[0]')",
    ),
    (&["typeof", "pg_typeof"], "types are known before anything runs: pipectl explain shows them"),
];

/// What other systems have and pipectl does not, in any form.
const ABSENT: &[&str] = &[
    "acos",
    "acosh",
    "acosd",
    "approx_percentile",
    "approx_quantile",
    "approx_top_k",
    "array",
    "array_agg",
    "array_length",
    "array_to_string",
    "ascii",
    "asin",
    "asinh",
    "asind",
    "atan",
    "atan2",
    "atanh",
    "atand",
    "avg_distinct",
    "bin",
    "bit_and",
    "bit_count",
    "bit_or",
    "bit_xor",
    "bitand",
    "bitor",
    "cardinality",
    "char",
    "chr",
    "collect",
    "collect_list",
    "collect_set",
    "conv",
    "corr",
    "cos",
    "cosd",
    "cosh",
    "cot",
    "covar_pop",
    "covar_samp",
    "degrees",
    "difference",
    "e",
    "entropy",
    "factorial",
    "fsum",
    "gamma",
    "gcd",
    "geomean",
    "grouping",
    "group_concat",
    "histogram",
    "hypot",
    "inet",
    "isfinite",
    "isinf",
    "isnan",
    "is_finite",
    "is_nan",
    "jaccard",
    "json_agg",
    "jsonb_agg",
    "kurtosis",
    "lcm",
    "levenshtein",
    "listagg",
    "list",
    "list_agg",
    "mad",
    "map",
    "max_by",
    "arg_max",
    "argmax",
    "median",
    "min_by",
    "arg_min",
    "argmin",
    "mode",
    "monthname",
    "dayname",
    "overlay",
    "normalize",
    "nan",
    "ord",
    "parse_url",
    "percentile",
    "percentile_approx",
    "percentile_cont",
    "percentile_disc",
    "pi",
    "product",
    "quantile",
    "quantile_cont",
    "radians",
    "range",
    "regr_count",
    "regr_r2",
    "regr_slope",
    "scale",
    "setseed",
    "sin",
    "sind",
    "sinh",
    "skewness",
    "skew",
    "soundex",
    "string_agg",
    "stuff",
    "tan",
    "tand",
    "tanh",
    "to_days",
    "top",
    "topk",
    "unaccent",
    "unicode",
    "url_encode",
    "urlencode",
    "width_bucket",
    "xor",
    "zip",
];

/// What to write instead of a function that other systems have; empty if there is nothing.
fn known(name: &str) -> Option<&'static str> {
    let instead = INSTEAD.iter().find(|(names, _)| names.contains(&name)).map(|(_, instead)| *instead);
    instead.or_else(|| ABSENT.contains(&name).then_some(""))
}

/// Whether one word is the other with one slip: a letter too many, one missing, a wrong one, two in the wrong order.
/// Short words and digits carry too much meaning for that: `sin` is not `min`, `t1` not `t2`.
pub(super) fn one_slip(given: &str, meant: &str) -> bool {
    let (given, meant): (Vec<char>, Vec<char>) =
        (given.to_lowercase().chars().collect(), meant.to_lowercase().chars().collect());
    if given == meant {
        return true;
    }
    let start = given.iter().zip(&meant).take_while(|(a, b)| a == b).count();
    let (here, there) = (&given[start..], &meant[start..]);
    let end = here.iter().rev().zip(there.iter().rev()).take_while(|(a, b)| a == b).count();
    let (here, there) = (&here[..here.len() - end], &there[..there.len() - end]);
    if here.iter().chain(there).any(char::is_ascii_digit) {
        return false;
    }
    match (here, there) {
        ([_, _], [second, first]) => here == [*first, *second],
        ([] | [_], [_]) | ([_], []) => given.len().max(meant.len()) >= 4,
        _ => false,
    }
}

impl Checker<'_> {
    /// Says that there is no such function, and what may be meant; `args` are its arguments as far as they are sound.
    /// Answers whether it is one of ours, misspelt.
    pub(super) fn unknown_function(&mut self, call: &Call, name: &str, args: &[Option<Expr>]) -> bool {
        let place = &call.name.place;
        if CLOCKS.contains(&name) || DICE.contains(&name) {
            let title = format!("`{name}` would give different rows for the same input");
            self.problem(codes::WALL_CLOCK, title, place, "", |p| {
                p.help(if CLOCKS.contains(&name) {
                    "event_time() is the time of the event, arrival_time() the time at which the record arrived"
                } else {
                    "derive it from fields of the record: sha256(a || b)"
                })
            });
            return false;
        }
        let bound = name.ends_with("_end") || name.ends_with("_start");
        let window = bound && ["tumble", "hop", "session", "cumulate"].iter().any(|kind| name.starts_with(kind));
        let meant = if known(name).is_some() { None } else { misspelt(name, args) };
        self.problem(codes::UNKNOWN_FUNCTION, format!("unknown function `{}`", call.name.text), place, "", |p| match (
            known(name),
            meant,
        ) {
            _ if window => p.help("the bounds of the window are the columns window_start and window_end"),
            (Some(""), _) => p.help("pipectl does not have it; docs/generated/functions.md lists all functions"),
            (Some(instead), _) => p.help(instead),
            (None, Some(meant)) => p.help(format!("did you mean `{meant}`?")).fix(inside(place), meant),
            (None, None) => p.help("docs/generated/functions.md lists the functions"),
        });
        meant.is_some()
    }
}

/// The function of which this is a slip of the pen, and that can take the arguments.
fn misspelt(name: &str, args: &[Option<Expr>]) -> Option<&'static str> {
    let sound: Option<Vec<Expr>> = args.iter().cloned().collect();
    functions::names().chain(["tumble", "hop"]).find(|candidate| {
        one_slip(name, candidate)
            && functions::find(candidate).is_none_or(|function| {
                function.signatures.iter().any(|signature| {
                    signature.takes(args.len()) && sound.as_ref().is_none_or(|args| mismatch(signature, args).is_none())
                })
            })
    })
}

#[cfg(test)]
mod tests {
    use pipectl_ir::functions;

    use super::{ABSENT, CLOCKS, DICE, INSTEAD, one_slip};

    #[test]
    fn slips() {
        for (given, meant) in [
            ("cuont", "count"),
            ("conut", "count"),
            ("lenght", "length"),
            ("avgg", "avg"),
            ("agv", "avg"),
            ("AVG", "avg"),
            ("uper", "upper"),
        ] {
            assert!(one_slip(given, meant), "{given}, {meant}");
        }
        for (given, meant) in [
            ("median", "mean"),
            ("sin", "min"),
            ("lag", "log2"),
            ("concat_ws", "concat"),
            ("log1", "log2"),
            ("temp_1", "temp_2"),
            ("min_temp", "max_temp"),
            ("mad", "max"),
            ("", "avg"),
            ("rank", "rpad"),
        ] {
            assert!(!one_slip(given, meant), "{given}, {meant}");
        }
    }

    #[test]
    fn what_is_here_is_not_from_elsewhere() {
        let elsewhere = INSTEAD.iter().flat_map(|(names, _)| *names).chain(ABSENT).chain(CLOCKS).chain(DICE);
        let mut seen = std::collections::BTreeSet::new();
        for name in elsewhere {
            assert!(functions::find(name).is_none(), "{name} exists");
            assert!(seen.insert(name), "{name} stands twice");
        }
    }
}
