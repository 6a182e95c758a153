//! One value of a group: the first or last by event time, or the one that goes with the smallest or largest other value.

use std::{cmp::Ordering, sync::Arc};

use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

use super::{
    Accumulator, Bits, Groups, Input, Place, column,
    slots::{AnySlots, Slots, seen, with_slots},
};
use crate::OperatorError;

/// The accumulator of the first value by event time (`Less`), or of the last (`Greater`), of a column of this type.
pub(crate) fn pick(kind: &DataType, wanted: Ordering) -> Result<Box<dyn Accumulator>, OperatorError> {
    with_slots!(kind, S => {
        let values = <S as Slots>::new(kind);
        Box::new(Pick { wanted, places: Vec::new(), values, seen: Bits::default() }) as Box<dyn Accumulator>
    })
}

/// The accumulator of the values in rows with the smallest (`Less`) or largest (`Greater`) other value.
pub(crate) fn by(kind: &DataType, other: &DataType, wanted: Ordering) -> Result<Box<dyn Accumulator>, OperatorError> {
    let values: Box<dyn AnySlots> = with_slots!(kind, S => {
        Box::new(<S as Slots>::new(kind)) as Box<dyn AnySlots>
    })?;
    with_slots!(other, S => {
        let others = <S as Slots>::new(other);
        Box::new(By { wanted, others, places: Vec::new(), values, seen: Bits::default() }) as Box<dyn Accumulator>
    })
}

/// The columns of places.
pub(super) fn place_columns(places: impl Iterator<Item = Place> + Clone) -> Vec<ArrayRef> {
    vec![
        Arc::new(Int64Array::from_iter_values(places.clone().map(|place| place.time))),
        Arc::new(UInt32Array::from_iter_values(places.clone().map(|place| place.partition))),
        Arc::new(Int64Array::from_iter_values(places.map(|place| place.position))),
    ]
}

/// Places from columns that begin at `first`.
pub(super) fn places_of(columns: &[ArrayRef], first: usize) -> Result<Vec<Place>, OperatorError> {
    let times: &Int64Array = column(columns, first)?;
    let partitions: &UInt32Array = column(columns, first + 1)?;
    let positions: &Int64Array = column(columns, first + 2)?;
    let rows = times.values().iter().zip(partitions.values()).zip(positions.values());
    Ok(rows
        .map(|((time, partition), position)| Place { time: *time, partition: *partition, position: *position })
        .collect())
}

fn place_at(places: &[Place], at: usize) -> Place {
    places.get(at).copied().unwrap_or_default()
}

struct Pick<S> {
    wanted: Ordering,
    places: Vec<Place>,
    values: S,
    seen: Bits,
}

impl<S: Slots> Pick<S> {
    fn grow(&mut self, total: usize) {
        self.places.resize(total, Place::default());
        self.values.grow(total);
        self.seen.grow(total);
    }

    #[inline]
    fn take(&mut self, group: usize, place: Place, values: &S::Array, row: usize) {
        let Some(here) = self.places.get_mut(group) else { return };
        // Rows of several inputs can have one place; the values decide then.
        if self.seen.insert(group)
            || place.cmp(here).then_with(|| self.values.compare(group, values, row)) == self.wanted
        {
            *here = place;
            self.values.put(group, values, row);
        }
    }
}

impl<S: Slots> Accumulator for Pick<S> {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &S::Array = input.arg(0)?;
        let places = input.places()?;
        input.each(values.nulls(), |row, group| self.take(group, place_at(places, row), values, row));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let places = places_of(state, 0)?;
        let values: &S::Array = column(state, 3)?;
        for (row, group) in groups.iter().enumerate().take(values.len()) {
            if values.is_valid(row) {
                self.take(*group, place_at(&places, row), values, row);
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let places: Vec<Place> = groups.iter().map(|group| place_at(&self.places, group)).collect();
        let mut columns = place_columns(places.iter().copied());
        columns.push(self.evaluate(groups)?);
        Ok(columns)
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        self.values.column(seen(groups, &self.seen))
    }

    fn format(&self) -> String {
        "pick/1".to_owned()
    }

    fn size(&self) -> usize {
        self.places.capacity() * size_of::<Place>() + self.values.size() + self.seen.size()
    }
}

struct By<S> {
    wanted: Ordering,
    others: S,
    places: Vec<Place>,
    values: Box<dyn AnySlots>,
    seen: Bits,
}

impl<S: Slots> By<S> {
    fn grow(&mut self, total: usize) {
        self.others.grow(total);
        self.places.resize(total, Place::default());
        self.values.grow_any(total);
        self.seen.grow(total);
    }

    #[inline]
    fn take(&mut self, group: usize, place: Place, values: &dyn Array, others: &S::Array, row: usize) {
        let Some(here) = self.places.get_mut(group) else { return };
        let better = self.seen.insert(group)
            || match self.others.compare(group, others, row) {
                // Of rows with equal values, the first by event time counts.
                Ordering::Equal => place.cmp(here).then_with(|| self.values.compare_any(group, values, row)).is_lt(),
                order => order == self.wanted,
            };
        if better {
            *here = place;
            self.others.put(group, others, row);
            self.values.put_any(group, values, row);
        }
    }
}

impl<S: Slots> Accumulator for By<S> {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        self.grow(input.total);
        let values: &ArrayRef = input.args.first().ok_or_else(|| OperatorError("a value is missing".to_owned()))?;
        let others: &S::Array = input.arg(1)?;
        let places = input.places()?;
        let nulls = NullBuffer::union(values.nulls(), others.nulls());
        input.each(nulls.as_ref(), |row, group| self.take(group, place_at(places, row), values, others, row));
        Ok(())
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], total: usize) -> Result<(), OperatorError> {
        self.grow(total);
        let places = places_of(state, 0)?;
        let others: &S::Array = column(state, 3)?;
        let values: &ArrayRef = state.get(4).ok_or_else(|| OperatorError("a value is missing".to_owned()))?;
        for (row, group) in groups.iter().enumerate().take(others.len()) {
            if others.is_valid(row) {
                self.take(*group, place_at(&places, row), values, others, row);
            }
        }
        Ok(())
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let places: Vec<Place> = groups.iter().map(|group| place_at(&self.places, group)).collect();
        let mut columns = place_columns(places.iter().copied());
        columns.push(self.others.column(seen(groups, &self.seen))?);
        columns.push(self.evaluate(groups)?);
        Ok(columns)
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        self.values.column_any(&mut seen(groups, &self.seen))
    }

    fn format(&self) -> String {
        "pick_by/1".to_owned()
    }

    fn size(&self) -> usize {
        self.others.size() + self.places.capacity() * size_of::<Place>() + self.values.size_any() + self.seen.size()
    }
}
