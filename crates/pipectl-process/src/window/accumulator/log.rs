//! Values in the order in which they came, which are never replaced: the keys of groups, the different values of a group.

use std::ops::Range;

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, GenericByteViewArray, PrimitiveArray,
    builder::{ArrayBuilder, BooleanBuilder, GenericByteViewBuilder, PrimitiveBuilder},
    types::{
        BinaryViewType, ByteViewType, Date32Type, Decimal128Type, Float64Type, Int64Type, StringViewType,
        TimestampMicrosecondType,
    },
};
use arrow_schema::{DataType, TimeUnit};

use super::Groups;
use crate::OperatorError;

/// Rows of several columns. They are compact: nothing of the batches that they came in stays in memory.
pub(crate) struct Log(Vec<Box<dyn Column>>);

trait Column: Send {
    /// Adds these rows of a column of its type.
    fn append(&mut self, values: &dyn Array, rows: &[usize]) -> Option<()>;
    /// All rows. Long texts are shared, not copied.
    fn all(&self) -> ArrayRef;
    /// Bytes held.
    fn size(&self) -> usize;
}

impl Log {
    /// A log of columns of these types.
    pub(crate) fn new<'a>(kinds: impl Iterator<Item = &'a DataType>) -> Result<Self, OperatorError> {
        kinds.map(column).collect::<Result<_, _>>().map(Self)
    }

    /// Adds rows of columns.
    pub(crate) fn append(&mut self, values: &[ArrayRef], rows: &[usize]) -> Result<(), OperatorError> {
        if rows.is_empty() {
            return Ok(());
        }
        for (column, values) in self.0.iter_mut().zip(values) {
            column
                .append(values, rows)
                .ok_or_else(|| OperatorError(format!("a log has a column that is not {}", values.data_type())))?;
        }
        Ok(())
    }

    /// All rows as columns.
    pub(crate) fn columns(&self) -> Vec<ArrayRef> {
        self.0.iter().map(|column| column.all()).collect()
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|column| column.size()).sum()
    }
}

fn column(kind: &DataType) -> Result<Box<dyn Column>, OperatorError> {
    fn of<T: ArrowPrimitiveType>(kind: &DataType) -> Box<dyn Column> {
        Box::new(PrimitiveBuilder::<T>::with_capacity(0).with_data_type(kind.clone()))
    }
    Ok(match kind {
        DataType::Boolean => Box::new(BooleanBuilder::with_capacity(0)),
        DataType::Int64 => of::<Int64Type>(kind),
        DataType::Float64 => of::<Float64Type>(kind),
        DataType::Date32 => of::<Date32Type>(kind),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of::<TimestampMicrosecondType>(kind),
        DataType::Decimal128(..) => of::<Decimal128Type>(kind),
        DataType::Utf8View => Box::new(GenericByteViewBuilder::<StringViewType>::with_capacity(0)),
        DataType::BinaryView => Box::new(GenericByteViewBuilder::<BinaryViewType>::with_capacity(0)),
        other => return Err(OperatorError(format!("no window keeps values of type {other}"))),
    })
}

impl<T: ArrowPrimitiveType> Column for PrimitiveBuilder<T> {
    fn append(&mut self, values: &dyn Array, rows: &[usize]) -> Option<()> {
        let values = values.as_any().downcast_ref::<PrimitiveArray<T>>()?;
        for row in rows {
            self.append_option(values.is_valid(*row).then(|| values.value(*row)));
        }
        Some(())
    }

    fn all(&self) -> ArrayRef {
        ArrayBuilder::finish_cloned(self)
    }

    fn size(&self) -> usize {
        self.capacity() * size_of::<T::Native>() + self.validity_slice().map_or(0, <[u8]>::len)
    }
}

impl Column for BooleanBuilder {
    fn append(&mut self, values: &dyn Array, rows: &[usize]) -> Option<()> {
        let values = values.as_any().downcast_ref::<BooleanArray>()?;
        for row in rows {
            self.append_option(values.is_valid(*row).then(|| values.value(*row)));
        }
        Some(())
    }

    fn all(&self) -> ArrayRef {
        ArrayBuilder::finish_cloned(self)
    }

    fn size(&self) -> usize {
        self.capacity().div_ceil(8) + self.validity_slice().map_or(0, <[u8]>::len)
    }
}

