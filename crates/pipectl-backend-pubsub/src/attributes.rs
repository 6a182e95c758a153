//! Headers as attributes and back: attributes are a map of texts, headers a list of bytes.
//!
//! A header that is a text under a name of its own is an attribute as it is, so that foreign clients and filters see
//! it. What a map of texts cannot hold goes under names that say how to read it (see the crate's table).

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use crate::limits::{MAX_ATTRIBUTE_NAME, MAX_ATTRIBUTE_VALUE, MAX_ATTRIBUTES};

const BASE64_PREFIX: &str = "pipectl.base64.";
const NULL_PREFIX: &str = "pipectl.null.";
const REPEAT_PREFIX: &str = "pipectl.repeat.";
const ORDER: &str = "pipectl.order";

/// A header's value; `None` is null.
pub(crate) type Value = Option<Vec<u8>>;

/// The headers of a record as attributes; an error says in one line why they cannot be.
pub(crate) fn write<'a>(
    headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    attributes: &mut HashMap<String, String>,
) -> Result<(), String> {
    let mut repeats: HashMap<&str, usize> = HashMap::new();
    let mut written: Vec<(&str, usize)> = Vec::new();
    for (name, value) in headers {
        let repeat = repeats.entry(name).and_modify(|count| *count += 1).or_insert(0);
        let plain = if *repeat == 0 { name.to_owned() } else { format!("{REPEAT_PREFIX}{repeat}.{name}") };
        let (attribute, text) = match value.map(std::str::from_utf8) {
            None => (format!("{NULL_PREFIX}{plain}"), String::new()),
            Some(Ok(text)) => (plain, text.to_owned()),
            Some(Err(_)) => (format!("{BASE64_PREFIX}{plain}"), BASE64.encode(value.unwrap_or_default())),
        };
        check(&attribute, &text)?;
        attributes.insert(attribute, text);
        written.push((name, *repeat));
    }
    if let Some(order) = order(&written) {
        check(ORDER, &order)?;
        attributes.insert(ORDER.to_owned(), order);
    }
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(format!("{} headers are more than the {MAX_ATTRIBUTES} that Pub/Sub accepts", attributes.len()));
    }
    Ok(())
}

/// Whether the service takes an attribute.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("Pub/Sub accepts no header without a name".to_owned());
    }
    if name.starts_with("goog") {
        return Err(format!("header `{name}`: names that begin with `goog` are reserved for Google"));
    }
    if name.len() > MAX_ATTRIBUTE_NAME {
        return Err(format!("a header's name has {} bytes, Pub/Sub accepts at most {MAX_ATTRIBUTE_NAME}", name.len()));
    }
    if value.len() > MAX_ATTRIBUTE_VALUE {
        let length = value.len();
        return Err(format!(
            "header `{name}` has a value of {length} bytes, Pub/Sub accepts at most {MAX_ATTRIBUTE_VALUE}"
        ));
    }
    Ok(())
}

/// For each header in the written order its place in the order of names; `None` where that is the same.
fn order(written: &[(&str, usize)]) -> Option<String> {
    if written.is_sorted() {
        return None;
    }
    let mut sorted = written.to_vec();
    sorted.sort_unstable();
    let places = written.iter().map(|header| sorted.partition_point(|other| other < header).to_string());
    Some(places.collect::<Vec<_>>().join(","))
}

/// The headers that attributes stand for.
pub(crate) fn read(mut attributes: HashMap<String, String>) -> Vec<(String, Value)> {
    let order = attributes.remove(ORDER);
    let mut found: Vec<((String, usize), Value)> =
        attributes.into_iter().map(|(name, text)| entry(&name, text)).collect();
    found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let mut headers: Vec<Option<(String, Value)>> =
        found.into_iter().map(|((name, _), value)| Some((name, value))).collect();
    let places: Vec<usize> = match order {
        Some(order) => order.split(',').filter_map(|place| place.parse().ok()).collect(),
        None => Vec::new(),
    };
    let mut ordered: Vec<(String, Value)> =
        places.iter().filter_map(|place| headers.get_mut(*place).and_then(Option::take)).collect();
    // What the order does not name (somebody added an attribute) comes last.
    ordered.extend(headers.into_iter().flatten());
    ordered
}

