//! Functions of texts. Positions and lengths count characters (Unicode scalar values), as SQL does.

use std::sync::Arc;

use arrow_array::types::Int64Type;

use super::{
    Fault, Kernel,
    access::{Texts, build, build_bools, build_texts, ints},
    fault,
};

/// The longest text that a function may make of a row, unless an argument is longer still: one record must not take all
/// memory.
const MOST_BYTES: usize = 1 << 20;

pub(super) fn kernel(name: &str) -> Option<Kernel> {
    Some(match name {
        "lower" => mapped("lower", |text, out| out.extend(text.chars().flat_map(char::to_lowercase))),
        "upper" => mapped("upper", |text, out| out.extend(text.chars().flat_map(char::to_uppercase))),
        "reverse" => mapped("reverse", |text, out| out.extend(text.chars().rev())),
        "trim" => trimmed(true, true),
        "ltrim" => trimmed(true, false),
        "rtrim" => trimmed(false, true),
        "length" => Arc::new(|args, rows| {
            let texts = Texts::of(args, 0)?;
            build::<Int64Type>(rows, |row| Ok(texts.get(row).map(|text| text.chars().count() as i64)))
        }),
        "substr" => Arc::new(|args, rows| {
            let (texts, starts) = (Texts::of(args, 0)?, ints(args, 1)?);
            let lengths = if args.len() > 2 { Some(ints(args, 2)?) } else { None };
            build_texts(rows, |row, out| {
                let (Some(text), Some(start)) = (texts.get(row), starts.get(row)) else { return Ok(None) };
                // Positions before the first character count, as in PostgreSQL: substr('abc', 0, 2) is 'a'.
                let end = match &lengths {
                    Some(lengths) => match lengths.get(row) {
                        Some(length) if length < 0 => {
                            return Err(fault(format!("substr: the length {length} is negative")));
                        }
                        Some(length) => start.saturating_add(length).max(1),
                        None => return Ok(None),
                    },
                    None => i64::MAX,
                };
                let start = start.max(1);
                out.extend(text.chars().skip((start - 1) as usize).take(end.saturating_sub(start).max(0) as usize));
                Ok(Some(()))
            })
        }),
        "replace" => Arc::new(|args, rows| {
            let (texts, from, to) = (Texts::of(args, 0)?, Texts::of(args, 1)?, Texts::of(args, 2)?);
            build_texts(rows, |row, out| {
                let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
                    return Ok(None);
                };
                if from.is_empty() {
                    out.push_str(text);
                    return Ok(Some(()));
                }
                let mut out = Bounded::new("replace", out, text.len());
                let mut rest = 0;
                for (at, found) in text.match_indices(from) {
                    out.push(&text[rest..at])?;
                    out.push(to)?;
                    rest = at + found.len();
                }
                out.push(&text[rest..])?;
                Ok(Some(()))
            })
        }),
        "split_part" => Arc::new(|args, rows| {
            let (texts, separators, numbers) = (Texts::of(args, 0)?, Texts::of(args, 1)?, ints(args, 2)?);
            build_texts(rows, |row, out| {
                let (Some(text), Some(separator), Some(number)) =
                    (texts.get(row), separators.get(row), numbers.get(row))
                else {
                    return Ok(None);
                };
                out.push_str(part(text, separator, number)?);
                Ok(Some(()))
            })
        }),
        "concat" => Arc::new(|args, rows| {
            let texts = (0..args.len()).map(|position| Texts::of(args, position)).collect::<Result<Vec<_>, _>>()?;
            build_texts(rows, |row, out| {
                let mut out = Bounded::new("concat", out, 0);
                for text in &texts {
                    let Some(text) = text.get(row) else { return Ok(None) };
                    out.allow(text.len());
                    out.push(text)?;
                }
                Ok(Some(()))
            })
        }),
        "starts_with" => asked(|text, part| text.starts_with(part)),
        "ends_with" => asked(|text, part| text.ends_with(part)),
        "contains" => asked(|text, part| text.contains(part)),
        "strpos" => Arc::new(|args, rows| {
            let (texts, parts) = (Texts::of(args, 0)?, Texts::of(args, 1)?);
            build::<Int64Type>(rows, |row| {
                let (Some(text), Some(part)) = (texts.get(row), parts.get(row)) else { return Ok(None) };
                Ok(Some(text.find(part).map_or(0, |at| text[..at].chars().count() as i64 + 1)))
            })
        }),
        "left" => cut(|text, count| {
            let end = if count >= 0 {
                count as usize
            } else {
                text.chars().count().saturating_sub(count.unsigned_abs() as usize)
            };
            &text[..byte_of(text, end)]
        }),
        "right" => cut(|text, count| {
            let skipped = if count >= 0 {
                text.chars().count().saturating_sub(count as usize)
            } else {
                count.unsigned_abs() as usize
            };
            &text[byte_of(text, skipped)..]
        }),
        "lpad" => padded("lpad", true),
        "rpad" => padded("rpad", false),
        "repeat" => Arc::new(|args, rows| {
            let (texts, counts) = (Texts::of(args, 0)?, ints(args, 1)?);
            build_texts(rows, |row, out| {
                let (Some(text), Some(count)) = (texts.get(row), counts.get(row)) else { return Ok(None) };
                let count = usize::try_from(count).unwrap_or(0);
                check_length("repeat", text.len().saturating_mul(count), text.len())?;
                if !text.is_empty() {
                    (0..count).for_each(|_| out.push_str(text));
                }
                Ok(Some(()))
            })
        }),
        _ => return None,
    })
}