impl<T: ByteViewType> Column for GenericByteViewBuilder<T> {
    fn append(&mut self, values: &dyn Array, rows: &[usize]) -> Option<()> {
        let values = values.as_any().downcast_ref::<GenericByteViewArray<T>>()?;
        for row in rows {
            if values.is_valid(*row) {
                self.try_append_value(values.value(*row)).ok()?;
            } else {
                self.append_null();
            }
        }
        Some(())
    }

    fn all(&self) -> ArrayRef {
        ArrayBuilder::finish_cloned(self)
    }

    fn size(&self) -> usize {
        self.allocated_size()
    }
}

/// Finds the first row of each new number, in the order of numbers, where those from `known` to `total` are new. Rows
/// may meet new numbers in any order: the hash table gives rows whose hashes collide their numbers later than others.
pub(crate) fn first_rows(numbers: &[usize], new: Range<usize>, rows: &mut Vec<usize>) {
    rows.clear();
    if new.is_empty() {
        return;
    }
    rows.resize(new.len(), usize::MAX);
    for (row, number) in numbers.iter().enumerate() {
        if let Some(first) = number.checked_sub(new.start).and_then(|new| rows.get_mut(new))
            && *first == usize::MAX
        {
            *first = row;
        }
    }
}

/// The entries of the wanted groups where each entry of a log has a group: the position of its group among the wanted
/// ones, and its number.
pub(crate) fn entries_of(entries: &[u32], groups: Groups<'_>) -> (Vec<u64>, Vec<u32>) {
    let Groups::Some(wanted) = groups else {
        return (entries.iter().map(|group| u64::from(*group)).collect(), (0..entries.len() as u32).collect());
    };
    let mut positions = vec![u32::MAX; entries.iter().max().map_or(0, |most| *most as usize + 1)];
    for (position, group) in wanted.iter().enumerate() {
        if let Some(place) = positions.get_mut(*group as usize) {
            *place = position as u32;
        }
    }
    let position = |group: &u32| positions.get(*group as usize).copied().filter(|position| *position != u32::MAX);
    entries.iter().enumerate().filter_map(|(entry, group)| Some((u64::from(position(group)?), entry as u32))).unzip()
}

/// The entries of a log by group, in the order in which they came.
pub(crate) struct Buckets {
    starts: Vec<u32>,
    entries: Vec<u32>,
}

impl Buckets {
    /// Sorts the entries, of each of which the group is given.
    pub(crate) fn new(groups: &[u32]) -> Self {
        let total = groups.iter().max().map_or(0, |most| *most as usize + 1);
        let mut starts = vec![0_u32; total + 1];
        for group in groups {
            if let Some(count) = starts.get_mut(*group as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut entries = vec![0_u32; groups.len()];
        for (entry, group) in groups.iter().enumerate() {
            if let Some(at) = next.get_mut(*group as usize) {
                if let Some(place) = entries.get_mut(*at as usize) {
                    *place = entry as u32;
                }
                *at += 1;
            }
        }
        Self { starts, entries }
    }

    /// The entries of a group.
    pub(crate) fn of(&self, group: usize) -> &[u32] {
        let bounds = self.starts.get(group).zip(group.checked_add(1).and_then(|next| self.starts.get(next)));
        bounds.and_then(|(start, end)| self.entries.get(*start as usize..*end as usize)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rows_are_found_in_any_order_of_numbers() {
        let mut rows = vec![7];
        first_rows(&[3, 4, 3, 5, 1], 3..6, &mut rows);
        assert_eq!(rows, [0, 1, 3]);
        first_rows(&[5, 3, 5, 4, 3, 0], 3..6, &mut rows);
        assert_eq!(rows, [1, 3, 0]);
        first_rows(&[0, 1], 2..2, &mut rows);
        assert!(rows.is_empty());
    }

    #[test]
    fn entries_are_found_by_group() {
        let groups = [2, 0, 2, 1, 0];
        let buckets = Buckets::new(&groups);
        assert_eq!([0, 1, 2, 3, usize::MAX].map(|group| buckets.of(group)), [&[1, 4][..], &[3], &[0, 2], &[], &[]]);
        assert_eq!(entries_of(&groups, Groups::Some(&[1, 2])), (vec![1, 1, 0], vec![0, 2, 3]));
        assert_eq!(entries_of(&groups, Groups::All(3)), (vec![2, 0, 2, 1, 0], vec![0, 1, 2, 3, 4]));
    }
}
