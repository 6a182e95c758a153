//! Whatever the bytes, reading ends soon and either loads or says where it is wrong.

use proptest::prelude::*;

use super::{EXAMPLE, read};

fn check(bytes: &[u8]) {
    let (loaded, problems, map) = read(&[("fuzz.yaml", bytes)]);
    for problem in &problems {
        assert!(!problem.title.is_empty() && !problem.title.contains('\n'), "{:?}", problem.title);
        for label in &problem.labels {
            let span = map.locate(&label.place).expect("every label has a place");
            assert!(span.start <= span.end && span.end <= map.file(span.file).text.len() + 1, "{span:?} {problem:?}");
            let _line = map.file(span.file).line_column(span.start);
        }
        assert!(problem.labels.iter().any(|label| label.primary), "{problem:?}");
    }
    assert!(problems.has_errors() || !loaded.pipelines.is_empty() || !loaded.environments.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn any_yaml_like_text(text in "[-a-c:{}\\[\\],&*!|>'\"%@#$?~<0-9. \n\t]{0,200}") {
        check(text.as_bytes());
    }

    #[test]
    fn any_mutation_of_an_example(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, "[-a-c:{}\\[\\],&*!|>'\"#$0-9. \n\t]{0,6}"), 1..5)
    ) {
        let mut text = EXAMPLE.to_owned();
        for (at, length, insert) in edits {
            let at = at.index(text.len());
            text.replace_range(at..(at + length).min(text.len()), &insert);
        }
        check(text.as_bytes());
    }
}

#[test]
fn sizes_are_bounded() {
    // Time is not measured here: a bomb that went off would not end at all.
    let bomb = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/diagnostics/bomb.yaml")).unwrap();
    check(&bomb);
    check("[".repeat(100_000).as_bytes());
    check("{a: ".repeat(100_000).as_bytes());
    check("- ".repeat(100_000).as_bytes());
    check(" a:\n".repeat(10_000).as_bytes());
    check("a: b\n".repeat(200_000).as_bytes());
    check(format!("a: \"{}\"\n", "x".repeat(9 * 1024 * 1024)).as_bytes());
    check(format!("a: {}\n", "x ".repeat(4 * 1024 * 1024)).as_bytes());
    check("#\n".repeat(5 * 1024 * 1024 - 1).as_bytes());
    check("---\n".repeat(100_000).as_bytes());
    check(&vec![b' '; 11 * 1024 * 1024]);
    check("&a ".repeat(100_000).as_bytes());
    check("?\n".repeat(100_000).as_bytes());
}