/// What one attribute says. One that only looks like ours is a header like any other.
fn entry(attribute: &str, text: String) -> ((String, usize), Value) {
    if let Some(rest) = attribute.strip_prefix(NULL_PREFIX) {
        return (repeated(rest), None);
    }
    if let Some(rest) = attribute.strip_prefix(BASE64_PREFIX)
        && let Ok(bytes) = BASE64.decode(&text)
    {
        return (repeated(rest), Some(bytes));
    }
    (repeated(attribute), Some(text.into_bytes()))
}

fn repeated(attribute: &str) -> (String, usize) {
    attribute
        .strip_prefix(REPEAT_PREFIX)
        .and_then(|rest| rest.split_once('.'))
        .and_then(|(repeat, name)| Some((name.to_owned(), repeat.parse().ok()?)))
        .unwrap_or_else(|| (attribute.to_owned(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Header<'a> = (&'a str, Option<&'a [u8]>);

    fn there(headers: &[Header<'_>]) -> HashMap<String, String> {
        let mut attributes = HashMap::new();
        write(headers.iter().copied(), &mut attributes).unwrap();
        attributes
    }

    fn back(headers: &[Header<'_>]) -> Vec<(String, Value)> {
        read(there(headers))
    }

    #[test]
    fn plain_texts_are_attributes_as_they_are() {
        let attributes = there(&[("region", Some(b"eu")), ("trace", Some(b"1"))]);
        assert_eq!(attributes, HashMap::from([("region".into(), "eu".into()), ("trace".into(), "1".into())]));
    }

    #[test]
    fn every_list_of_headers_comes_back_as_it_was() {
        let cases: [&[Header<'_>]; 6] = [
            &[],
            &[("b", Some(b"1")), ("a", Some(b"2"))],
            &[("a", Some(b"1")), ("a", Some(b"2")), ("a", None)],
            &[("bytes", Some(&[0xff, 0x00])), ("none", None), ("empty", Some(b""))],
            &[("z", None), ("z", Some(&[0x80])), ("y", Some("größe".as_bytes())), ("z", Some(b"t"))],
            &[("pipectl.order", None)],
        ];
        for case in cases {
            let expected: Vec<(String, Value)> =
                case.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect();
            assert_eq!(back(case), expected);
        }
    }

    #[test]
    fn more_than_ten_headers_keep_their_order() {
        let names: Vec<String> = (0..25).rev().map(|number| format!("h{number}")).collect();
        let headers: Vec<Header<'_>> = names.iter().map(|name| (name.as_str(), Some(&b"x"[..]))).collect();
        let read: Vec<String> = back(&headers).into_iter().map(|(name, _)| name).collect();
        assert_eq!(read, names);
    }

    #[test]
    fn what_the_service_would_refuse_is_reported() {
        let refuse = |headers: &[Header<'_>]| write(headers.iter().copied(), &mut HashMap::new()).unwrap_err();
        assert!(refuse(&[("", Some(b"x"))]).contains("without a name"));
        assert!(refuse(&[("google.id", Some(b"x"))]).contains("reserved for Google"));
        assert!(refuse(&[("a", Some(&[b'x'; 1_025]))]).contains("1025 bytes"));
        let long = "n".repeat(257);
        assert!(refuse(&[(&long, Some(b"x"))]).contains("257 bytes"));
        let names: Vec<String> = (100..201).map(|number| number.to_string()).collect();
        let many: Vec<Header<'_>> = names.iter().map(|name| (name.as_str(), Some(&b"x"[..]))).collect();
        assert!(refuse(&many).contains("101 headers"));
    }

    #[test]
    fn foreign_attributes_with_odd_names_are_headers() {
        let attributes = HashMap::from([
            ("pipectl.base64.x".to_owned(), "not base64!".to_owned()),
            ("pipectl.repeat.y".to_owned(), "1".to_owned()),
            ("pipectl.order".to_owned(), "7,x,0".to_owned()),
        ]);
        let names: Vec<String> = read(attributes).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["pipectl.base64.x", "pipectl.repeat.y"]);
    }
}
