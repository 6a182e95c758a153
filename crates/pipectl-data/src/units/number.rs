//! The number in front of a unit, kept exact.

use super::UnitError;

/// `digits / 10^places`, exactly as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    digits: u128,
    places: u32,
}

impl Number {
    /// Reads digits with an optional fraction from the front of `text`; answers them and how many bytes they take.
    /// `start` is where `text` begins in what the user wrote, `what` names the thing (`duration`) for messages.
    pub(super) fn scan(text: &str, start: usize, what: &str, example: &str) -> Result<(Self, usize), UnitError> {
        let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_')).count();
        let range = start..start + length;
        let (written, rest) = text.split_at(length);
        if written.is_empty() {
            let end = start + text.len();
            return Err(match rest.bytes().next() {
                None => UnitError::new(format!("the {what} is empty: write one such as `{example}`"), start..end),
                Some(b'-') => {
                    UnitError::new(format!("a {what} cannot be negative: write one such as `{example}`"), start..end)
                }
                Some(_) => {
                    UnitError::new(format!("a {what} starts with a number: write one such as `{example}`"), start..end)
                }
            });
        }
        let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
        let malformed = whole.is_empty()
            || whole.starts_with('_')
            || fraction.contains(['.', '_'])
            || (written.contains('.') && fraction.is_empty());
        if malformed {
            return Err(UnitError::new(format!("`{written}` is not a number: write one such as `{example}`"), range));
        }
        let fraction = fraction.trim_end_matches('0');
        let mut digits = 0_u128;
        for digit in whole.bytes().chain(fraction.bytes()).filter(|byte| *byte != b'_') {
            digits = digits
                .checked_mul(10)
                .and_then(|digits| digits.checked_add(u128::from(digit - b'0')))
                .ok_or_else(|| UnitError::new(format!("`{written}` is too large for a {what}"), range.clone()))?;
        }
        Ok((Self { digits, places: fraction.len() as u32 }, length))
    }

    /// This many of `unit`; `None` if that is no whole number or does not fit.
    pub(super) fn times(self, unit: u128) -> Option<u128> {
        let scale = 10_u128.checked_pow(self.places)?;
        let product = self.digits.checked_mul(unit)?;
        product.is_multiple_of(scale).then(|| product / scale)
    }

    /// Whether it has a fraction.
    pub(super) fn is_whole(self) -> bool {
        self.places == 0
    }
}
