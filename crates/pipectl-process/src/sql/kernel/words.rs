//! Functions that put texts together or change them letter by letter.

use std::sync::Arc;

use super::{
    Kernel,
    access::{Texts, build_texts},
    fault,
    text::{Bounded, check_length},
};

pub(super) fn kernel(name: &str) -> Option<Kernel> {
    Some(match name {
        "concat_ws" => Arc::new(|args, rows| {
            let separators = Texts::of(args, 0)?;
            let texts = (1..args.len()).map(|position| Texts::of(args, position)).collect::<Result<Vec<_>, _>>()?;
            build_texts(rows, |row, out| {
                let Some(separator) = separators.get(row) else { return Ok(None) };
                let mut out = Bounded::new("concat_ws", out, 0);
                let mut between = "";
                for text in texts.iter().filter_map(|text| text.get(row)) {
                    out.allow(text.len());
                    out.push(between)?;
                    out.push(text)?;
                    between = separator;
                }
                Ok(Some(()))
            })
        }),
        "initcap" => Arc::new(|args, rows| {
            let texts = Texts::of(args, 0)?;
            build_texts(rows, |row, out| {
                let Some(text) = texts.get(row) else { return Ok(None) };
                let mut within = false;
                for character in text.chars() {
                    if within {
                        out.extend(character.to_lowercase());
                    } else {
                        out.extend(character.to_uppercase());
                    }
                    within = character.is_alphanumeric();
                }
                check_length("initcap", out.len(), text.len())?;
                Ok(Some(()))
            })
        }),
        "translate" => Arc::new(|args, rows| {
            let (texts, from, to) = (Texts::of(args, 0)?, Texts::of(args, 1)?, Texts::of(args, 2)?);
            build_texts(rows, |row, out| {
                let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
                    return Ok(None);
                };
                out.extend(text.chars().filter_map(
                    |character| match from.chars().position(|from| from == character) {
                        Some(place) => to.chars().nth(place),
                        None => Some(character),
                    },
                ));
                check_length("translate", out.len(), text.len())?;
                Ok(Some(()))
            })
        }),
        "url_decode" => Arc::new(|args, rows| {
            let texts = Texts::of(args, 0)?;
            let mut bytes = Vec::new();
            build_texts(rows, |row, out| {
                let Some(text) = texts.get(row) else { return Ok(None) };
                bytes.clear();
                let mut rest = text.as_bytes();
                while let Some((first, after)) = rest.split_first() {
                    rest = after;
                    bytes.push(match first {
                        b'+' => b' ',
                        b'%' => match after {
                            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                                rest = after;
                                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
                                digit(high) * 16 + digit(low)
                            }
                            _ => return Err(fault("url_decode: `%` must be followed by two hexadecimal digits")),
                        },
                        byte => *byte,
                    });
                }
                let decoded = std::str::from_utf8(&bytes);
                out.push_str(decoded.map_err(|_| fault("url_decode: the bytes are not UTF-8"))?);
                Ok(Some(()))
            })
        }),
        _ => return None,
    })
}
