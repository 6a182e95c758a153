use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array,
    RecordBatch, StringViewArray, TimestampMicrosecondArray, cast::AsArray,
};
use proptest::prelude::*;
use std::sync::Arc;

use super::*;
use crate::{
    DataType, Field, Schema,
    compress::Compression,
    decode::{DecodeFormat, Decoder},
};

type Row =
    (Option<bool>, Option<i64>, Option<f64>, Option<String>, Option<Vec<u8>>, Option<i64>, Option<i32>, Option<i32>);

fn schema() -> Schema {
    Schema::new([
        Field::new("bool", DataType::Bool),
        Field::new("int", DataType::Int64),
        Field::new("float", DataType::Float64),
        Field::new("text \"quoted\", é", DataType::String),
        Field::new("bytes", DataType::Bytes),
        Field::new("at", DataType::Timestamp),
        Field::new("day", DataType::Date),
        Field::new("span", DataType::Interval),
    ])
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.0).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.3.as_deref()).collect::<StringViewArray>()),
        Arc::new(rows.iter().map(|row| row.4.as_deref()).collect::<BinaryViewArray>()),
        Arc::new(rows.iter().map(|row| row.5).collect::<TimestampMicrosecondArray>()),
        Arc::new(rows.iter().map(|row| row.6).collect::<Date32Array>()),
        Arc::new(rows.iter().map(|row| row.7.map(i64::from)).collect::<DurationMicrosecondArray>()),
    ];
    RecordBatch::try_new(schema().arrow(), columns).expect("columns of the schema")
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let text = prop_oneof!["[ -~]{0,30}", "\\PC{0,8}", "[,\"\\r\\n\\t\\\\]{0,4}"];
    let row = (
        any::<Option<bool>>(),
        any::<Option<i64>>(),
        prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL),
        prop::option::of(text),
        any::<Option<Vec<u8>>>(),
        prop::option::of(-62_167_219_200_000_000_i64..253_402_300_800_000_000),
        prop::option::of(-719_528_i32..2_932_897),
        any::<Option<i32>>(),
    );
    prop::collection::vec(row, 0..20)
}

/// The rows as payloads, cut at the ends that the writer answered.
fn payload(out: &[u8], ends: &[usize]) -> BinaryViewArray {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    BinaryViewArray::from_iter_values(starts.zip(ends).map(|(start, end)| {
        assert_eq!(out[end - 1], b'\n');
        &out[start..end - 1]
    }))
}

proptest! {
    #[test]
    fn json_lines_read_back(rows in rows()) {
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        jsonl::write_rows(&batch(&rows), &schema(), &mut out, &mut ends).expect("writes");
        prop_assert_eq!(memchr::memchr_iter(b'\n', &out).count(), rows.len());
        let decoded = Decoder::new(&schema(), DecodeFormat::Json).decode(&payload(&out, &ends)).expect("decodes");
        prop_assert_eq!(decoded.bad, []);
        prop_assert_eq!(decoded.columns, batch(&rows));
    }

    #[test]
    fn csv_reads_back_but_for_null_strings_and_empty_bytes(rows in rows()) {
        let mut rows = rows;
        for row in &mut rows {
            row.3.get_or_insert_default();
            row.4.take_if(|bytes| bytes.is_empty());
        }
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        csv::write_rows(&batch(&rows), &schema(), &mut out, &mut ends).expect("writes");
        let columns = schema().names().map(str::to_owned).collect();
        let format = DecodeFormat::Csv { delimiter: b',', columns, nulls: Vec::new() };
        let decoded = Decoder::new(&schema(), format).decode(&payload(&out, &ends)).expect("decodes");
        prop_assert_eq!(decoded.bad, []);
        prop_assert_eq!(decoded.columns, batch(&rows));
    }
}

