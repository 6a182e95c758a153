//! Values inside JSON texts, without building a tree: what is not on the path is only passed over.

use std::{fmt, sync::Arc};

use arrow_array::types::{Float64Type, Int64Type};
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
    let path = json_path::parse(constant(args, 1)?).map_err(|(_, why)| bug(why))?;
    Ok(Some(match name {
        "json_get" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| Ok(at(texts.get(row), &path)?.map(|value| out.push_str(value))))
        }),
        "json_text" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| {
                let Some(value) = at(texts.get(row), &path)? else { return Ok(None) };
                if value.starts_with('"') {
                    out.push_str(&serde_json::from_str::<String>(value).map_err(|_| invalid())?);
                } else {
                    out.push_str(value);
                }
                Ok(Some(()))
            })
        }),
        "json_int" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| match at(texts.get(row), &path)? {
                Some(value) => int(value).map(Some).ok_or_else(|| unlike(value, "a whole number")),
                None => Ok(None),
            })
        }),
        "json_float" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Float64Type>(rows, |row| match at(texts.get(row), &path)? {
                Some(value) => serde_json::from_str(value).map(Some).map_err(|_| unlike(value, "a number")),
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
        _ => return Ok(None),
    }))
}

/// A whole number, also written with a point or an exponent: 7, 7.0, 7e2.
fn int(value: &str) -> Option<i64> {
    value.parse().ok().or_else(|| {
        let float: f64 = serde_json::from_str(value).ok()?;
        (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
    })
}

fn invalid() -> Fault {
    fault("the text is not JSON")
}

fn unlike(value: &str, wanted: &str) -> Fault {
    let shown: String = value.chars().take(40).collect();
    fault(format!("the value at the path is {shown}, not {wanted}"))
}

/// The JSON text of the value at the path; `None` if there is nothing, or null.
fn at<'a>(text: Option<&'a str>, path: &[Step]) -> Result<Option<&'a str>, Fault> {
    let Some(text) = text else { return Ok(None) };
    let whole: &RawValue = serde_json::from_str(text).map_err(|_| invalid())?;
    let mut value = whole.get();
    for step in path {
        let mut reader = serde_json::Deserializer::from_str(value);
        match Pick(step).deserialize(&mut reader).map_err(|_| invalid())? {
            Some(inner) => value = inner.get(),
            None => return Ok(None),
        }
    }
    Ok((value != "null").then_some(value))
}

/// Takes one member or element out of a value.
struct Pick<'s>(&'s Step);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        let key = match self.0 {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        };
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
        let mut found = None;
        let mut index = 0_usize;
        loop {
            if matches!(self.0, Step::Index(wanted) if *wanted == index) {
                let Some(value) = list.next_element()? else { return Ok(None) };
                found = Some(value);
            } else if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Whether a member's name is the wanted one.
struct Same<'s>(Option<&'s str>);

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

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<bool, E> {
        if name.len() > 1 << 20 {
            return Err(E::custom("a name over 1 MiB"));
        }
        Ok(self.0 == Some(name))
    }
}
