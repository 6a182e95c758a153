//! Files that are not quite as the options say: cut off in the middle of a character, marked as UTF-16, with a quote that is
//! not closed, or links to nothing.

use super::*;

#[test]
fn half_a_character_at_the_end_waits_for_its_other_half() {
    for (encoding, mark, big) in
        [("utf-16", false, false), ("utf-16", true, true), ("utf-16le", false, false), ("utf-16be", true, true)]
    {
        let encode = |text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        for (whole, next, half, expected) in [
            ("a\nb", "c\n", 1, &["bc"][..]),
            ("a\nb", "\n", 1, &[]),
            ("a\nb", "😀\n", 1, &["b😀"]),
            ("a\nb", "😀\n", 2, &["b😀"]),
            ("a\nb", "😀\n", 3, &["b😀"]),
            ("a\n", "b\n", 1, &["b"]),
        ] {
            run(async |folder| {
                let log = folder.join("a.log");
                let next = encode(next);
                let (first, rest) = next.split_at(half);
                append_bytes(&log, &encode(if mark { "\u{feff}" } else { "" }));
                append_bytes(&log, &[&encode(whole), first].concat());
                let given = json!({ "encoding": encoding, "until_idle": "1s" });
                let ends = |position: Vec<Value>| {
                    let mut reader = open(folder, given.clone(), position);
                    async move { to_the_end(&mut reader).await }
                };
                let (lines, position) = ends(Vec::new()).await;
                assert_eq!(lines, whole.lines().collect::<Vec<_>>(), "{encoding} {half} {next:?}");
                let (lines, position) = ends(vec![position]).await;
                assert!(lines.is_empty(), "{lines:?}");
                append_bytes(&log, rest);
                assert_eq!(ends(vec![position]).await.0, expected, "{encoding} {half} {next:?}");
            });
        }
    }
}

#[test]
fn a_line_that_is_too_long_may_grow_by_half_a_character() {
    run(async |folder| {
        let log = folder.join("a.log");
        let encode = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let given = json!({ "encoding": "utf-16le", "max_record": "4B", "on_oversize": "truncate" });
        let mut reader = open(folder, given, Vec::new());
        for byte in encode("0123456789\nnext\n") {
            append_bytes(&log, &[byte]);
            if byte == b'6' || byte == 0 {
                continue;
            }
            let lines = drain(&mut reader).await;
            assert!(lines.is_empty() || lines == ["0123"], "{lines:?}");
        }
        assert_eq!(drain(&mut reader).await, ["next"]);
    });
}

#[test]
fn a_byte_order_mark_overrides_the_encoding() {
    for encoding in [None, Some("utf-8"), Some("latin1"), Some("utf-16be")] {
        run(async |folder| {
            let log = folder.join("a.log");
            let encode = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
            append_bytes(&log, &encode("\u{feff}é1\nਊ2\nha"));
            let given = json!({ "encoding": encoding });
            let mut reader = open(folder, given.clone(), Vec::new());
            assert_eq!(drain(&mut reader).await, ["é1", "ਊ2"], "{encoding:?}");
            append_bytes(&log, &encode("lf\n4\n"));
            let mut reader = open(folder, given, vec![reader.position()]);
            assert_eq!(drain(&mut reader).await, ["half", "4"], "{encoding:?}");
            append_bytes(&folder.join("b.log"), "\u{feff}ü\n".as_bytes());
            assert_eq!(drain(&mut reader).await, ["ü"], "{encoding:?}");
        });
    }
}

#[test]
fn a_quote_that_is_not_closed_waits_until_the_end() {
    run(async |folder| {
        let log = folder.join("a.csv");
        append(&log, "1,a\n2,\"unclosed\n3,c\n");
        let given = json!({ "path": "a.csv", "format": "csv" });
        let mut reader = open(folder, given.clone(), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1,a"], "it may still be closed");
        let half = reader.position();
        let mut finishing = given.clone();
        finishing["until_idle"] = json!("1s");
        let mut reader = open(folder, finishing.clone(), vec![half.clone()]);
        let (lines, position) = to_the_end(&mut reader).await;
        assert_eq!(lines, ["2,\"unclosed", "3,c"]);
        append(&log, "4,d\n");
        let mut reader = open(folder, finishing, vec![position]);
        assert_eq!(to_the_end(&mut reader).await.0, ["4,d"]);
        // Text after a quote shows at once that another one is missing.
        append(&log, "5,\"e\"\n");
        let mut reader = open(folder, given, vec![half]);
        let Ok(Read::Records(batch)) = reader.next().await else { panic!("records") };
        let (kept, rejected) = batch.split_rejected().expect("splits");
        let (_, reasons) = rejected.expect("one");
        assert_eq!((kept.len(), reasons.len()), (3, 1), "{reasons:?}");
    });
}

#[cfg(unix)]
#[test]
fn a_link_whose_target_may_come_is_waited_for() {
    run(async |folder| {
        append(&folder.join("a.log"), "1\n");
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.join(name)).expect("a link");
        link("later", "b.log");
        let mut reader = open(folder, json!({ "on_error": "fail" }), Vec::new());
        assert_eq!(drain(&mut reader).await, ["1"]);
        append(&folder.join("later"), "2\n");
        assert_eq!(drain(&mut reader).await, ["2"]);
        // One that can never lead to a file cannot be read.
        link("c.log", "c.log");
        let error = loop {
            match reader.next().await {
                Ok(Read::End) => panic!("ended"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.message.contains("c.log"), "{error}");
        let mut reader = open(folder, json!({ "on_error": "dead_letter" }), Vec::new());
        let mut lines = drain(&mut reader).await;
        lines.sort();
        assert!(lines.len() == 3 && lines[0].ends_with("c.log"), "{lines:?}");
    });
}