#[test]
fn what_rows_look_like() {
    let rows = [
        (Some(true), Some(1), Some(20.0), Some("a\"\n\u{1}".to_owned()), None, Some(1_500_000), Some(0), Some(-5)),
        (None, None, Some(f64::NAN), None, Some(vec![255]), None, None, None),
    ];
    let (mut out, mut ends) = (Vec::new(), Vec::new());
    jsonl::write_rows(&batch(&rows), &schema(), &mut out, &mut ends).expect("writes");
    let text = String::from_utf8(out).expect("text");
    let expected = [
        r#"{"bool":true,"int":1,"float":20.0,"text \"quoted\", é":"a\"\n\u0001","bytes":null,"at":"1970-01-01T00:00:01.500Z","day":"1970-01-01","span":"-5us"}"#,
        r#"{"bool":null,"int":null,"float":null,"text \"quoted\", é":null,"bytes":"/w==","at":null,"day":null,"span":null}"#,
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(ends, [expected[0].len() + 1, expected[0].len() + expected[1].len() + 2]);
    let mut out = Vec::new();
    csv::header(&schema(), &mut out);
    csv::write_rows(&batch(&rows), &schema(), &mut out, &mut Vec::new()).expect("writes");
    let expected = "bool,int,float,\"text \"\"quoted\"\", é\",bytes,at,day,span\ntrue,1,20.0,\"a\"\"\n\u{1}\",,1970-01-01T00:00:01.500Z,1970-01-01,-5us\n,,,,/w==,,,\n";
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn json_columns_go_in_as_they_are_but_on_one_line() {
    let json = Schema::new([Field::new("j", DataType::Json)]);
    let column: ArrayRef = Arc::new(StringViewArray::from(vec![Some("{\"a\":\n[1]}"), None, Some("2")]));
    let batch = RecordBatch::try_new(json.arrow(), vec![column]).expect("columns of the schema");
    let mut out = Vec::new();
    jsonl::write_rows(&batch, &json, &mut out, &mut Vec::new()).expect("writes");
    assert_eq!(String::from_utf8(out).expect("text"), "{\"j\":{\"a\": [1]}}\n{\"j\":null}\n{\"j\":2}\n");
    assert!(jsonl::write_rows(&batch, &schema(), &mut Vec::new(), &mut Vec::new()).is_err());
}

#[test]
fn keys() {
    let rows = [
        (Some(true), Some(-1), Some(1e21), Some("sensor-1".to_owned()), Some(vec![0, 255]), Some(0), None, None),
        (None, Some(7), None, None, None, None, None, None),
    ];
    let key = |fields: &[usize], row: usize| {
        let keys = key_bytes(&batch(&rows), fields).expect("keys");
        keys.is_valid(row).then(|| keys.value(row).to_vec())
    };
    assert_eq!(key(&[3], 0), Some(b"sensor-1".to_vec()));
    assert_eq!(key(&[3], 1), None);
    assert_eq!(key(&[1], 1), Some(b"7".to_vec()));
    assert_eq!(key(&[4], 0), Some(vec![0, 255]));
    assert_eq!(key(&[0, 1, 2, 5], 0), Some(b"true\x1F-1\x1F1e+21\x1F1970-01-01T00:00:00Z".to_vec()));
    assert_eq!(key(&[1, 0], 1), None);
    assert!(key_bytes(&batch(&rows), &[99]).is_err());
    let zeros = [0.0, -0.0].map(|zero| (None, None, Some(zero), None, None, None, None, None));
    let keys = key_bytes(&batch(&zeros), &[2]).expect("keys");
    assert_eq!(keys.value(0), keys.value(1), "zero has no sign");
}

#[test]
fn parquet_files_read_back_as_utc() {
    let rows =
        [(Some(true), Some(1), Some(20.0), Some("a".to_owned()), Some(vec![1]), Some(1_500_000), Some(3), Some(5))];
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy] {
        let file = parquet::write_file(&schema(), &[batch(&rows), batch(&rows)], compression).expect("writes");
        assert_eq!(file, parquet::write_file(&schema(), &[batch(&rows), batch(&rows)], compression).expect("writes"));
        let builder =
            ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file))
                .expect("opens");
        // Nothing of how the columns looked in memory: readers older than the view types refuse what they do not know.
        let metadata = builder.metadata().file_metadata();
        assert_eq!(metadata.key_value_metadata(), None);
        let kinds: Vec<_> = builder.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
        let utc = "Timestamp(µs, \"UTC\")";
        assert_eq!(kinds, ["Boolean", "Int64", "Float64", "Utf8", "Binary", utc, "Date32", "Int64"]);
        let mut reader = builder.build().expect("opens");
        let read = reader.next().expect("rows").expect("reads");
        assert_eq!(read.num_rows(), 2);
        assert_eq!(read.column(3).as_string::<i32>().value(1), "a");
    }
}

#[test]
fn what_no_format_can_hold_is_refused() {
    let row = |float: f64, at: i64, day: i32| (None, None, Some(float), None, None, Some(at), Some(day), None);
    let rows = [
        row(1.0, crate::civil::MIN, -719_528),
        row(f64::INFINITY, 0, 0),
        row(f64::NAN, i64::MAX, 0),
        row(0.0, crate::civil::MAX + 1, 0),
        row(0.0, crate::civil::MIN - 1, 0),
        row(-0.0, crate::civil::MAX, 2_932_896),
        row(f64::MAX, 0, 2_932_897),
        row(f64::MIN_POSITIVE, 0, -719_529),
        (None, None, None, None, None, None, None, None),
    ];
    let refused: Vec<_> = refused(&batch(&rows)).into_iter().map(|(row, reason)| format!("{row} {reason}")).collect();
    assert_eq!(
        refused,
        [
            "1 column `float` holds inf, which is no finite number",
            "2 column `float` holds NaN, which is no finite number",
            "3 column `at` holds a time outside the years 0 to 9999",
            "4 column `at` holds a time outside the years 0 to 9999",
            "6 column `day` holds a date outside the years 0 to 9999",
            "7 column `day` holds a date outside the years 0 to 9999",
        ]
    );
    // What stands behind a null does not count.
    let hidden = Float64Array::new(vec![f64::NAN].into(), Some(vec![false].into()));
    let schema = Schema::new([Field::new("float", DataType::Float64)]);
    let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(hidden)]).expect("columns of the schema");
    assert!(super::refused(&columns).is_empty());
}

