//! Values inside JSON texts, without building a tree: what is not on the path is only passed over.

use std::{fmt, sync::Arc};

use arrow_array::types::{Float64Type, Int64Type};
use pipectl_data::whole::{self, Whole};
use pipectl_ir::{
    json_path::{self, Step},
    query::Expr,
};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_bools, build_texts},
    bug, constant, fault,
};

pub(super) fn kernel(name: &str, args: &[Expr]) -> Result<Option<Kernel>, Fault> {
    if !name.starts_with("json_") {
        return Ok(None);
    }
    let path = match args.len() {
        1 => Vec::new(),
        _ => json_path::parse(constant(args, 1)?).map_err(|(_, why)| bug(why))?,
    };
    Ok(Some(match name {
        "json_get" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| Ok(at(texts.get(row), &path)?.map(|value| out.push_str(value))))
        }),
        "json_text" => {
            Arc::new(move |args, rows| {
                let texts = Texts::of(args, 0)?;
                build_texts(rows, |row, out| {
                    let Some(value) = at(texts.get(row), &path)? else { return Ok(None) };
                    if value.starts_with('"') {
                        out.push_str(&serde_json::from_str::<String>(value).map_err(|_| {
                            fault("the string at the path has half of a surrogate pair, so it is no text")
                        })?);
                    } else {
                        out.push_str(value);
                    }
                    Ok(Some(()))
                })
            })
        }
        "json_int" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| match at(texts.get(row), &path)? {
                Some(value) => match whole::parse(value) {
                    Some(Whole::Int(number)) => Ok(Some(number)),
                    Some(Whole::Beyond) => Err(fault(format!("the number {} does not fit int64", shown(value)))),
                    Some(Whole::Fraction) | None => Err(unlike(value, "a whole number")),
                },
                None => Ok(None),
            })
        }),
        "json_float" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Float64Type>(rows, |row| match at(texts.get(row), &path)? {
                Some(value) => serde_json::from_str(value).map(Some).map_err(|_| {
                    if is_number(value) {
                        fault(format!("the number {} does not fit float64", shown(value)))
                    } else {
                        unlike(value, "a number")
                    }
                }),
                None => Ok(None),
            })
        }),
        "json_bool" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_bools(rows, |row| match at(texts.get(row), &path)? {
                Some("true") => Ok(Some(true)),
                Some("false") => Ok(Some(false)),
                Some(value) => Err(unlike(value, "true or false")),
                None => Ok(None),
            })
        }),
        "json_exists" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_bools(rows, |row| match texts.get(row) {
                None => Ok(None),
                text => Ok(Some(found(text, &path)?.is_some())),
            })
        }),
        "json_length" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| match at(texts.get(row), &path)? {
                Some(value) if value.starts_with('[') => {
                    let elements: Vec<IgnoredAny> = serde_json::from_str(value).map_err(|_| invalid())?;
                    Ok(Some(elements.len() as i64))
                }
                Some(value) if value.starts_with('{') => Ok(Some(names(value)?.len() as i64)),
                _ => Ok(None),
            })
        }),
        "json_keys" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| match at(texts.get(row), &path)? {
                Some(value) if value.starts_with('{') => {
                    out.push_str(&serde_json::to_string(&names(value)?).map_err(bug)?);
                    Ok(Some(()))
                }
                _ => Ok(None),
            })
        }),
        _ => return Ok(None),
    }))
}

/// The names of an object's members in the order in which they come first.
fn names(object: &str) -> Result<Vec<String>, Fault> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            let mut seen = std::collections::HashSet::new();
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if seen.insert(name.clone()) {
                    names.push(name);
                }
            }
            Ok(names)
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Names).map_err(|_| invalid())
}

fn is_number(value: &str) -> bool {
    value.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn invalid() -> Fault {
    fault("the text is not JSON")
}

fn unlike(value: &str, wanted: &str) -> Fault {
    fault(format!("the value at the path is {}, not {wanted}", shown(value)))
}

fn shown(value: &str) -> String {
    value.chars().take(40).collect()
}

/// The JSON text of the value at the path; `None` if there is nothing, or null. A step into a value that has no members
/// or elements leads to nothing.
fn at<'a>(text: Option<&'a str>, path: &[Step]) -> Result<Option<&'a str>, Fault> {
    Ok(found(text, path)?.filter(|value| *value != "null"))
}

/// The same, but null where there is one.
fn found<'a>(text: Option<&'a str>, path: &[Step]) -> Result<Option<&'a str>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let mut value = pipectl_data::json::value(text).ok_or_else(invalid)?;
    for step in path {
        let opens = match step {
            Step::Key(_) => '{',
            Step::Index(_) => '[',
        };
        if !value.starts_with(opens) {
            return Ok(None);
        }
        let mut reader = serde_json::Deserializer::from_str(value);
        match Pick(step).deserialize(&mut reader).map_err(|_| invalid())? {
            Some(inner) => value = inner.get(),
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// Takes one member or element out of an object or array; of members of the same name the last one counts, as when
/// records are decoded.
struct Pick<'s>(&'s Step);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0 {
            Step::Key(_) => deserializer.deserialize_map(self),
            Step::Index(_) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Step::Key(key) = self.0 else { return Ok(None) };
        let mut found = None;
        while let Some(same) = map.next_key_seed(Same(key))? {
            if same {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Step::Index(wanted) = self.0 else { return Ok(None) };
        let mut found = None;
        let mut index = 0_usize;
        loop {
            if *wanted == index {
                let Some(value) = list.next_element()? else { return Ok(None) };
                found = Some(value);
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }
}

/// Whether a member's name is the wanted one.
struct Same<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Same<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == name)
    }
}
