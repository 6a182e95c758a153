//! Lines as real servers write them, and arbitrary ones.

use arrow_array::{RecordBatch, cast::AsArray};
use pipectl_data::{decode::RowBuilder, encode, timestamp};
use proptest::prelude::*;

use super::*;

fn read(format: LogFormat, line: &str) -> Result<RecordBatch, String> {
    let mut row = RowBuilder::new(&schema(format), 1);
    row.begin();
    AccessLog::new(format).line(line, &mut row)?;
    row.end()?;
    Ok(row.finish().expect("columns"))
}

/// The row as JSON, without the fields that are null.
fn shown(format: LogFormat, line: &str) -> String {
    match read(format, line) {
        Ok(columns) => {
            let (mut out, mut ends) = (Vec::new(), Vec::new());
            encode::jsonl::write_rows(&columns, &schema(format), &mut out, &mut ends).expect("JSON");
            let row: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).expect("JSON");
            let present: serde_json::Map<_, _> = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
            serde_json::Value::from(present).to_string()
        }
        Err(message) => format!("! {message}"),
    }
}

#[test]
fn real_lines() {
    use LogFormat::{Combined, Common, NginxMain, VhostCombined};
    let lines = [
        (Common, r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#),
        (Common, r#"host.example ident "-" [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 304 -"#),
        (
            Combined,
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)""#,
        ),
        (Combined, r#"2001:db8::17 - - [31/Dec/2025:23:59:60 +0100] "HEAD /?a=%20b HTTP/2.0" 206 0 "-" "-""#),
        (
            Combined,
            r#"::1 - - [01/Jan/2026:00:00:00 +0000] "OPTIONS * HTTP/1.0" 200 126 "-" "Apache (internal dummy connection)""#,
        ),
        (
            Combined,
            r#"192.0.2.1 - a b [c] [01/Jan/2026:00:00:00 +0000] "GET /a b HTTP/1.1" 400 0 "" "a \"quoted\" agent\\""#,
        ),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "\x16\x03\x01\x02\x00\x01\x00" 400 157 "-" "-""#),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "-" 408 - "-" "-""#),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "" 400 0 "-" "-""#),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /old" 200 5 "-" "-""#),
        (
            Combined,
            r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 499 0 "https://x.example/ü?q=ö" "агент""#,
        ),
        (Combined, "192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] \"M-SEARCH /x HTTP/1.1\" 200 1 \"-\" \"x\" \r"),
        (Combined, r#"192.0.2.1 -  [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (
            NginxMain,
            r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 615 "-" "curl/8.14.1" "203.0.113.9, 198.51.100.2""#,
        ),
        (
            VhostCombined,
            r#"www.example.com:443 192.0.2.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 615 "-" "curl/8.14.1""#,
        ),
        (
            VhostCombined,
            r#"[2001:db8::1]:80 2001:db8::9 - anna b [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (VhostCombined, r#"localhost 127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (VhostCombined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (
            VhostCombined,
            r#"a:1 192.0.2.4, 198.51.100.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (
            Combined,
            r#"www.example.com:443 192.0.2.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 615 "-" "curl/8.14.1""#,
        ),
        (
            Combined,
            r#"www.example.com:443 192.0.2.4 - anna [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (
            Combined,
            r#"www.example.com client.example - anna [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (Combined, r#"2001:db8::1, 198.51.100.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (
            Combined,
            r#"2001:db8::1, 10.0.0.1, 198.51.100.9 - frank [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (Combined, r#"- 192.0.2.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (
            Combined,
            r#"Jan 10 00:00:00 web nginx: host.example - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (
            Combined,
            r#"Jan 10 00:00:00 web nginx: host.example - anna [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#,
        ),
        (NginxMain, r#"x 192.0.2.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x" "-""#),
        (Common, r#"x 192.0.2.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1"#),
        (Combined, r#"192.0.2.1 - a - b [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (VhostCombined, r#"192.0.2.1 - john doe [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#),
        (VhostCombined, r#"192.0.2.1, 10.0.0.1 - anna [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#),
        (VhostCombined, r#"www.example.com:443 - - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#),
        (Combined, r#"www.example.com anna bob carol [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#),
        (Combined, r#"192.0.2.1,198.51.100.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#),
        (Common, ""),
        (Common, "192.0.2.1"),
        (Common, "192.0.2.1 - - [01/Jan/2026 00:00:00] \"GET / HTTP/1.1\" 200 1"),
        (Common, r#"192.0.2.1 - - [01/Jom/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1"#),
        (Common, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" OK 1"#),
        (Common, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 99999999999999999999"#),
        (Common, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1"#),
        (Common, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x""#),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1"#),
        (Combined, r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "x"0.004"#),
    ];
    let shown: Vec<String> = lines.iter().map(|(format, line)| format!("{line}\n  {}", shown(*format, line))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn the_remembered_time_is_the_right_one() {
    let mut log = AccessLog::new(LogFormat::Common);
    let lines: Vec<String> = [0, 0, 1, 0, 59]
        .iter()
        .map(|second| format!("a - - [01/Jan/2026:00:00:{second:02} +0000] \"GET / HTTP/1.1\" 200 1"))
        .collect();
    let mut row = RowBuilder::new(&schema(LogFormat::Common), 5);
    for line in &lines {
        row.begin();
        log.line(line, &mut row).and_then(|()| row.end()).expect("a row");
    }
    let columns = row.finish().expect("columns");
    let times = columns.column(TIME).as_primitive::<arrow_array::types::TimestampMicrosecondType>();
    let start = timestamp::parse("2026-01-01").expect("a time");
    let seconds: Vec<i64> = times.values().iter().map(|time| (time - start) / 1_000_000).collect();
    assert_eq!(seconds, [0, 0, 1, 0, 59]);
}

const LINE: &str = r#"192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326 "https://x.example/" "an \"agent\"""#;

proptest! {
    #[test]
    fn no_text_panics(line in "\\PC*") {
        let _any = read(LogFormat::Combined, &line);
    }

    #[test]
    fn no_damage_panics(at in 0..LINE.len(), with in "\\PC{0,3}", length in 0_usize..20) {
        let mut line = LINE.to_owned();
        line.replace_range(at..(at + length).min(LINE.len()), &with);
        for format in [LogFormat::Common, LogFormat::Combined, LogFormat::NginxMain, LogFormat::VhostCombined] {
            let _any = read(format, &line);
        }
    }
}