/// Values of decimals, lists and structs, with everything that JSON has between.
fn nested() -> (Schema, Vec<String>) {
    let types = [
        ("d", "decimal(38, 10)"),
        ("l", "list<decimal(4, 1)>"),
        ("s", "struct<a:string, at:timestamp, tags:list<bytes>, inner:struct<n:int64!>>"),
        ("ll", "list<list<struct<x:bool>>>"),
    ];
    let schema = Schema::new(types.map(|(name, data_type)| Field::new(name, data_type.parse().expect("a type"))));
    let rows = [
        r#"{"d":-1234567890123456789012345678.0123456789,"l":[1.5,null,-0.1],"s":{"a":"x,\"y\"","at":"2026-01-31T10:00:00Z","tags":["aGk=",null],"inner":{"n":1}},"ll":[[{"x":true},null],[],null]}"#,
        r#"{"d":null,"l":null,"s":null,"ll":null}"#,
        r#"{"d":0.0000000000,"l":[],"s":{"a":null,"at":null,"tags":[],"inner":null},"ll":[]}"#,
    ];
    (schema, rows.map(str::to_owned).to_vec())
}

#[test]
fn nested_values_come_back_from_json_and_csv() {
    let (schema, rows) = nested();
    let decode = |format: DecodeFormat, rows: &[String]| {
        let payloads = BinaryViewArray::from_iter_values(rows);
        let decoded = Decoder::new(&schema, format).decode(&payloads).expect("decodes");
        assert!(decoded.bad.is_empty(), "{:?}", decoded.bad);
        decoded.columns
    };
    let columns = decode(DecodeFormat::Json, &rows);
    let (mut json, mut ends) = (Vec::new(), Vec::new());
    jsonl::write_rows(&columns, &schema, &mut json, &mut ends).expect("writes");
    assert_eq!(String::from_utf8_lossy(&json).lines().collect::<Vec<_>>(), rows);
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    csv::write_rows(&columns, &schema, &mut text, &mut ends).expect("writes");
    let text = String::from_utf8(text).expect("a text");
    let names = schema.names().map(str::to_owned).collect();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(decode(DecodeFormat::Csv { delimiter: b',', columns: names, nulls: Vec::new() }, &lines), columns);
    // A part of a column has the values of its rows.
    let part = columns.slice(1, 2);
    let (mut json, mut ends) = (Vec::new(), Vec::new());
    jsonl::write_rows(&part, &schema, &mut json, &mut ends).expect("writes");
    assert_eq!(String::from_utf8_lossy(&json).lines().collect::<Vec<_>>(), rows[1..]);
}

#[test]
fn nested_values_come_back_from_parquet() {
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let (schema, rows) = nested();
    let payloads = BinaryViewArray::from_iter_values(&rows);
    let columns = Decoder::new(&schema, DecodeFormat::Json).decode(&payloads).expect("decodes").columns;
    let file =
        parquet::write_file(&schema, &[columns.slice(0, 1), columns.slice(1, 2)], Compression::Zstd).expect("writes");
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).expect("a file").build().expect("reads");
    let read: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("rows");
    let read = arrow_select::concat::concat_batches(&read[0].schema(), &read).expect("one schema");
    let decimals: &arrow_array::Decimal128Array = read.column(0).as_primitive();
    assert_eq!((decimals.precision(), decimals.scale()), (38, 10));
    assert_eq!(decimals.value(0), -12_345_678_901_234_567_890_123_456_780_123_456_789);
    let structs = read.column(2).as_struct();
    let at =
        structs.column_by_name("at").expect("a field").as_primitive::<arrow_array::types::TimestampMicrosecondType>();
    assert_eq!((at.value(0), at.timezone()), (1_769_853_600_000_000, Some("UTC")));
    let lists: &arrow_array::ListArray = read.column(3).as_list();
    assert_eq!((lists.value_length(0), lists.is_null(1), lists.value_length(2)), (3, true, 0));
}

#[test]
fn times_and_floats_inside_of_lists_are_refused_too() {
    let schema = Schema::new([Field::new("l", DataType::Float64.list())]);
    let values = Float64Array::from(vec![1.0, 2.0, f64::NAN, 4.0]);
    let lists = arrow_array::ListArray::new(
        Arc::new(arrow_schema::Field::new("item", arrow_schema::DataType::Float64, true)),
        arrow_buffer::OffsetBuffer::from_lengths([2, 0, 2]),
        Arc::new(values),
        None,
    );
    let columns = RecordBatch::try_new(schema.arrow(), vec![Arc::new(lists)]).expect("columns of the schema");
    assert_eq!(refused(&columns).into_keys().collect::<Vec<_>>(), [2]);
}
