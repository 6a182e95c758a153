//! What prefixes mean, and what is said about those that mean nothing.

use std::sync::Arc;

use arrow_array::{
    BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    builder::BinaryViewBuilder,
};
use arrow_schema::{DataType, Field, Schema};
use jiff::tz::TimeZone;
use pipectl_data::{Batch, PayloadFormat, timestamp};
use pipectl_diag::codes::options::{PREFIX_BRACES, PREFIX_PATH, PREFIX_PLACEHOLDER, PREFIX_TIME_FORMAT};

use super::{
    Renderer, Rows, Template,
    value::{self, NULL},
};

const HOUR: i64 = 3_600_000_000;
/// 2026-01-31T10:00:00Z.
const TEN: i64 = 1_769_853_600_000_000;

fn batch(arrival: Vec<i64>) -> Batch {
    let mut payload = BinaryViewBuilder::new();
    for _ in &arrival {
        payload.append_value(b"{}");
    }
    let offsets = (0..arrival.len() as i64).collect::<Vec<_>>();
    Batch::raw(0, Int64Array::from(offsets), Int64Array::from(arrival), payload.finish(), PayloadFormat::Json)
}

fn split_in(prefix: &str, batch: &Batch, zone: &str) -> Vec<(String, Rows)> {
    let template = Template::parse(prefix).expect("the prefix is right");
    let renderer = Renderer::new(template, TimeZone::get(zone).expect("the zone exists"));
    let groups = renderer.split(batch).expect("splits");
    groups.into_iter().map(|group| (group.prefix.unwrap_or_else(|reason| reason), group.rows)).collect()
}

fn split(prefix: &str, batch: &Batch) -> Vec<(String, Rows)> {
    split_in(prefix, batch, "UTC")
}

fn first(prefix: &str) -> String {
    split(prefix, &batch(vec![TEN])).swap_remove(0).0
}

#[test]
fn ours_and_firehoses_spelling_mean_the_same() {
    let expected = "raw/year=2026/month=01/day=31/hour=10/";
    assert_eq!(first("raw/{arrival:year=%Y/month=%m/day=%d/hour=%H}/"), expected);
    assert_eq!(
        first("raw/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/"),
        expected
    );
    assert_eq!(first("!{timestamp:'year='yyyy'/it''s'/DDD/MMM-100%/h a}/"), "year=2026/it's/031/Jan-100%/10 AM/");
    assert_eq!(first("a{{b}}c-%Y-"), "a{b}c-%Y-");
}

#[test]
fn a_batch_within_one_hour_is_one_group_and_others_are_split_in_order() {
    let prefix = "{arrival:%H}/";
    assert_eq!(split(prefix, &batch(vec![TEN, TEN + HOUR - 1])), [("10/".to_owned(), Rows::All)]);
    // Within one hour but not within one minute: the rows are looked at and are still one group.
    assert_eq!(
        split(prefix, &batch(vec![TEN, TEN + HOUR, TEN + 1])),
        [("10/".to_owned(), Rows::Some(vec![0, 2])), ("11/".to_owned(), Rows::Some(vec![1]))]
    );
    assert_eq!(split("{arrival:%S%3f}", &batch(vec![TEN, TEN + 1000])).len(), 2, "down to milliseconds");
    assert!(split(prefix, &batch(vec![])).is_empty());
}

#[test]
fn times_follow_the_zone() {
    assert_eq!(split_in("{arrival:%FT%H%z}", &batch(vec![TEN]), "Europe/Berlin")[0].0, "2026-01-31T11+0100");
}

#[test]
fn event_times_may_be_missing_for_a_record_but_not_for_a_batch() {
    let mut batch = batch(vec![TEN; 3]);
    let renderer = Renderer::new(Template::parse("{event:%H}/").expect("parses"), TimeZone::UTC);
    assert!(renderer.split(&batch).is_err());
    batch.event_time = Some(Int64Array::from(vec![None, Some(TEN), Some(i64::MAX)]));
    let prefixes: Vec<_> = split("{event:%H}/", &batch).into_iter().collect();
    assert_eq!(
        prefixes,
        [
            (format!("{NULL}/"), Rows::Some(vec![0])),
            ("10/".to_owned(), Rows::Some(vec![1])),
            (
                "the prefix of its file cannot be made from the event time: the time is outside the years 0 to 9999"
                    .to_owned(),
                Rows::Some(vec![2])
            ),
        ]
    );
    let prefix = "lake/{event:year=%Y/month=%m/fixed/%H}/";
    assert_eq!(split(prefix, &batch)[0].0, format!("lake/year={NULL}/month={NULL}/fixed/{NULL}/"));
}

