//! Rows of CSV. A field in quotes may span lines; where its quote is not closed, only the line in which it opens is lost.

use pipectl_data::units::Size;

use super::{Cut, Records};
use crate::input::Oversize;

/// The row that begins at some place.
enum Row {
    /// It ends before this line end.
    Whole(usize),
    /// Its end is not there yet; with the first line end inside of quotes if a quote is open.
    Partial(Option<usize>),
    /// Its first line, up to this line end, opens a quote that is not closed, as a scan up to the second place shows.
    Unclosed(usize, usize),
}

impl Cut {
    /// The whole rows of `bytes` from `start` on. Nothing comes after `bytes` if `is_over`.
    pub(super) fn rows(&self, bytes: &[u8], start: usize, is_over: bool) -> Records {
        let mut records = Records { end: start, ..Records::default() };
        // Every line before this place that ends inside of quotes is known to have one that is not closed. Without that, a
        // scan up to the end could be needed for each line.
        let mut unclosed_until = start;
        let mut reason = String::new();
        loop {
            let is_too_long = bytes.len() - records.end > self.max_record && self.oversize != Oversize::Fail;
            let line_end = match self.row(bytes, records.end, unclosed_until) {
                Row::Whole(end) => {
                    self.push(bytes, records.end..end, &mut records.ranges);
                    records.end = end + 1;
                    continue;
                }
                Row::Unclosed(line_end, until) => {
                    if until > unclosed_until {
                        "text follows the next quote after it".clone_into(&mut reason);
                    }
                    unclosed_until = until;
                    line_end
                }
                Row::Partial(Some(line_end)) if is_over || is_too_long => {
                    reason = if is_too_long {
                        format!("it does not end within `max_record`, {}", Size(self.max_record as u64))
                    } else {
                        "it does not end before the end of the input".to_owned()
                    };
                    unclosed_until = bytes.len();
                    line_end
                }
                Row::Partial(_) => return records,
            };
            let reason = format!("a quote opens here, and {reason}; only this line is left out");
            records.rejected.push((records.ranges.len(), reason));
            self.push(bytes, records.end..line_end, &mut records.ranges);
            records.end = line_end + 1;
        }
    }

    fn row(&self, bytes: &[u8], start: usize, unclosed_until: usize) -> Row {
        let mut is_open = false;
        let mut closed = None;
        let mut first_line = None;
        let mut spans_lines = false;
        let rest = bytes.get(start..).unwrap_or_default();
        for at in memchr::memchr2_iter(b'\n', b'"', rest).map(|at| start + at) {
            if bytes.get(at) == Some(&b'\n') {
                if !is_open {
                    return Row::Whole(at);
                }
                let first_line = *first_line.get_or_insert(at);
                if at < unclosed_until {
                    return Row::Unclosed(first_line, unclosed_until);
                }
                spans_lines = true;
            } else if is_open {
                is_open = false;
                closed = Some(at);
                if let Some(first_line) = first_line.filter(|_| spans_lines && self.has_text_after(bytes, at)) {
                    return Row::Unclosed(first_line, at);
                }
            } else {
                // A quote opens a field only at its start; a second quote right after one is an escape.
                let before = at.checked_sub(1);
                let is_escape = closed.is_some() && closed == before;
                spans_lines &= is_escape;
                is_open = is_escape || at == start || before.and_then(|at| bytes.get(at)) == Some(&self.delimiter);
            }
        }
        Row::Partial(first_line.filter(|_| is_open))
    }

    /// Whether something stands between the quote at this place, which ends a field, and the end of the field.
    fn has_text_after(&self, bytes: &[u8], quote: usize) -> bool {
        match bytes.get(quote + 1) {
            None | Some(b'"' | b'\n') => false,
            Some(b'\r') => !matches!(bytes.get(quote + 2), None | Some(b'\n')),
            Some(next) => *next != self.delimiter,
        }
    }
}
