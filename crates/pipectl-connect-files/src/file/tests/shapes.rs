//! Files that are not quite as the options say: marked as UTF-16, with a quote that is not closed, or links to nothing.

use super::*;

#[test]
fn a_byte_order_mark_overrides_the_encoding() {
    run(async {
        for encoding in [None, Some("utf-8"), Some("latin1"), Some("utf-16be")] {
            for name in ["a.log", "a.log.gz"] {
                let folder = tempfile::tempdir().expect("folder");
                let path = folder.path().join(name);
                let write = |text: &str| {
                    let bytes: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
                    let bytes = Compression::detect(&path).compress(&bytes).expect("compresses");
                    std::fs::write(&path, bytes).expect("writes");
                };
                let given = json!({ "path": name, "encoding": encoding });
                write("é1\n2\n");
                let position = next_run(folder.path(), &given, None, &["é1", "2"]).await;
                let position = next_run(folder.path(), &given, Some(position), &[]).await;
                write("é1\n2\n3ü");
                let position = next_run(folder.path(), &given, Some(position), &["3ü"]).await;
                write("é1\n2\n3ü\n4\n");
                next_run(folder.path(), &given, Some(position), &["4"]).await;
            }
        }
    });
}

#[test]
fn a_quote_that_is_not_closed_takes_one_line_with_it() {
    run(async {
        let folder = tempfile::tempdir().expect("folder");
        append(&folder, "a.csv", "a,b\n1,\"unclosed\n2,3\n");
        let given = json!({ "path": "a.csv" });
        let seen = read(folder.path(), given.clone(), Vec::new()).await.expect("reads");
        assert_eq!(seen.records, ["1,\"unclosed", "2,3"]);
        assert!(seen.rejected.len() == 1 && seen.rejected[0].contains("a quote opens here"), "{:?}", seen.rejected);
        append(&folder, "a.csv", "4,5");
        let position = next_run(folder.path(), &given, Some(seen.last), &["4,5"]).await;
        append(&folder, "a.csv", "\n6,7\n");
        next_run(folder.path(), &given, Some(position), &["6,7"]).await;
        // The header is no record, whatever is wrong with it.
        append(&folder, "b.csv", "b,a,\"c\n1,2,3\n");
        let seen = read(folder.path(), json!({ "path": "b.csv" }), Vec::new()).await.expect("reads");
        assert_eq!((seen.records, seen.rejected.len()), (vec!["1,2,3".to_owned()], 0));
    });
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_a_file_that_cannot_be_read() {
    run(async {
        for (target, reason) in [("none", "a link to `none`, which does not exist"), ("b.log", "symbolic links")] {
            let folder = tempfile::tempdir().expect("folder");
            append(&folder, "a.log", "a1\n");
            std::os::unix::fs::symlink(target, folder.path().join("b.log")).expect("link");
            append(&folder, "c.log", "c1\n");
            let given = |on_error: &str| json!({ "path": "*.log", "on_error": on_error });
            let mut records = Vec::new();
            let failing = read_into(&mut records, folder.path(), given("fail"), Vec::new()).await;
            let error = failing.map(|_| ()).expect_err("a link to nothing");
            assert!(error.message.contains("`b.log`") && error.message.contains(reason), "{error}");
            assert_eq!(records, ["a1", "c1"], "all others are read");
            next_run(folder.path(), &given("skip"), None, &["a1", "c1"]).await;
            let seen = read(folder.path(), given("dead_letter"), Vec::new()).await.expect("reads");
            assert_eq!(seen.records, ["a1", "c1", "b.log"]);
            assert!(seen.rejected.len() == 1 && seen.rejected[0].contains(reason), "{:?}", seen.rejected);
            let position = next_run(folder.path(), &given("dead_letter"), Some(seen.last), &[]).await;
            // Once it leads to a file, that is read.
            std::fs::remove_file(folder.path().join("b.log")).expect("removes");
            std::os::unix::fs::symlink("none", folder.path().join("b.log")).expect("link");
            append(&folder, "none", "b1\n");
            next_run(folder.path(), &given("dead_letter"), Some(position), &["b1"]).await;
        }
    });
}

#[test]
fn a_document_that_is_no_json_is_rejected() {
    run(async {
        for (layout, text, records, rejected) in [
            ("array", "[{\"a\":1},\n{\"a\":2", vec!["{\"a\":1}", "{\"a\":2"], 1),
            ("array", "[{\"a\":1},garbage,1,null]", vec!["{\"a\":1}", "garbage", "1", "null"], 1),
            ("concatenated", "{\"a\":1}{'b':2}{\"c\"", vec!["{\"a\":1}", "{'b':2}", "{\"c\""], 2),
            ("concatenated", "{\"a\":1e400}\n\"\\ud800\"", vec!["{\"a\":1e400}", "\"\\ud800\""], 0),
        ] {
            let folder = tempfile::tempdir().expect("folder");
            std::fs::write(folder.path().join("a.json"), text).expect("writes");
            let given = json!({ "path": "a.json", "layout": layout });
            let seen = read(folder.path(), given, Vec::new()).await.expect("reads");
            assert_eq!(seen.records, records, "{text}");
            assert_eq!(seen.rejected.len(), rejected, "{text}: {:?}", seen.rejected);
            assert!(seen.rejected.iter().all(|why| why.starts_with("the document is not valid JSON")));
        }
    });
}
