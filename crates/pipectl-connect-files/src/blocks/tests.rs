use super::*;

fn cut(format: Format) -> Cut {
    Cut {
        format,
        layout: Layout::Lines,
        delimiter: b',',
        max_record: 1 << 20,
        oversize: Oversize::DeadLetter,
        encoding: None,
    }
}

fn records(format: Format, text: &str, chunk: usize) -> Vec<String> {
    struct Dribble(io::Cursor<Vec<u8>>, usize);
    impl io::Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = out.len().min(self.1);
            io::Read::read(&mut self.0, &mut out[..length])
        }
    }
    let input = Box::new(Dribble(io::Cursor::new(text.as_bytes().to_vec()), chunk));
    let mut blocks = Blocks::new(input, cut(format), Ends::default(), true);
    let mut found = Vec::new();
    while let Some(block) = blocks.next().expect("reads") {
        let payload = block.into_payload().expect("valid views");
        found.extend(payload.iter().flatten().map(|record| String::from_utf8_lossy(record).into_owned()));
    }
    found
}

#[test]
fn lines_of_all_kinds() {
    for chunk in [1, 2, 7, 1000] {
        let json = records(Format::Json, "\u{feff}{\"a\":1}\r\n\n  \n{\"a\":22222222222222222}\n{}", chunk);
        assert_eq!(json, ["{\"a\":1}", "{\"a\":22222222222222222}", "{}"], "chunks of {chunk}");
        assert_eq!(records(Format::Text, "a\n\nb\r\n", chunk), ["a", "", "b"], "chunks of {chunk}");
        let csv = records(Format::Csv, "1,\"a\nb\"\"\n\"\n2,5\" pipe\n\"x\"\"\"\"\ny\",3", chunk);
        assert_eq!(csv, ["1,\"a\nb\"\"\n\"", "2,5\" pipe", "\"x\"\"\"\"\ny\",3"], "chunks of {chunk}");
    }
    assert!(records(Format::Json, "", 1).is_empty());
    assert!(records(Format::Json, "\n\n", 1).is_empty());
}

#[test]
fn an_array_is_cut_in_pieces() {
    let text = format!("[\n{}\n]\n", ["  {\n    \"a\": \"]},\"\n  }"; 5].join(",\n"));
    for layout in [Layout::Array, Layout::Concatenated] {
        let cut = Cut { layout, ..cut(Format::Json) };
        let (records, rejected, ends) = all(cut, text.as_bytes());
        let expected = if layout == Layout::Array { 5 } else { 1 };
        assert_eq!((records.len(), rejected.len(), ends.last()), (expected, 0, Some(&(text.len() as u64))));
    }
    // One that was cut off: what is left of it is a record that the decoder refuses.
    let (records, ..) = all(Cut { layout: Layout::Array, ..cut(Format::Json) }, b"[{\"a\":1},{\"a\":");
    assert_eq!(records, ["{\"a\":1}", "{\"a\":"]);
}