/// The date that stands for "for ever" in many systems lies behind the end of the library's instants.
#[test]
fn both_ends_of_the_range_can_be_in_a_prefix() {
    let times = [
        ("0001-01-01T00:00:00Z", "2026/0001-01-01/0001-01-01T00%3A00%3A00Z"),
        ("9999-12-30T22:00:00Z", "2026/9999-12-30/9999-12-30T22%3A00%3A00Z"),
        ("9999-12-31T00:00:00Z", "2026/9999-12-31/9999-12-31T00%3A00%3A00Z"),
        ("9999-12-31T23:59:59.999999Z", "2026/9999-12-31/9999-12-31T23%3A59%3A59.999999Z"),
    ];
    let micros: Vec<i64> = times.iter().map(|(text, _)| timestamp::parse(text).expect(text)).collect();
    let fields = vec![
        Field::new("at", DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None), true),
        Field::new("day", DataType::Date32, true),
    ];
    let days: Vec<i32> = micros.iter().map(|at| i32::try_from(at.div_euclid(24 * HOUR)).expect("fits")).collect();
    let columns = |at: Vec<i64>, day: Vec<i32>| {
        let rows = at.len();
        let columns = RecordBatch::try_new(
            Arc::new(Schema::new(fields.clone())),
            vec![Arc::new(TimestampMicrosecondArray::from(at)), Arc::new(Date32Array::from(day))],
        );
        batch(vec![TEN; rows]).with_columns(columns.expect("columns fit"))
    };
    let batch = columns(micros.clone(), days.clone());
    for prefix in ["{arrival:%Y}/{at:%Y-%m-%d}/{at}", "{arrival:%Y}/{day}/{at}"] {
        let expected: Vec<String> = times.iter().map(|(_, rendered)| (*rendered).to_owned()).collect();
        let rendered: Vec<String> = split(prefix, &batch).into_iter().map(|group| group.0).collect();
        assert_eq!(rendered, expected, "{prefix}");
    }
    assert_eq!(split("{day:%Y-%m}/", &batch).last().expect("some").0, "9999-12/");
    assert_eq!(split_in("{at:%Y-%m-%d %Z}/", &batch, "America/New_York").last().expect("some").0, "9999-12-31 EST/");

    // The zone's clock leaves the range before UTC's does.
    for (zone, row) in [("Europe/Berlin", 3), ("Pacific/Auckland", 2)] {
        let zone = TimeZone::get(zone).expect(zone);
        let renderer = Renderer::new(Template::parse("{at:%Y-%m-%d}").expect("the prefix is right"), zone);
        let last = renderer.split(&batch.slice(row, 1).expect("slices")).expect("splits");
        let reason = last.first().expect("a group").prefix.clone();
        assert_eq!(reason.is_err(), row == 3, "{reason:?}");
    }

    let outside = columns(vec![i64::MAX, -62_167_219_200_000_001], vec![i32::MAX, i32::MIN]);
    for (prefix, column) in [("{at}", "at"), ("{at:%Y}", "at"), ("{day}", "day"), ("{day:%Y}", "day")] {
        let renderer = Renderer::new(Template::parse(prefix).expect("the prefix is right"), TimeZone::UTC);
        for group in renderer.split(&outside).expect("splits") {
            let reason = group.prefix.expect_err("no null and no year of five digits");
            assert!(reason.contains(&format!("column `{column}`")) && reason.contains("0 to 9999"), "{reason}");
        }
    }
}

#[test]
fn values_are_made_safe() {
    let fields = [
        ("text", DataType::Utf8View),
        ("int", DataType::Int64),
        ("float", DataType::Float64),
        ("flag", DataType::Boolean),
        ("at", DataType::Timestamp(arrow_schema::TimeUnit::Microsecond, None)),
        ("day", DataType::Date32),
    ];
    let schema = Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec());
    let columns = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringViewArray::from(vec![Some("a/ü b"), None, Some("..")])),
            Arc::new(Int64Array::from(vec![Some(-1), None, Some(7)])),
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(2.0)])),
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(TEN), None, Some(TEN)])),
            Arc::new(Date32Array::from(vec![Some(0), None, Some(20_484)])),
        ],
    )
    .expect("columns fit");
    let batch = batch(vec![TEN; 3]).with_columns(columns);
    let prefixes: Vec<_> = split("{text}/{int}/{float}/{flag}/{at}/{at:%H}/{day}/{day:%Y}/", &batch)
        .into_iter()
        .map(|group| group.0)
        .collect();
    assert_eq!(
        prefixes,
        [
            "a%2Fü%20b/-1/1.5/true/2026-01-31T10%3A00%3A00Z/10/1970-01-01/1970/",
            &format!("{NULL}/{NULL}/{NULL}/{NULL}/{NULL}/{NULL}/{NULL}/{NULL}/"),
            "%2E%2E/7/2/false/2026-01-31T10%3A00%3A00Z/10/2026-01-31/2026/",
        ]
    );
    assert_eq!(
        split("!{partitionKeyFromQuery:int}/", &batch).into_iter().map(|group| group.0).collect::<Vec<_>>(),
        ["-1/", &format!("{NULL}/"), "7/"]
    );
}

