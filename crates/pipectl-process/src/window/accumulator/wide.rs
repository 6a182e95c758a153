//! Sums of decimals that never overflow, and their exact means.

use std::collections::BTreeMap;

use arrow_buffer::i256;

/// The number of fraction digits of a mean of decimals with `scale` of them.
pub(crate) fn mean_scale(scale: i8) -> i8 {
    scale.max(6)
}

/// Sums by group: 128 bits each, and for the rare sum that leaves them, how many times 2^128 are missing.
#[derive(Debug, Default)]
pub(crate) struct WideSums {
    low: Vec<i128>,
    carries: BTreeMap<usize, i64>,
}

impl WideSums {
    pub(crate) fn grow(&mut self, total: usize) {
        self.low.resize(total, 0);
    }

    #[inline]
    pub(crate) fn add(&mut self, group: usize, value: i128) {
        let Some(low) = self.low.get_mut(group) else { return };
        let (sum, overflows) = low.overflowing_add(value);
        *low = sum;
        if overflows {
            self.carry(group, if value > 0 { 1 } else { -1 });
        }
    }

    #[cold]
    fn carry(&mut self, group: usize, by: i64) {
        let carry = self.carries.entry(group).or_default();
        *carry += by;
        if *carry == 0 {
            self.carries.remove(&group);
        }
    }

    /// Adds a sum that [`Self::parts`] gave.
    pub(crate) fn merge(&mut self, group: usize, (low, carry): (i128, i64)) {
        self.add(group, low);
        if carry != 0 {
            self.carry(group, carry);
        }
    }

    pub(crate) fn parts(&self, group: usize) -> (i128, i64) {
        (self.low.get(group).copied().unwrap_or_default(), self.carries.get(&group).copied().unwrap_or_default())
    }

    /// The sum.
    pub(crate) fn exact(&self, group: usize) -> i256 {
        let (low, carry) = self.parts(group);
        i256::from_i128(low).wrapping_add(i256::from_parts(0, i128::from(carry)))
    }

    pub(crate) fn size(&self) -> usize {
        self.low.capacity() * size_of::<i128>() + self.carries.len() * size_of::<(usize, i64)>()
    }
}

/// `number * 10^digits / divisor`, rounded half away from zero.
pub(crate) fn scaled_quotient(number: i256, digits: u32, divisor: i256) -> i256 {
    // A sum of fewer than 2^63 decimals has at most 190 bits and 10^6 has 20, so nothing overflows.
    let factor = i256::from_i128(10).wrapping_pow(digits);
    let number = number.wrapping_mul(factor);
    let quotient = number.wrapping_div(divisor);
    let rest = number.wrapping_rem(divisor).wrapping_abs();
    let away = rest.wrapping_add(rest) >= divisor.wrapping_abs();
    let sign = number.signum().wrapping_mul(divisor.signum());
    if away { quotient.wrapping_add(sign) } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 10^38: the first number with more digits than a decimal can have.
    const BEYOND: i128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;

    #[test]
    fn sums_leave_128_bits_and_come_back() {
        let mut sums = WideSums::default();
        sums.grow(1);
        for _ in 0..5 {
            sums.add(0, BEYOND - 1);
        }
        assert_eq!(sums.exact(0), i256::from_i128(BEYOND - 1).wrapping_mul(i256::from_i128(5)));
        let mut merged = WideSums::default();
        merged.grow(1);
        merged.merge(0, sums.parts(0));
        for _ in 0..9 {
            merged.add(0, 1 - BEYOND);
        }
        assert_eq!(merged.exact(0), i256::from_i128(BEYOND - 1).wrapping_mul(i256::from_i128(-4)));
        assert_eq!(merged.exact(0).to_i128(), None);
        for _ in 0..4 {
            merged.add(0, BEYOND - 1);
        }
        assert_eq!((merged.exact(0), merged.parts(0)), (i256::ZERO, (0, 0)));
        assert!(merged.carries.is_empty());
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let quotient = |number: i128, digits, divisor: i128| {
            scaled_quotient(i256::from_i128(number), digits, i256::from_i128(divisor)).to_i128()
        };
        assert_eq!(quotient(5, 0, 2), Some(3));
        assert_eq!(quotient(-5, 0, 2), Some(-3));
        assert_eq!(quotient(4, 0, 3), Some(1));
        assert_eq!(quotient(-4, 0, 3), Some(-1));
        assert_eq!(quotient(1, 6, 3), Some(333_333));
        assert_eq!(quotient(2, 6, 3), Some(666_667));
        assert_eq!(quotient(-2, 6, 3), Some(-666_667));
        assert_eq!(quotient(0, 6, 3), Some(0));
    }
}