/// `map` makes at most a few bytes of one.
fn mapped(name: &'static str, map: impl Fn(&str, &mut String) + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let texts = Texts::of(args, 0)?;
        build_texts(rows, |row, out| {
            let Some(text) = texts.get(row) else { return Ok(None) };
            map(text, out);
            check_length(name, out.len(), text.len())?;
            Ok(Some(()))
        })
    })
}

fn asked(ask: impl Fn(&str, &str) -> bool + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let (texts, parts) = (Texts::of(args, 0)?, Texts::of(args, 1)?);
        build_bools(rows, |row| Ok(texts.get(row).zip(parts.get(row)).map(|(text, part)| ask(text, part))))
    })
}

fn cut(cut: impl Fn(&str, i64) -> &str + Send + Sync + 'static) -> Kernel {
    Arc::new(move |args, rows| {
        let (texts, counts) = (Texts::of(args, 0)?, ints(args, 1)?);
        build_texts(rows, |row, out| {
            Ok(texts.get(row).zip(counts.get(row)).map(|(text, count)| out.push_str(cut(text, count))))
        })
    })
}

fn trimmed(start: bool, end: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let texts = Texts::of(args, 0)?;
        let sets = if args.len() > 1 { Texts::of(args, 1)? } else { Texts::One(Some(" ")) };
        build_texts(rows, |row, out| {
            let (Some(mut text), Some(set)) = (texts.get(row), sets.get(row)) else { return Ok(None) };
            let in_set = |character: char| set.contains(character);
            if start {
                text = text.trim_start_matches(in_set);
            }
            if end {
                text = text.trim_end_matches(in_set);
            }
            out.push_str(text);
            Ok(Some(()))
        })
    })
}

fn padded(name: &'static str, at_start: bool) -> Kernel {
    Arc::new(move |args, rows| {
        let (texts, lengths) = (Texts::of(args, 0)?, ints(args, 1)?);
        let fills = if args.len() > 2 { Texts::of(args, 2)? } else { Texts::One(Some(" ")) };
        build_texts(rows, |row, out| {
            let (Some(text), Some(length), Some(fill)) = (texts.get(row), lengths.get(row), fills.get(row)) else {
                return Ok(None);
            };
            let length = usize::try_from(length).unwrap_or(0);
            let present = text.chars().count();
            let missing = length.saturating_sub(present);
            let missing = if fill.is_empty() { 0 } else { missing };
            let (whole, part) = (missing / fill.chars().count().max(1), missing % fill.chars().count().max(1));
            let filled = whole.saturating_mul(fill.len()).saturating_add(byte_of(fill, part));
            check_length(name, text.len().saturating_add(filled), text.len())?;
            let fill = fill.chars().cycle().take(missing);
            let text = &text[..byte_of(text, length)];
            if at_start {
                out.extend(fill);
                out.push_str(text);
            } else {
                out.push_str(text);
                out.extend(fill);
            }
            Ok(Some(()))
        })
    })
}

fn part<'a>(text: &'a str, separator: &str, number: i64) -> Result<&'a str, Fault> {
    let index = number.unsigned_abs() as usize;
    if index == 0 {
        return Err(fault("split_part: parts are counted from 1"));
    }
    if separator.is_empty() {
        return Ok(if index == 1 { text } else { "" });
    }
    // Counted from the end, the parts are still those that separators make from the start: 'aaa' by 'aa' is '' and 'a'.
    let skipped = if number > 0 { Some(index - 1) } else { text.split(separator).count().checked_sub(index) };
    Ok(skipped.and_then(|skipped| text.split(separator).nth(skipped)).unwrap_or_default())
}

/// The byte at which this character begins.
fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

/// A text under way that may become [`MOST_BYTES`] long, or as long as an argument.
pub(super) struct Bounded<'a> {
    name: &'static str,
    out: &'a mut String,
    longest: usize,
}

impl<'a> Bounded<'a> {
    pub(super) fn new(name: &'static str, out: &'a mut String, argument: usize) -> Self {
        Self { name, out, longest: argument }
    }

    /// An argument is so long.
    pub(super) fn allow(&mut self, argument: usize) {
        self.longest = self.longest.max(argument);
    }

    pub(super) fn push(&mut self, text: &str) -> Result<(), Fault> {
        check_length(self.name, self.out.len() + text.len(), self.longest)?;
        self.out.push_str(text);
        Ok(())
    }
}

/// Whether a function may make a text of so many bytes of an argument of so many.
pub(super) fn check_length(name: &str, bytes: usize, argument: usize) -> Result<(), Fault> {
    if bytes > MOST_BYTES && bytes > argument {
        return Err(fault(format!("{name}: the result would be over 1 MiB")));
    }
    Ok(())
}
