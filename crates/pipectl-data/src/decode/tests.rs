use arrow_array::{Array, cast::AsArray, types};
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::{DataType, Field};

fn block(records: &[&str]) -> BinaryViewArray {
    BinaryViewArray::from_iter_values(records)
}

fn schema(fields: &[(&str, DataType)]) -> Schema {
    Schema::new(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())))
}

fn decode(schema: &Schema, format: DecodeFormat, records: &[&str]) -> Decoded {
    Decoder::new(schema, format).decode(&block(records)).expect("decodes")
}

/// The one value, or why the record is bad.
fn one(data_type: DataType, format: DecodeFormat, record: &str) -> Result<Option<String>, String> {
    let schema = schema(&[("a", data_type)]);
    let decoded = decode(&schema, format, &[record]);
    if let [bad] = decoded.bad.as_slice() {
        return Err(bad.message.clone());
    }
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    crate::encode::csv::write_rows(&decoded.columns, &schema, &mut out, &mut ends).expect("writes");
    let column = decoded.columns.column(0);
    Ok(column.is_valid(0).then(|| String::from_utf8_lossy(&out).trim_end().to_owned()))
}

fn csv(columns: &[&str]) -> DecodeFormat {
    DecodeFormat::Csv {
        delimiter: b',',
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        nulls: Vec::new(),
    }
}

#[test]
fn texts_that_stand_for_null_are_null_unless_quoted() {
    let nulls = |nulls: &[&str]| DecodeFormat::Csv {
        delimiter: b',',
        columns: vec!["a".to_owned(), "b".to_owned()],
        nulls: nulls.iter().map(|null| (*null).to_owned()).collect(),
    };
    for (data_type, given, record, expected) in [
        (DataType::String, &[][..], ",x", Some("")),
        (DataType::String, &["", "NA"], ",x", None),
        (DataType::String, &["", "NA"], "NA,x", None),
        (DataType::String, &["", "NA"], "\"NA\",x", Some("NA")),
        (DataType::String, &["NA"], ",x", Some("")),
        (DataType::String, &["NA"], "NAN,x", Some("NAN")),
        (DataType::Int64, &["NA"], "NA,x", None),
        (DataType::Int64, &["-1"], "-1,x", None),
        (DataType::Int64, &["NA"], ",x", None),
    ] {
        let found = one(data_type, nulls(given), record).expect("a good record");
        let found = found.map(|text| if text == "\"\"" { String::new() } else { text });
        assert_eq!(found.as_deref(), expected, "{given:?} {record}");
    }
    let error = one(DataType::Int64, nulls(&["NA"]), "N/A,x").expect_err("no number");
    assert!(error.contains("N/A"), "{error}");
}

#[test]
fn a_batch_may_have_its_own_columns() {
    let schema = schema(&[("a", DataType::Int64), ("b", DataType::String)]);
    let mut decoder = Decoder::new(&schema, csv(&["a", "b"]));
    let mut decode = |fields: Option<&[&str]>, row: &str| {
        let fields: Option<Vec<String>> = fields.map(|fields| fields.iter().map(|name| (*name).to_owned()).collect());
        let decoded =
            decoder.decode_with(&BinaryViewArray::from_iter_values([row]), fields.as_deref()).expect("decodes");
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        crate::encode::csv::write_rows(&decoded.columns, &schema, &mut out, &mut ends).expect("writes");
        let bad = decoded.bad.first().map(|bad| bad.message.clone());
        bad.unwrap_or_else(|| String::from_utf8_lossy(&out).trim_end().to_owned())
    };
    let own = Some(&["b", "extra", "a"][..]);
    assert_eq!(decode(None, "1,x"), "1,x");
    assert_eq!(decode(own, "x,keep,1"), "1,x");
    assert_eq!(decode(own, "only,two"), "found 2 fields, expected 3: b, extra, a");
    assert!(decode(own, "x,keepme,notanumber").contains("notanumber"));
    assert_eq!(decode(Some(&["a", "b"]), "2,y"), "2,y");
    assert_eq!(decode(None, "3,z"), "3,z");
}