#[test]
fn values_follow_the_rule_of_hive() {
    let escaped = |text: &str| {
        let mut out = String::new();
        value::escape(text, &mut out);
        out
    };
    for (text, expected) in [
        ("", NULL),
        ("a=b", "a%3Db"),
        ("100%", "100%25"),
        ("10:30", "10%3A30"),
        ("a/b\\c", "a%2Fb%5Cc"),
        ("x\"#'*?{[]^}", "x%22%23%27%2A%3F%7B%5B%5D%5E}"),
        ("\0\u{1}\t\n\u{1f}\u{7f}", "%00%01%09%0A%1F%7F"),
        ("\u{85}", "%C2%85"),
        (" <>|", "%20%3C%3E%7C"),
        ("+&;$~!(),@-_.", "+&;$~!(),@-_."),
        ("日本-é🙂", "日本-é🙂"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("..a", "..a"),
        (NULL, "%5F_HIVE_DEFAULT_PARTITION__"),
        ("__null__", "__null__"),
        ("null", "%6Eull"),
        ("NULL", "%4EULL"),
        ("nulls", "nulls"),
        ("__empty__", "__empty__"),
    ] {
        assert_eq!(escaped(text), expected, "{text:?}");
    }
}

/// No two values share a folder but null and the empty text, and none leaves its step.
#[test]
fn values_stay_apart() {
    let mut rng = pipectl_host::Rng::new(11, "values");
    let pieces = ["", "_", "__HIVE_DEFAULT_PARTITION__", "%5F", "%", "2", "=", "/", ".", "é", " ", "\u{0}", "a", "A"];
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..50_000 {
        let text: String = (0..rng.below(5)).map(|_| pieces[rng.below(pieces.len() as u64) as usize]).collect();
        let mut out = String::new();
        value::escape(&text, &mut out);
        assert!(!out.is_empty() && !out.contains(['/', '=', '\\', '\0']) && out != "." && out != "..", "{text:?}");
        let other = seen.entry(out).or_insert_with(|| text.clone());
        assert_eq!(*other, text);
    }
}

#[test]
fn every_fault_is_found_at_its_place() {
    let cases = [
        ("raw/{arrival:%Y/", PREFIX_BRACES, "{arrival:%Y/"),
        ("raw/{arrival{event:%Y}", PREFIX_BRACES, "{arrival"),
        ("raw/}/", PREFIX_BRACES, "}"),
        ("raw/{arrival}/", PREFIX_PLACEHOLDER, "{arrival}"),
        ("raw/{}/", PREFIX_PLACEHOLDER, "{}"),
        ("raw/{event:}/", PREFIX_PLACEHOLDER, "{event:}"),
        ("raw/{arrival:%Y/%K}/", PREFIX_TIME_FORMAT, "%K"),
        ("raw/{arrival:%Y%}/", PREFIX_TIME_FORMAT, "%"),
        ("raw/{arrival:%-é}/", PREFIX_TIME_FORMAT, "%-é"),
        ("raw/{field:%n}/", PREFIX_TIME_FORMAT, "%n"),
        ("raw/!{timestamp:YYYY/MM}/", PREFIX_TIME_FORMAT, "YYYY"),
        ("raw/!{timestamp:yyyy/'x}/", PREFIX_TIME_FORMAT, "'x"),
        ("raw/!{timestamp}/", PREFIX_PLACEHOLDER, "!{timestamp}"),
        ("raw/!{timestmp:yyyy}/", PREFIX_PLACEHOLDER, "timestmp"),
        ("raw/!{firehose:random-string}/", PREFIX_PLACEHOLDER, "!{firehose:random-string}"),
        ("/raw/", PREFIX_PATH, "/"),
        ("raw//x/", PREFIX_PATH, "//"),
        ("raw/../x/", PREFIX_PATH, ".."),
        ("raw/..", PREFIX_PATH, ".."),
        ("raw/a\tb/", PREFIX_PATH, "\t"),
    ];
    for (prefix, code, place) in cases {
        let errors = Template::parse(prefix).expect_err(prefix);
        assert_eq!(errors.len(), 1, "{prefix}: {errors:?}");
        let at = if place == "%" { prefix.rfind('%') } else { prefix.find(place) }.expect("the place is in the prefix");
        assert_eq!((errors[0].code, errors[0].range.clone()), (code, at..at + place.len()), "{prefix}: {errors:?}");
    }
    assert_eq!(Template::parse("{arrival:%K}/{arrival}/{x").expect_err("three faults").len(), 3);
}

#[test]
fn parsing_never_panics() {
    let mut rng = pipectl_host::Rng::new(7, "prefixes");
    let pieces =
        ["{", "}", "!{", ":", "%", "Y", "é", "'", "/", ".", "arrival", "timestamp", "yyyy", "event", "\n", "-"];
    for _ in 0..20_000 {
        let text: String = (0..rng.below(9)).map(|_| pieces[rng.below(pieces.len() as u64) as usize]).collect();
        match Template::parse(&text) {
            Ok(template) => {
                assert!(template.parts.len() <= 9);
            }
            Err(errors) => {
                for error in errors {
                    assert!(text.get(error.range.clone()).is_some(), "{text:?}: {error:?}");
                }
            }
        }
    }
}
