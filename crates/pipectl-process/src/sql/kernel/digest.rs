//! Digests and encodings.

use std::{fmt::Write as _, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::Digest as _;
use pipectl_ir::query::Expr;

use super::{
    Kernel,
    access::{Blobs, Texts, build_blobs, build_texts, ints},
    constant, fault,
    text::check_length,
};

pub(super) fn kernel(name: &str, args: &[Expr]) -> Option<Kernel> {
    Some(match name {
        "md5" => digest(|bytes, out| hex(&md5::Md5::digest(bytes), out)),
        "sha256" => digest(|bytes, out| hex(&sha2::Sha256::digest(bytes), out)),
        "to_hex" => Arc::new(|args, rows| {
            let numbers = ints(args, 0)?;
            build_texts(rows, |row, out| {
                let Some(number) = numbers.get(row) else { return Ok(None) };
                let _writing_to_a_string_cannot_fail = write!(out, "{number:x}");
                Ok(Some(()))
            })
        }),
        "encode" => {
            let in_hex = in_hex(args);
            Arc::new(move |args, rows| {
                let blobs = Blobs::of(args, 0)?;
                build_texts(rows, |row, out| {
                    let Some(bytes) = blobs.get(row) else { return Ok(None) };
                    let length = if in_hex { bytes.len() * 2 } else { bytes.len().div_ceil(3) * 4 };
                    check_length("encode", length, bytes.len())?;
                    if in_hex {
                        hex(bytes, out);
                    } else {
                        STANDARD.encode_string(bytes, out);
                    }
                    Ok(Some(()))
                })
            })
        }
        "decode" => decode(in_hex(args)),
        _ => return None,
    })
}

fn digest(map: impl Fn(&[u8], &mut String) + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let blobs = Blobs::of(args, 0)?;
        build_texts(rows, |row, out| Ok(blobs.get(row).map(|bytes| map(bytes, out))))
    })
}

fn decode(from_hex: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let texts = Texts::of(args, 0)?;
        build_blobs(rows, |row| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            let bytes = if from_hex { unhex(text) } else { STANDARD.decode(text).ok() };
            let form = if from_hex { "hex" } else { "base64" };
            bytes.map(Some).ok_or_else(|| fault(format!("decode: the text is not {form}")))
        })
    })
}

fn in_hex(args: &[Expr]) -> bool {
    constant(args, 1).is_ok_and(|encoding| encoding == "hex")
}

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}