#[test]
fn json_values_that_fit() {
    use DataType::*;
    for (data_type, value, expected) in [
        (Bool, "true", "true"),
        (Int64, "3", "3"),
        (Int64, "3.0", "3"),
        (Int64, "-9223372036854775808", "-9223372036854775808"),
        (Int64, "1e3", "1000"),
        (Int64, "9007199254740993.0", "9007199254740993"),
        (Int64, "90071992547409930e-1", "9007199254740993"),
        (Int64, "9.1e15", "9100000000000000"),
        (Int64, "1e18", "1000000000000000000"),
        (Int64, "-9.223372036854775808E18", "-9223372036854775808"),
        (Float64, "3", "3.0"),
        (Float64, "2.5", "2.5"),
        (Float64, "18446744073709551615", "1.8446744073709552e+19"),
        (String, r#""x""#, "x"),
        (String, r#""\u00e9\n""#, "\"é\n\""),
        (Timestamp, r#""2026-01-31T10:00:00.250+01:00""#, "2026-01-31T09:00:00.250Z"),
        (Timestamp, r#""2026-01-31 10:00:00""#, "2026-01-31T10:00:00Z"),
        (EpochMillis, "1769853600250", "2026-01-31T10:00:00.250Z"),
        (EpochSeconds, "1769853600.25", "2026-01-31T10:00:00.250Z"),
        (EpochSeconds, "-1", "1969-12-31T23:59:59Z"),
        (Date, r#""2026-01-31""#, "2026-01-31"),
        (Bytes, r#""aGk=""#, "aGk="),
        (Bytes, r#""aGk""#, "aGk="),
        (Json, r#"{ "b" : [1, 2] }"#, r#""{ ""b"" : [1, 2] }""#),
        (Interval, r#""-90s""#, "-90s"),
    ] {
        let record = format!(r#"{{"x":[{{}}],"a":{value},"y":null}}"#);
        assert_eq!(one(data_type, DecodeFormat::Json, &record), Ok(Some(expected.to_owned())), "{record}");
    }
    for record in [r#"{"a":null}"#, "{}", r#" { "A" : 1 } "#] {
        for data_type in DataType::NAMED {
            assert_eq!(one(data_type.clone(), DecodeFormat::Json, record), Ok(None), "{data_type} {record}");
        }
    }
    assert_eq!(one(Int64, DecodeFormat::Json, r#"{"a":"x","a":2,"a":3}"#), Ok(Some("3".to_owned())));
    assert_eq!(one(Json, DecodeFormat::Json, "{\"a\":[1,\r\n2]}"), Ok(Some("\"[1,  2]\"".to_owned())));
}

#[test]
fn json_values_that_do_not_fit() {
    use DataType::*;
    for (data_type, record, expected) in [
        (Int64, r#"{"a":3.5}"#, "field `a`: found the number 3.5, expected an integral number"),
        (Int64, r#"{"a":9223372036854775808}"#, "found the number 9223372036854775808"),
        (Int64, r#"{"a":9.223372036854775808e18}"#, "found the number 9.223372036854775808e18"),
        (Int64, r#"{"a":9007199254740993.5}"#, "found the number 9007199254740993.5"),
        (Int64, r#"{"a":0.99999999999999999999}"#, "found the number 0.99999999999999999999"),
        (Int64, r#"{"a":"\ud800"}"#, "not valid JSON: unexpected end of hex escape"),
        (Int64, r#"{"a":"3"}"#, "found the string \"3\", expected an integral number"),
        (Int64, r#"{"a":1,"a":"3"}"#, "found the string"),
        (Float64, r#"{"a":[1]}"#, "found an array, expected a number"),
        (String, r#"{"a":5}"#, "found the number 5, expected a string"),
        (String, r#"{"a":true}"#, "found true, expected a string"),
        (String, r#"{"a":{"b":1}}"#, "found an object, expected a string"),
        (Timestamp, r#"{"a":1769853600}"#, "declare the field `epoch_ms` or `epoch_s`"),
        (Timestamp, r#"{"a":"yesterday"}"#, "found the string \"yesterday\", expected a time such as"),
        (EpochSeconds, r#"{"a":1769853600250}"#, "for milliseconds declare it `epoch_ms`"),
        (Date, r#"{"a":"2026-02-30"}"#, "expected a date such as"),
        (Bytes, r#"{"a":"*"}"#, "expected bytes in base64"),
        (Int64, r#"{"a":1"#, "not valid JSON: EOF while parsing an object at column 6"),
        (
            Int64,
            r#"{"a":1 "b":2}"#,
            "not valid JSON: expected `,` or `}` at column 8, near \"{\\\"a\\\":1 \\\"b\\\":2}\"",
        ),
        (Int64, r#"{"a":1} x"#, "not valid JSON: trailing characters at column 9"),
        (Int64, "[1]", "found an array, expected a JSON object"),
        (Int64, "3", "found \"3\", expected a JSON object"),
        (Int64, "  ", "the record is empty"),
        (Int64, "{\"a\":1e999}", "found the number 1e999, expected an integral number"),
    ] {
        let message = one(data_type, DecodeFormat::Json, record).expect_err(record);
        assert!(message.contains(expected), "{record}: {message}");
    }
    let long = format!(r#"{{"a":"{}"}}"#, "é".repeat(10_000));
    assert!(one(Int64, DecodeFormat::Json, &long).expect_err("bad").chars().count() < 200);
}

#[test]
fn bad_records_leave_no_trace_and_keep_their_row() {
    let schema = Schema::new([
        Field::required("id", DataType::Int64),
        Field::new("name", DataType::String),
        Field::required("at", DataType::Timestamp),
    ]);
    let payload = BinaryViewArray::from_iter([
        Some(b"{\"id\":1,\"name\":\"a long enough name\",\"at\":\"2026-01-01\"}".as_slice()),
        None,
        Some(b"{\"id\":2,\"name\":\"cut"),
        Some(b"{\"name\":1}"),
        Some(b"{\"id\":3,\"at\":\"2026-01-02\"}"),
        Some(b"{\"id\":4,\"at\":\"2026-01-02\",\"name\":\"\xff\"}"),
        Some(b"{\"id\":null,\"at\":\"2026-01-02\"}"),
    ]);
    let decoded = Decoder::new(&schema, DecodeFormat::Json).decode(&payload).expect("decodes");
    assert_eq!(decoded.columns.column(0).as_primitive::<types::Int64Type>().values(), &[1, 3]);
    let bad: Vec<_> = decoded.bad.iter().map(|bad| (bad.row, bad.message.as_str())).collect();
    assert_eq!(bad.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 2, 3, 5, 6]);
    assert!(bad[0].1.contains("tombstone"));
    assert_eq!(bad[2].1, "field `id`: it is missing and cannot be null (and 2 more fields)");
    assert_eq!(bad[3].1, "not valid UTF-8: byte 34 is 0xFF");
    assert_eq!(bad[4].1, "field `id`: it is null but cannot be");
}

#[test]
fn no_fields_still_tell_good_from_bad() {
    let decoded = decode(&Schema::new([]), DecodeFormat::Json, &["{\"a\":1}", "{", "{}"]);
    assert_eq!(decoded.columns.num_rows(), 2);
    assert_eq!(decoded.bad.len(), 1);
}

#[test]
fn csv_rows() {
    use DataType::*;
    let one = |data_type, record: &str| one(data_type, csv(&["b", "a"]), record);
    for (data_type, record, expected) in [
        (Int64, "x, 3 ", Some("3")),
        (Int64, "x,+3.0", Some("3")),
        (Int64, "x,9007199254740993.0", Some("9007199254740993")),
        (Int64, "x,1e18", Some("1000000000000000000")),
        (Int64, "x,", None),
        (Float64, "x,1e-3", Some("0.001")),
        (String, "x,", Some("\"\"")),
        (String, "\"a,\"\"b\",\"c,\"\"d\"\"\"", Some("\"c,\"\"d\"\"\"")),
        (String, "x, y ", Some("\" y \"")),
        (Bool, "x,T", Some("true")),
        (Bool, "x,0", Some("false")),
        (Timestamp, "x,2026-01-31", Some("2026-01-31T00:00:00Z")),
        (EpochMillis, "x,\"1000\"", Some("1970-01-01T00:00:01Z")),
        (Json, "x,\"{\"\"k\"\":1}\"", Some("\"{\"\"k\"\":1}\"")),
        (Json, "x,null", None),
    ] {
        assert_eq!(one(data_type, record), Ok(expected.map(str::to_owned)), "{record}");
    }
    for (data_type, record, expected) in [
        (Int64, "1", "found 1 fields, expected 2: b, a"),
        (Int64, "1,2,3", "found 3 fields, expected 2"),
        (Int64, "1,two", "field `a`: found \"two\", expected an integral number"),
        (Int64, "1,0.99999999999999999999", "field `a`: found the number 0.99999999999999999999, expected an integral"),
        (Float64, "1,NaN", "expected a number"),
        (Bool, "1,yes", "expected true or false"),
        (String, "\"1,2", "field `b`: the quote before \"1,2\" is not closed"),
        (String, "\"1\"x,2", "text after a closing quote"),
        (Json, "1,{", "expected a JSON value"),
    ] {
        let message = one(data_type, record).expect_err(record);
        assert!(message.contains(expected), "{record}: {message}");
    }
}

#[test]
fn text_lines() {
    let schema = Schema::new([Field::required("line", DataType::String)]);
    let payload = BinaryViewArray::from_iter_values([b"one".as_slice(), b"", b"\xc3\x28"]);
    let decoded = Decoder::new(&schema, DecodeFormat::Text).decode(&payload).expect("decodes");
    assert_eq!(decoded.columns.column(0).as_string_view().iter().collect::<Vec<_>>(), [Some("one"), Some("")]);
    assert_eq!(decoded.bad, [BadRow { row: 2, message: "not valid UTF-8: byte 0 is 0xC3".to_owned() }]);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6_f64..1e6).prop_map(Value::from),
        (-100_i64..100).prop_map(|number| Value::from(number as f64)),
        "[ -~é\\n\"]{0,20}".prop_map(Value::from),
        Just(Value::from("2026-01-31T10:00:00Z")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-e]", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// The rules once more, on a tree: the value as JSON, or nothing if it does not fit.
fn model(data_type: &DataType, value: &Value) -> Option<Value> {
    match (data_type, value) {
        (_, Value::Null) => Some(Value::Null),
        (DataType::Json, value) => Some(value.clone()),
        (DataType::Bool, Value::Bool(_)) | (DataType::String, Value::String(_)) => Some(value.clone()),
        (DataType::Float64, Value::Number(number)) => number.as_f64().map(Value::from),
        (DataType::Int64, Value::Number(number)) => {
            let float =
                || number.as_f64().filter(|float| !number.is_u64() && float.fract() == 0.0 && float.abs() < 9e15);
            number.as_i64().or_else(|| float().map(|float| float as i64)).map(Value::from)
        }
        (DataType::Timestamp, Value::String(text)) => {
            crate::timestamp::parse(text).map(|at| Value::from(crate::timestamp::format(at)))
        }
        (DataType::List(element), Value::Array(values)) => {
            values.iter().map(|value| model(element, value)).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        (DataType::Struct(fields), Value::Object(values)) => {
            let field = |field: &Field| {
                let value = model(&field.data_type, values.get(&field.name).unwrap_or(&Value::Null))?;
                (field.nullable || !value.is_null()).then(|| (field.name.clone(), value))
            };
            fields.fields().iter().map(field).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn agrees_with_a_tree(records in prop::collection::vec(prop::collection::vec(("[a-i]", any_json()), 0..8), 0..20)) {
        let types = [
            DataType::Bool,
            DataType::Int64,
            DataType::Float64,
            DataType::String,
            DataType::Json,
            DataType::Timestamp,
            of("list<json>"),
            of("struct<a:json, b:list<string>, c:struct<a:int64!>>"),
        ];
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let fields: Vec<_> = names.into_iter().zip(types).collect();
        let schema = schema(&fields);
        // Keys may come twice: the last one wins in the tree, too.
        let texts: Vec<String> = records.iter().map(|entries| {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
            format!("{{{}}}", entries.join(","))
        }).collect();
        let mut expected = Vec::new();
        let mut expected_bad = Vec::new();
        for (row, text) in texts.iter().enumerate() {
            let tree: Map<String, Value> = serde_json::from_str(text).expect("valid");
            let values: Option<Map<String, Value>> = fields.iter().map(|(name, data_type)| {
                model(data_type, tree.get(*name).unwrap_or(&Value::Null)).map(|value| ((*name).to_owned(), value))
            }).collect();
            match values {
                Some(values) => expected.push(Value::Object(values)),
                None => expected_bad.push(row),
            }
        }
        let decoded = decode(&schema, DecodeFormat::Json, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        prop_assert_eq!(decoded.bad.iter().map(|bad| bad.row).collect::<Vec<_>>(), expected_bad);
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        crate::encode::jsonl::write_rows(&decoded.columns, &schema, &mut out, &mut ends).expect("writes");
        let found: Vec<Value> = String::from_utf8(out).expect("text").lines().map(|line| serde_json::from_str(line).expect("valid")).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_panic(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4), text in "[{}\\[\\]\":,a0-9.e\\\\ nul-]{0,40}") {
        let mut payload: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        payload.push(text.as_bytes());
        let payload = BinaryViewArray::from_iter_values(payload);
        let schema = schema(&[("a", DataType::Int64), ("line", DataType::String)]);
        for format in [DecodeFormat::Json, csv(&["a", "line"]), DecodeFormat::Text] {
            let decoded = Decoder::new(&schema, format).decode(&payload).expect("decodes");
            prop_assert_eq!(decoded.columns.num_rows() + decoded.bad.len(), payload.len());
            prop_assert!(decoded.bad.iter().all(|bad| bad.message.chars().count() < 300));
        }
    }
}

/// `cargo test --release -p pipectl-data -- --ignored speed --nocapture` prints records per second on one core.
#[test]
#[ignore = "a measurement, not a check"]
#[allow(clippy::disallowed_methods, reason = "a measurement needs the machine's own clock")]
fn speed() {
    #[derive(serde::Deserialize)]
    struct Record<'a> {
        sensor_id: &'a str,
        timestamp: &'a str,
        temperature: f64,
    }
    let all = [
        ("sensor_id", DataType::String),
        ("timestamp", DataType::Timestamp),
        ("temperature", DataType::Float64),
        ("humidity", DataType::Float64),
        ("pressure", DataType::Float64),
    ];
    let records: Vec<String> = (0..8_192_u32)
        .map(|number| {
            let (unit, tenth) = (number % 60, f64::from(number % 997) / 7.0);
            format!(
                r#"{{"sensor_id":"sensor-{:04}","timestamp":"2026-01-31T10:{unit:02}:00.{:03}Z","temperature":{tenth:.2},"humidity":{tenth:.2},"pressure":{:.2}}}"#,
                number % 1_000,
                number % 1_000,
                1_000.0 + tenth,
            )
        })
        .collect();
    let payload = BinaryViewArray::from_iter_values(&records);
    let rounds = 200_u32;
    let report = |what: &str, started: std::time::Instant| {
        let per_second = f64::from(rounds) * 8_192.0 / started.elapsed().as_secs_f64();
        println!("{what}: {:.2} million records/s", per_second / 1e6);
    };
    for (what, fields) in [("3 of 5 fields", &all[..3]), ("all 5 fields", &all[..]), ("1 of 5 fields", &all[2..3])] {
        let schema = schema(fields);
        let mut decoder = Decoder::new(&schema, DecodeFormat::Json);
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(decoder.decode(&payload).expect("decodes"));
        }
        report(what, started);
        let columns = decoder.decode(&payload).expect("decodes").columns;
        let started = std::time::Instant::now();
        for _ in 0..rounds {
            let (mut out, mut ends) = (Vec::new(), Vec::new());
            crate::encode::jsonl::write_rows(&columns, &schema, &mut out, &mut ends).expect("writes");
            std::hint::black_box(&out);
        }
        report(&format!("write {what}"), started);
    }
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        for record in payload.iter().flatten() {
            let sensor: Record<'_> = serde_json::from_slice(record).expect("valid");
            std::hint::black_box((sensor.sensor_id, sensor.timestamp, sensor.temperature));
        }
    }
    report("serde_json into a struct of 3 fields", started);
}

/// A field with the empty name, and keys with escapes, which the scan leaves to the other reader.
#[test]
fn a_key_may_be_empty() {
    let schema = schema(&[("", DataType::Int64), ("a", DataType::Int64)]);
    for records in [
        [r#"{"":1,"a":2}"#, r#"{"":1,"a":2,"k\n":3}"#],
        [r#"{"":1,"a":2,"k\n":3}"#, r#"{"a":2,"":1}"#],
        [r#"{"a":2,"":1,"k\n":3}"#, r#"{"k\n":3,"":1,"a":2}"#],
        [r#"{"k\n":3,"x":4,"":0,"":1,"a":2}"#, r#"{"":1,"\u0061":2}"#],
    ] {
        let decoded = decode(&schema, DecodeFormat::Json, &records);
        assert_eq!(decoded.bad, [], "{records:?}");
        for (column, expected) in [(0, 1), (1, 2)] {
            let column = decoded.columns.column(column).as_primitive::<types::Int64Type>();
            assert_eq!((column.null_count(), column.values().as_ref()), (0, [expected; 2].as_slice()), "{records:?}");
        }
    }
    let required = Schema::new([Field::required("", DataType::Int64)]);
    assert_eq!(decode(&required, DecodeFormat::Json, &[r#"{"":1,"k\n":3}"#]).bad, []);
}

proptest! {
    /// However its keys are written and ordered, a record means the same.
    #[test]
    fn escapes_in_keys_change_nothing(members in prop::collection::vec((prop::sample::select(vec!["", "a", "b", "ab", "é", "\n"]), any::<i32>(), any::<bool>()), 0..8)) {
        let schema = schema(&[("", DataType::Int64), ("a", DataType::Int64), ("ab", DataType::Int64), ("\n", DataType::Int64)]);
        let write = |escape: bool| {
            let members: Vec<String> = members.iter().map(|(key, value, own)| {
                let plain = Value::from(*key).to_string().trim_matches('"').to_owned();
                let key = if escape && *own {
                    key.encode_utf16().fold(String::new(), |text, unit| format!("{text}\\u{unit:04x}"))
                } else {
                    plain
                };
                format!("\"{key}\":{value}")
            }).collect();
            format!("{{{}}}", members.join(","))
        };
        let (plain, escaped) = (write(false), write(true));
        let decoded = decode(&schema, DecodeFormat::Json, &[&plain, &escaped, &plain, &escaped]);
        prop_assert_eq!(&decoded.bad, &[]);
        for row in 1..4 {
            prop_assert_eq!(decoded.columns.slice(0, 1), decoded.columns.slice(row, 1), "{}", escaped);
        }
    }
}

/// No infinity and no NaN comes in, in whatever format.
#[test]
fn numbers_are_finite() {
    for text in ["inf", "-inf", "Infinity", "NaN", "nan", "1e999", "-1e999", "+inf"] {
        assert!(one(DataType::Float64, csv(&["a"]), text).is_err(), "{text}");
        assert!(one(DataType::Float64, DecodeFormat::Json, &format!(r#"{{"a":{text}}}"#)).is_err(), "{text}");
        assert!(one(DataType::Float64, DecodeFormat::Json, &format!(r#"{{"a":"{text}"}}"#)).is_err(), "{text}");
    }
    assert_eq!(one(DataType::Float64, csv(&["a"]), "1e-999"), Ok(Some("0.0".to_owned())));
}

/// An instant that leaves the years 0 to 9999 in UTC.
#[test]
fn times_stay_in_the_range() {
    for (text, expected) in [
        ("9999-12-31T23:59:59.999999Z", Some("9999-12-31T23:59:59.999999Z")),
        ("9999-12-31T18:59:59-05:00", Some("9999-12-31T23:59:59Z")),
        ("9999-12-31T23:59:59-05:00", None),
        ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00Z")),
        ("0000-01-01T00:00:00+01:00", None),
        ("+010000-01-01T00:00:00Z", None),
    ] {
        let json = one(DataType::Timestamp, DecodeFormat::Json, &format!(r#"{{"a":"{text}"}}"#));
        assert_eq!(json.ok().flatten().as_deref(), expected, "{text}");
        let csv = one(DataType::Timestamp, csv(&["a"]), text);
        assert_eq!(csv.ok().flatten().as_deref(), expected, "{text}");
    }
}

fn of(text: &str) -> DataType {
    text.parse().expect("a type")
}

#[test]
fn decimals_and_nested_values() {
    for (data_type, value, expected) in [
        ("decimal(6, 2)", "12.5", Ok("12.50")),
        ("decimal(6, 2)", "\"-12.50\"", Ok("-12.50")),
        ("decimal(6, 2)", "1.25e1", Ok("12.50")),
        ("decimal(6, 2)", "12.500", Ok("12.50")),
        ("decimal(38, 0)", "9007199254740993", Ok("9007199254740993")),
        (
            "decimal(6, 2)",
            "12.345",
            Err("found the number 12.345, expected a number of at most 4 digits before the point and 2"),
        ),
        ("decimal(6, 2)", "10000", Err("found the number 10000, expected")),
        ("decimal(6, 2)", "\"1,5\"", Err("found the string \"1,5\", expected")),
        ("decimal(6, 2)", "true", Err("found true, expected")),
        ("decimal(6, 2)", "[1]", Err("found an array, expected")),
        ("list<int64>", "[1, null, 2.0]", Ok("[1,null,2]")),
        ("list<int64>", "[]", Ok("[]")),
        (
            "list<int64>",
            "[1, 2.5, \"x\"]",
            Err("field `a`: value 2 of the list: found the number 2.5, expected an integral"),
        ),
        ("list<int64>", "{\"b\":1}", Err("found an object, expected an array")),
        ("list<json>", "[{ \"b\": 1 }, \"x\"]", Ok("[{ \"b\": 1 },\"x\"]")),
        ("list<list<bool>>", "[[true],[],null]", Ok("[[true],[],null]")),
        (
            "struct<b:string!, c:decimal(4, 1)>",
            "{\"d\":[{}], \"c\":1, \"b\":\"x\\\"\"}",
            Ok("{\"b\":\"x\\\"\",\"c\":1.0}"),
        ),
        ("struct<b:string!>", "{}", Err("field `b` of the struct: it is missing or null and cannot be")),
        (
            "struct<b:list<date>>",
            "{\"b\":[\"2026-01-31\",\"x\"]}",
            Err("field `b` of the struct: value 2 of the list: found the string \"x\""),
        ),
        ("struct<b:string>", "[1]", Err("found an array, expected an object")),
    ] {
        let (record, data_type) = (format!("{{\"a\":{value}}}"), of(data_type));
        // Numbers in the form that the scan reads, and in one that it leaves to serde_json.
        for record in [record.clone(), record.replacen(':', ": ", 1)] {
            let schema = schema(&[("a", data_type.clone())]);
            let decoded = decode(&schema, DecodeFormat::Json, &[&record]);
            match (expected, decoded.bad.as_slice()) {
                (Ok(expected), []) => {
                    let text = crate::encode::ColumnText::of(decoded.columns.column(0).as_ref(), &data_type)
                        .expect("its type");
                    let mut found = Vec::new();
                    text.write_plain(0, &mut found);
                    assert_eq!(String::from_utf8_lossy(&found), expected, "{record}");
                }
                (Err(expected), [bad]) => assert!(bad.message.contains(expected), "{record}: {}", bad.message),
                (_, bad) => panic!("{record}: {bad:?}"),
            }
        }
    }
    for (data_type, row, expected) in [
        ("decimal(6, 2)", " 12.5 ", Ok(Some("12.50"))),
        ("decimal(6, 2)", "", Ok(None)),
        ("decimal(6, 2)", "1.234", Err("found the number 1.234")),
        ("decimal(6, 2)", "x", Err("found \"x\"")),
        ("list<string>", "\"[\"\"a\"\",null]\"", Ok(Some("\"[\"\"a\"\",null]\""))),
        ("list<string>", "[1", Err("found \"[1\", expected an array")),
        ("struct<b:int64>", "\"{\"\"b\"\":1}\"", Ok(Some("\"{\"\"b\"\":1}\""))),
    ] {
        match (one(of(data_type), csv(&["a"]), row), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{row}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{row}: {found}"),
            (found, _) => panic!("{row}: {found:?}"),
        }
    }
}
