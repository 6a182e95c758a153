//! Regular expressions: constant patterns, compiled once, matched in linear time.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use pipectl_ir::query::Expr;
use regex::Regex;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_bools, build_texts},
    bug, constant, constant_int,
};

pub(super) fn kernel(name: &str, args: &[Expr]) -> Result<Option<Kernel>, Fault> {
    if !name.starts_with("regexp_") {
        return Ok(None);
    }
    let pattern = Regex::new(constant(args, 1)?).map_err(bug)?;
    Ok(Some(match name {
        "regexp_like" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build_bools(rows, |row| Ok(texts.get(row).map(|text| pattern.is_match(text))))
        }),
        "regexp_count" => Arc::new(move |args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| Ok(texts.get(row).map(|text| pattern.find_iter(text).count() as i64)))
        }),
        "regexp_extract" => {
            let group = constant_int(args, 2).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
            Arc::new(move |args, rows| {
                let texts = Texts::of(args, 0)?;
                let mut groups = pattern.capture_locations();
                build_texts(rows, |row, out| {
                    let Some(text) = texts.get(row) else { return Ok(None) };
                    let range = if group == 0 {
                        pattern.find(text).map(|found| (found.start(), found.end()))
                    } else {
                        pattern.captures_read(&mut groups, text).and_then(|_| groups.get(group))
                    };
                    Ok(range.map(|(start, end)| out.push_str(&text[start..end])))
                })
            })
        }
        "regexp_replace" => Arc::new(move |args, rows| {
            let (texts, replacements) = (Texts::of(args, 0)?, Texts::of(args, 2)?);
            build_texts(rows, |row, out| {
                let (Some(text), Some(replacement)) = (texts.get(row), replacements.get(row)) else {
                    return Ok(None);
                };
                out.push_str(&pattern.replace_all(text, replacement));
                Ok(Some(()))
            })
        }),
        _ => return Ok(None),
    }))
}
