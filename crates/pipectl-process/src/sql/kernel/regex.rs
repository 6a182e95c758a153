//! Regular expressions: constant patterns, compiled once, matched in linear time.

use std::sync::Arc;

use arrow_array::types::Int64Type;
use pipectl_ir::{
    query::Expr,
    replacement::{Piece, pieces},
};
use regex::Regex;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_bools, build_texts},
    bug, constant, constant_int,
    text::Bounded,
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
        "regexp_extract_all" => {
            let group = constant_int(args, 2).and_then(|group| usize::try_from(group).ok()).unwrap_or(0);
            Arc::new(move |args, rows| {
                let texts = Texts::of(args, 0)?;
                build_texts(rows, |row, out| {
                    let Some(text) = texts.get(row) else { return Ok(None) };
                    let mut out = Bounded::new("regexp_extract_all", out, text.len());
                    out.push("[")?;
                    let mut between = "";
                    for groups in pattern.captures_iter(text) {
                        out.push(between)?;
                        out.push(&match groups.get(group) {
                            Some(found) => serde_json::Value::from(found.as_str()).to_string(),
                            None => "null".to_owned(),
                        })?;
                        between = ",";
                    }
                    out.push("]")?;
                    Ok(Some(()))
                })
            })
        }
        "regexp_replace" => Arc::new(move |args, rows| {
            let (texts, replacements) = (Texts::of(args, 0)?, Texts::of(args, 2)?);
            let constant = match &replacements {
                Texts::One(Some(replacement)) => Some(pieces(replacement)),
                _ => None,
            };
            build_texts(rows, |row, out| {
                let (Some(text), Some(replacement)) = (texts.get(row), replacements.get(row)) else {
                    return Ok(None);
                };
                match &constant {
                    Some(pieces) => replace(&pattern, text, pieces, out)?,
                    None => replace(&pattern, text, &pieces(replacement), out)?,
                }
                Ok(Some(()))
            })
        }),
        _ => return Ok(None),
    }))
}

/// Appends the text with every match replaced. What is made is counted piece by piece: a short pattern and a long
/// replacement would else take all memory.
fn replace(pattern: &Regex, text: &str, pieces: &[Piece<'_>], out: &mut String) -> Result<(), Fault> {
    let mut out = Bounded::new("regexp_replace", out, text.len());
    let mut rest = 0;
    if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
        for found in pattern.find_iter(text) {
            out.push(&text[rest..found.start()])?;
            for piece in pieces {
                if let Piece::Text(piece) = piece {
                    out.push(piece)?;
                }
            }
            rest = found.end();
        }
    } else {
        for groups in pattern.captures_iter(text) {
            let Some(found) = groups.get(0) else { continue };
            out.push(&text[rest..found.start()])?;
            for piece in pieces {
                out.push(match piece {
                    Piece::Text(piece) => piece,
                    Piece::Number(number) => groups.get(*number).map_or("", |group| group.as_str()),
                    Piece::Name(name) => groups.name(name).map_or("", |group| group.as_str()),
                })?;
            }
            rest = found.end();
        }
    }
    out.push(&text[rest..])
}
