//! Exact medians and percentiles: all values of a group are kept.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Decimal256Array, Float64Array, UInt64Array,
    types::{Decimal128Type, Float64Type, Int64Type},
};
use arrow_buffer::i256;
use arrow_schema::DataType;

use super::{
    Accumulator, Groups, Input, column,
    log::{Buckets, entries_of},
    mean::middle,
    slots::{Fixed, Slots, with_slots},
    wide::{mean_scale, scaled_quotient},
};
use crate::OperatorError;

/// Which value of the sorted ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantile {
    /// Where, from 0, the smallest, to 1, the largest.
    pub(crate) fraction: f64,
    /// Interpolated between its neighbors, instead of a value that is there.
    pub(crate) continuous: bool,
}

/// The accumulator of a percentile of a column of this type.
pub(crate) fn quantile(kind: &DataType, quantile: Quantile) -> Result<Box<dyn Accumulator>, OperatorError> {
    fn of<S: Slots>(kind: &DataType, quantile: Quantile, result: Results<S>) -> Box<dyn Accumulator> {
        Box::new(Quantiles { kind: kind.clone(), quantile, result, groups: Vec::new(), values: S::new(kind) })
    }
    match kind {
        DataType::Int64 if quantile.continuous => Ok(of(kind, quantile, ints)),
        DataType::Float64 if quantile.continuous => Ok(of(kind, quantile, floats)),
        DataType::Decimal128(..) if quantile.continuous => Ok(of(kind, quantile, decimals)),
        other if quantile.continuous => Err(OperatorError(format!("values of type {other} cannot be interpolated"))),
        kind => with_slots!(kind, S => of::<S>(kind, quantile, discrete)),
    }
}

/// The two values between which the result lies, and how far it is from the first.
type Between = (usize, usize, f64);

/// The column of the results.
type Results<S> = fn(&S, &DataType, &mut dyn Iterator<Item = Option<Between>>) -> Result<ArrayRef, OperatorError>;

fn discrete<S: Slots>(
    values: &S,
    _: &DataType,
    places: &mut dyn Iterator<Item = Option<Between>>,
) -> Result<ArrayRef, OperatorError> {
    values.column(places.map(|place| place.map(|(slot, _, _)| slot)))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of one type")]
fn ints(
    values: &Fixed<Int64Type>,
    _: &DataType,
    places: &mut dyn Iterator<Item = Option<Between>>,
) -> Result<ArrayRef, OperatorError> {
    let result = |(low, high, weight): Between| {
        let (low, high) = (values.get(low), values.get(high));
        if low == high || weight <= 0.0 {
            low as f64
        } else if weight.total_cmp(&0.5).is_eq() {
            middle(low, high)
        } else {
            low as f64 + (i128::from(high) - i128::from(low)) as f64 * weight
        }
    };
    Ok(Arc::new(places.map(|place| place.map(result)).collect::<Float64Array>()))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of one type")]
fn floats(
    values: &Fixed<Float64Type>,
    _: &DataType,
    places: &mut dyn Iterator<Item = Option<Between>>,
) -> Result<ArrayRef, OperatorError> {
    let result = |(low, high, weight): Between| {
        let (low, high) = (values.get(low), values.get(high));
        // Two products cannot overflow where the difference could.
        if low.total_cmp(&high).is_eq() || weight <= 0.0 { low } else { low * (1.0 - weight) + high * weight }
    };
    Ok(Arc::new(places.map(|place| place.map(result)).collect::<Float64Array>()))
}

#[expect(clippy::unnecessary_wraps, reason = "one of several functions of one type")]
fn decimals(
    values: &Fixed<Decimal128Type>,
    kind: &DataType,
    places: &mut dyn Iterator<Item = Option<Between>>,
) -> Result<ArrayRef, OperatorError> {
    const ONE: i128 = 1 << 62;
    let scale = if let DataType::Decimal128(_, scale) = kind { *scale } else { 0 };
    let digits = u32::try_from(mean_scale(scale) - scale).unwrap_or_default();
    let result = |(low, high, weight): Between| {
        let wide = |slot| i256::from_i128(values.get(slot));
        let weight = i256::from_i128((weight * ONE as f64) as i128);
        let low = wide(low);
        let number =
            low.wrapping_mul(i256::from_i128(ONE)).wrapping_add(wide(high).wrapping_sub(low).wrapping_mul(weight));
        scaled_quotient(number, digits, i256::from_i128(ONE))
    };
    let results = places.map(|place| place.map(result)).collect::<Decimal256Array>();
    Ok(Arc::new(results.with_data_type(DataType::Decimal256(76, mean_scale(scale)))))
}

struct Quantiles<S> {
    kind: DataType,
    quantile: Quantile,
    result: Results<S>,
    /// The group of each value.
    groups: Vec<u32>,
    values: S,
}

impl<S: Slots> Quantiles<S> {
    fn take(&mut self, group: usize, values: &S::Array, row: usize) {
        let slot = self.groups.len();
        self.groups.push(group as u32);
        self.values.grow(slot + 1);
        self.values.put(slot, values, row);
    }

    /// The slots of the result among those of a group.
    fn place(&self, slots: &mut [u32]) -> Option<Between> {
        let last = slots.len().checked_sub(1)?;
        let count = slots.len() as f64;
        let Quantile { fraction, continuous } = self.quantile;
        let (at, weight) = if continuous {
            let exact = last as f64 * fraction;
            ((exact.floor() as usize).min(last), exact.fract())
        } else {
            let above = (count - count * fraction).floor() as usize;
            ((slots.len().saturating_sub(above)).max(1) - 1, 0.0)
        };
        let compare = |a: &u32, b: &u32| self.values.compare_slots(*a as usize, *b as usize);
        let (_, low, above) = slots.select_nth_unstable_by(at, compare);
        let low = *low as usize;
        let high = if weight > 0.0 { above.iter().copied().min_by(compare) } else { None };
        Some((low, high.map_or(low, |high| high as usize), weight))
    }
}

impl<S: Slots> Accumulator for Quantiles<S> {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        let values: &S::Array = input.arg(0)?;
        input.each(values.nulls(), |row, group| self.take(group, values, row));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], _: usize) -> Result<(), OperatorError> {
        let positions: &UInt64Array = column(state, 0)?;
        let values: &S::Array = column(state, 1)?;
        for (row, position) in positions.values().iter().enumerate().take(values.len()) {
            let group = groups.get(*position as usize);
            let group = group.ok_or_else(|| OperatorError("a state is of groups that do not exist".to_owned()))?;
            self.take(*group, values, row);
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let (positions, entries) = entries_of(&self.groups, groups);
        let values = self.values.column(entries.iter().map(|entry| Some(*entry as usize)))?;
        Ok(vec![Arc::new(UInt64Array::from(positions)), values])
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let buckets = Buckets::new(&self.groups);
        let mut slots = Vec::new();
        let mut places = groups.iter().map(|group| {
            slots.clear();
            slots.extend_from_slice(buckets.of(group));
            self.place(&mut slots)
        });
        (self.result)(&self.values, &self.kind, &mut places)
    }

    fn format(&self) -> String {
        "values/1".to_owned()
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u32>() + self.values.size()
    }
}
