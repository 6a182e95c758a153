//! Which byte of the file holds which byte of a scalar's text, where indentation, folding or escapes make them differ.

/// Pairs as [`pipectl_diag::NodePlaces::inside`] wants them. `source` is the scalar as it stands in the file from byte
/// `start` on, with its quotes but without a block's header; `text` is what it says.
///
/// Line breaks and indentation are lined up by the words between them, so every word is exact, whatever folding and
/// chomping did to the space around it. If the two do not match, the map ends there and the rest is approximate.
pub(super) fn map(text: &str, source: &str, start: usize, escapes: Escapes) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let mut rest = match escapes {
        Escapes::None => 0,
        Escapes::Single | Escapes::Double => 1,
    };
    pairs.push((0, start + rest));
    let mut at = 0;
    let mut delta = None;
    while let Some(wanted) = text[at..].chars().next() {
        if wanted.is_whitespace() {
            // A run of space is lined up by what follows; within it, equal characters go together while they last.
            if let Some((found, length)) = unit(source.get(rest..).unwrap_or_default(), escapes)
                && found == Some(wanted)
                && !matches!(source.as_bytes().get(rest), Some(b'\r' | b'\n'))
            {
                pair(&mut pairs, &mut delta, at, start + rest);
                rest += length;
            }
            at += wanted.len_utf8();
            continue;
        }
        let Some((found, length)) = unit(source.get(rest..).unwrap_or_default(), escapes) else { return pairs };
        match found {
            Some(found) if found == wanted => {
                pair(&mut pairs, &mut delta, at, start + rest);
                at += wanted.len_utf8();
            }
            Some(found) if !found.is_whitespace() => return pairs,
            _ => {}
        }
        rest += length;
    }
    pairs
}

/// How a scalar may spell characters that its text has plainly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// A plain or a block scalar.
    None,
    /// `'it''s'`.
    Single,
    /// `"\t"`.
    Double,
}

fn pair(pairs: &mut Vec<(usize, usize)>, delta: &mut Option<usize>, text: usize, source: usize) {
    // The source is never shorter than the text before it, except where an escaped character is long in UTF-8;
    // wrapping keeps the comparison right there too.
    let now = source.wrapping_sub(text);
    if *delta != Some(now) {
        *delta = Some(now);
        match pairs.last_mut() {
            Some(last) if last.0 == text => last.1 = source,
            _ => pairs.push((text, source)),
        }
    }
}

/// The next character that the source means (`None` for an escaped line break) and how many bytes spell it.
fn unit(source: &str, escapes: Escapes) -> Option<(Option<char>, usize)> {
    let first = source.chars().next()?;
    match (escapes, first) {
        (Escapes::Single, '\'') if source.starts_with("''") => Some((Some('\''), 2)),
        (Escapes::Single, '\'') | (Escapes::Double, '"') => None,
        (Escapes::Double, '\\') => escape(source),
        _ => Some((Some(first), first.len_utf8())),
    }
}

fn escape(source: &str) -> Option<(Option<char>, usize)> {
    let letter = source[1..].chars().next()?;
    let hex = |digits: usize| {
        let code = u32::from_str_radix(source.get(2..2 + digits)?, 16).ok()?;
        match code {
            // A pair of surrogates, as JSON writes characters beyond the first plane.
            0xD800..=0xDBFF => {
                let low = u32::from_str_radix(source.get(8..12)?, 16).ok()?;
                let code = 0x1_0000 + ((code - 0xD800) << 10) + low.checked_sub(0xDC00)?;
                Some((char::from_u32(code), 12))
            }
            _ => Some((char::from_u32(code), 2 + digits)),
        }
    };
    let simple = match letter {
        'x' => return hex(2),
        'u' => return hex(4),
        'U' => return hex(8),
        '\r' | '\n' => None,
        '0' => Some('\0'),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        't' | '\t' => Some('\t'),
        'n' => Some('\n'),
        'v' => Some('\u{b}'),
        'f' => Some('\u{c}'),
        'r' => Some('\r'),
        'e' => Some('\u{1b}'),
        'N' => Some('\u{85}'),
        '_' => Some('\u{a0}'),
        'L' => Some('\u{2028}'),
        'P' => Some('\u{2029}'),
        other => Some(other),
    };
    Some((simple, 1 + letter.len_utf8()))
}