/// The records, and which of them are rejected.
fn all(cut: Cut, text: &[u8]) -> (Vec<String>, Vec<String>, Vec<u64>) {
    let mut blocks = Blocks::new(Box::new(io::Cursor::new(text.to_vec())), cut, Ends::default(), false);
    let (mut records, mut rejected, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(block) = blocks.next().expect("reads") {
        rejected.extend(block.rejected.iter().map(|(record, why)| format!("{}: {why}", records.len() + record)));
        ends.push(blocks.taken().length());
        let texts = block.records.iter().map(|range| String::from_utf8_lossy(&block.bytes[range.clone()]).into_owned());
        records.extend(texts);
    }
    (records, rejected, ends)
}

#[test]
fn a_record_that_is_too_long_is_cut_off_and_the_others_are_not() {
    let small = |oversize| Cut { max_record: 10, oversize, ..cut(Format::Text) };
    let text = "ok\n1234567890ü1\nnext\n".as_bytes();
    let (records, rejected, ends) = all(small(Oversize::DeadLetter), text);
    assert_eq!(records, ["ok", "1234567890", "next"]);
    assert_eq!(ends, [3, 17, 22]);
    assert!(rejected.len() == 1 && rejected[0].starts_with("1: the record has 13 bytes"), "{rejected:?}");
    let cut_in_half = Cut { max_record: 11, ..small(Oversize::Truncate) };
    let (records, rejected, _) = all(cut_in_half, text);
    assert_eq!(records, ["ok", "1234567890", "next"], "not in the middle of a character");
    assert!(rejected.is_empty());
    let mut blocks =
        Blocks::new(Box::new(io::Cursor::new(text.to_vec())), small(Oversize::Fail), Ends::default(), false);
    assert_eq!(blocks.next().expect("reads").expect("a block").records, vec![0..2]);
    assert!(matches!(blocks.next(), Err(BlockError::TooLong(3))));
    // Without a line end at the end of the file, and longer than any block.
    let mut long = b"ok\n".to_vec();
    long.extend(vec![b'x'; 5 * BLOCK]);
    let (records, rejected, ends) = all(small(Oversize::DeadLetter), &long);
    assert_eq!(records, ["ok", "xxxxxxxxxx"]);
    assert_eq!(ends, [3, 3 + 5 * BLOCK as u64]);
    assert!(rejected[0].contains(&format!("{} bytes", 5 * BLOCK)), "{rejected:?}");
    long.extend(b"\nnext\n");
    assert_eq!(all(small(Oversize::DeadLetter), &long).0, ["ok", "xxxxxxxxxx", "next"]);
}

#[test]
fn a_quote_that_never_ends_takes_one_line_with_it() {
    let cut = Cut { max_record: 20, ..cut(Format::Csv) };
    let text = format!("1,a\n2,\"b\n{}", "3,c\n".repeat(20));
    let (records, rejected, _) = all(cut, text.as_bytes());
    assert_eq!(records.len(), 22);
    assert_eq!(records[..3], ["1,a", "2,\"b", "3,c"]);
    assert!(rejected.len() == 1 && rejected[0].contains("a quote opens here"), "{rejected:?}");
}

#[test]
fn a_quote_that_is_not_closed_before_the_end_takes_one_line_with_it() {
    let end = "does not end before the end of the input";
    let text = "text follows the next quote";
    for (input, expected, reasons) in [
        ("a,b\n1,\"x\n2,fine\n3,ok\n4,x\n", vec!["a,b", "1,\"x", "2,fine", "3,ok", "4,x"], vec![(1, end)]),
        ("1,\"x\r\n2,fine\r\n3,last", vec!["1,\"x", "2,fine", "3,last"], vec![(0, end)]),
        // The next quote is the first one of another field.
        ("1,\"x\n2,\"fine\"\n3,ok\n", vec!["1,\"x", "2,\"fine\"", "3,ok"], vec![(0, text)]),
        ("1,\"x\n2,y\n3,\"fi\nne\"\n", vec!["1,\"x", "2,y", "3,\"fi\nne\""], vec![(0, text)]),
        ("1,\"x\n\"2\",y\n", vec!["1,\"x", "\"2\",y"], vec![(0, text)]),
        ("1,\"x\n2,\"y\n3,z\n", vec!["1,\"x", "2,\"y", "3,z"], vec![(0, text), (1, end)]),
        // Each line closes a quote and opens the next.
        ("1,\"x\na\",\"b\nc\",\"d\n", vec!["1,\"x", "a\",\"b", "c\",\"d"], vec![(0, end), (1, end), (2, end)]),
        // These are closed, at least in the same line.
        ("1,\"x\ny\"\n2,\"a\n\"\"b\"\"\n\",3\n", vec!["1,\"x\ny\"", "2,\"a\n\"\"b\"\"\n\",3"], vec![]),
        ("1,\"x\ny\"\r\n2,\"x\ny\"", vec!["1,\"x\ny\"", "2,\"x\ny\""], vec![]),
        ("\"x\ny\",\"a\"b\n2,c\n", vec!["\"x\ny\",\"a\"b", "2,c"], vec![]),
        ("1,a\n2,\"x", vec!["1,a", "2,\"x"], vec![]),
    ] {
        for chunk in [1, 2, 7, 1000] {
            assert_eq!(records(Format::Csv, input, chunk), expected, "{input:?} in chunks of {chunk}");
        }
        let (_, rejected, ends) = all(cut(Format::Csv), input.as_bytes());
        assert_eq!(rejected.len(), reasons.len(), "{input:?}: {rejected:?}");
        for (found, (record, reason)) in rejected.iter().zip(reasons) {
            assert!(found.starts_with(&format!("{record}: ")) && found.contains(reason), "{input:?}: {found}");
        }
        assert_eq!(ends.last(), Some(&(input.len() as u64)));
    }
}

#[test]
fn many_quotes_that_are_not_closed_take_no_time() {
    let text = format!("1,\"x\n{}", "a\",\"b\n".repeat(200_000));
    for max_record in [1 << 10, 16 << 20] {
        let (records, rejected, _) = all(Cut { max_record, ..cut(Format::Csv) }, text.as_bytes());
        assert_eq!((records.len(), rejected.len()), (200_001, 200_001), "{max_record}");
    }
}
