//! Values of one type by number, which can be replaced: the smallest value of a group so far, the values of a group.

use std::{cmp::Ordering, sync::Arc};

use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BooleanArray, GenericByteViewArray, PrimitiveArray,
    builder::GenericByteViewBuilder,
    types::{BinaryViewType, ByteViewType, StringViewType},
};
use arrow_schema::DataType;

use super::Bits;
use crate::OperatorError;

/// Values of one type by number. A value that nothing was put into means nothing.
pub(crate) trait Slots: Send + 'static {
    /// The column that values come in.
    type Array: Array + 'static;
    /// No values; `kind` is the type of their column.
    fn new(kind: &DataType) -> Self;
    /// Makes room for values 0 to `total`.
    fn grow(&mut self, total: usize);
    /// Replaces a value.
    fn put(&mut self, slot: usize, values: &Self::Array, row: usize);
    /// How the value of a row compares with the one that is here.
    fn compare(&self, slot: usize, values: &Self::Array, row: usize) -> Ordering;
    /// How two values that are here compare.
    fn compare_slots(&self, a: usize, b: usize) -> Ordering;
    /// The values at these places as a column; `None` gives null.
    fn column(&self, slots: impl Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError>;
    /// Bytes held.
    fn size(&self) -> usize;
}

/// [`Slots`] of any type.
pub(crate) trait AnySlots: Send {
    fn grow_any(&mut self, total: usize);
    fn put_any(&mut self, slot: usize, values: &dyn Array, row: usize);
    fn compare_any(&self, slot: usize, values: &dyn Array, row: usize) -> Ordering;
    fn column_any(&self, slots: &mut dyn Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError>;
    fn size_any(&self) -> usize;
}

impl<S: Slots> AnySlots for S {
    fn grow_any(&mut self, total: usize) {
        self.grow(total);
    }

    fn put_any(&mut self, slot: usize, values: &dyn Array, row: usize) {
        if let Some(values) = values.as_any().downcast_ref::<S::Array>() {
            self.put(slot, values, row);
        }
    }

    fn compare_any(&self, slot: usize, values: &dyn Array, row: usize) -> Ordering {
        values.as_any().downcast_ref::<S::Array>().map_or(Ordering::Equal, |values| self.compare(slot, values, row))
    }

    fn column_any(&self, slots: &mut dyn Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError> {
        self.column(slots)
    }

    fn size_any(&self) -> usize {
        self.size()
    }
}

/// Evaluates an expression with the type of slots for a type of column, or answers the error.
macro_rules! with_slots {
    ($kind:expr, $S:ident => $body:expr) => {{
        use arrow_array::types::{
            BinaryViewType, Date32Type, Decimal128Type, Float64Type, Int64Type, StringViewType,
            TimestampMicrosecondType,
        };
        use arrow_schema::{DataType, TimeUnit};
        use $crate::window::accumulator::slots::{Bools, Bytes, Fixed};
        match $kind {
            DataType::Boolean => {
                type $S = Bools;
                Ok($body)
            }
            DataType::Int64 => {
                type $S = Fixed<Int64Type>;
                Ok($body)
            }
            DataType::Float64 => {
                type $S = Fixed<Float64Type>;
                Ok($body)
            }
            DataType::Date32 => {
                type $S = Fixed<Date32Type>;
                Ok($body)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                type $S = Fixed<TimestampMicrosecondType>;
                Ok($body)
            }
            DataType::Decimal128(..) => {
                type $S = Fixed<Decimal128Type>;
                Ok($body)
            }
            DataType::Utf8View => {
                type $S = Bytes<StringViewType>;
                Ok($body)
            }
            DataType::BinaryView => {
                type $S = Bytes<BinaryViewType>;
                Ok($body)
            }
            other => Err($crate::OperatorError(format!("no aggregate keeps values of type {other}"))),
        }
    }};
}
pub(crate) use with_slots;

/// Values of a fixed width. Floats are in total order, so that the smaller one of 0.0 and -0.0 is always -0.0.
pub(crate) struct Fixed<T: ArrowPrimitiveType> {
    kind: DataType,
    values: Vec<T::Native>,
}

impl<T: ArrowPrimitiveType> Fixed<T> {
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> T::Native {
        self.values.get(slot).copied().unwrap_or_default()
    }
}

impl<T: ArrowPrimitiveType> Slots for Fixed<T> {
    type Array = PrimitiveArray<T>;

    fn new(kind: &DataType) -> Self {
        Self { kind: kind.clone(), values: Vec::new() }
    }

    fn grow(&mut self, total: usize) {
        self.values.resize(total, T::Native::default());
    }

    #[inline]
    fn put(&mut self, slot: usize, values: &Self::Array, row: usize) {
        if let Some(value) = self.values.get_mut(slot) {
            *value = values.value(row);
        }
    }

    #[inline]
    fn compare(&self, slot: usize, values: &Self::Array, row: usize) -> Ordering {
        values.value(row).compare(self.get(slot))
    }

    #[inline]
    fn compare_slots(&self, a: usize, b: usize) -> Ordering {
        self.get(a).compare(self.get(b))
    }

    fn column(&self, slots: impl Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError> {
        let values = slots.map(|slot| slot.map(|slot| self.get(slot)));
        Ok(Arc::new(values.collect::<PrimitiveArray<T>>().with_data_type(self.kind.clone())))
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>()
    }
}

/// Truth values; false is smaller.
#[derive(Default)]
pub(crate) struct Bools {
    values: Vec<bool>,
}

impl Bools {
    #[inline]
    fn get(&self, slot: usize) -> bool {
        self.values.get(slot).copied().unwrap_or_default()
    }
}

impl Slots for Bools {
    type Array = BooleanArray;

    fn new(_: &DataType) -> Self {
        Self::default()
    }

    fn grow(&mut self, total: usize) {
        self.values.resize(total, false);
    }

    fn put(&mut self, slot: usize, values: &Self::Array, row: usize) {
        if let Some(value) = self.values.get_mut(slot) {
            *value = values.value(row);
        }
    }

    fn compare(&self, slot: usize, values: &Self::Array, row: usize) -> Ordering {
        values.value(row).cmp(&self.get(slot))
    }

    fn compare_slots(&self, a: usize, b: usize) -> Ordering {
        self.get(a).cmp(&self.get(b))
    }

    fn column(&self, slots: impl Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError> {
        Ok(Arc::new(slots.map(|slot| slot.map(|slot| self.get(slot))).collect::<BooleanArray>()))
    }

    fn size(&self) -> usize {
        self.values.capacity()
    }
}

/// Texts or bytes, one after the other in one buffer.
pub(crate) struct Bytes<T: ByteViewType> {
    buffer: Vec<u8>,
    spans: Vec<Span>,
    /// Bytes of the buffer that no value has any more.
    unused: usize,
    kind: std::marker::PhantomData<fn() -> T>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    length: u32,
    /// How many bytes there are for it.
    room: u32,
}

/// A buffer with fewer unused bytes is not rewritten.
const LEAST_UNUSED: usize = 1 << 16;

impl<T: ByteViewType> Bytes<T> {
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> &[u8] {
        let Some(span) = self.spans.get(slot) else { return &[] };
        self.buffer.get(span.start..span.start + span.length as usize).unwrap_or_default()
    }

    /// Values are replaced in place if they fit; else they go to the end of the buffer.
    fn put_bytes(&mut self, slot: usize, value: &[u8]) {
        let end = self.buffer.len();
        let Some(span) = self.spans.get_mut(slot) else { return };
        let length = value.len() as u32;
        if length <= span.room {
            span.length = length;
            if let Some(place) = self.buffer.get_mut(span.start..span.start + value.len()) {
                place.copy_from_slice(value);
            }
            return;
        }
        self.unused += span.room as usize;
        *span = Span { start: end, length, room: length };
        self.buffer.extend_from_slice(value);
        if self.unused > LEAST_UNUSED && self.unused > self.buffer.len() / 2 {
            self.rewrite();
        }
    }

    #[cold]
    fn rewrite(&mut self) {
        let mut bytes = Vec::with_capacity(self.buffer.len() - self.unused);
        for span in &mut self.spans {
            let value = self.buffer.get(span.start..span.start + span.length as usize).unwrap_or_default();
            *span = Span { start: bytes.len(), length: span.length, room: span.length };
            bytes.extend_from_slice(value);
        }
        self.buffer = bytes;
        self.unused = 0;
    }
}

/// What is common to the values of texts and of bytes.
pub(crate) trait BytesOf: ByteViewType {
    /// The value of these bytes, which came from a column of this type.
    fn value(bytes: &[u8]) -> Result<&Self::Native, OperatorError>;
}

impl BytesOf for StringViewType {
    fn value(bytes: &[u8]) -> Result<&str, OperatorError> {
        std::str::from_utf8(bytes).map_err(|_| OperatorError("a text of an aggregate is not UTF-8".to_owned()))
    }
}

impl BytesOf for BinaryViewType {
    fn value(bytes: &[u8]) -> Result<&[u8], OperatorError> {
        Ok(bytes)
    }
}

impl<T: BytesOf> Slots for Bytes<T> {
    type Array = GenericByteViewArray<T>;

    fn new(_: &DataType) -> Self {
        Self { buffer: Vec::new(), spans: Vec::new(), unused: 0, kind: std::marker::PhantomData }
    }

    fn grow(&mut self, total: usize) {
        self.spans.resize(total, Span::default());
    }

    fn put(&mut self, slot: usize, values: &Self::Array, row: usize) {
        let value: &T::Native = values.value(row);
        self.put_bytes(slot, value.as_ref());
    }

    fn compare(&self, slot: usize, values: &Self::Array, row: usize) -> Ordering {
        let value: &T::Native = values.value(row);
        let value: &[u8] = value.as_ref();
        value.cmp(self.get(slot))
    }

    fn compare_slots(&self, a: usize, b: usize) -> Ordering {
        self.get(a).cmp(self.get(b))
    }

    fn column(&self, slots: impl Iterator<Item = Option<usize>>) -> Result<ArrayRef, OperatorError> {
        let mut column = GenericByteViewBuilder::<T>::new();
        for slot in slots {
            match slot {
                Some(slot) => column.append_value(T::value(self.get(slot))?),
                None => column.append_null(),
            }
        }
        Ok(Arc::new(column.finish()))
    }

    fn size(&self) -> usize {
        self.buffer.capacity() + self.spans.capacity() * size_of::<Span>()
    }
}

/// The slots that have a value.
pub(crate) fn seen(groups: super::Groups<'_>, seen: &Bits) -> impl Iterator<Item = Option<usize>> {
    groups.iter().map(|group| seen.get(group).then_some(group))
}

#[cfg(test)]
mod tests {
    use arrow_array::{StringViewArray, cast::AsArray};

    use super::*;

    #[test]
    fn replaced_texts_do_not_fill_the_buffer() {
        let mut slots = Bytes::<StringViewType>::new(&DataType::Utf8View);
        slots.grow(3);
        let long: Vec<String> = (1..200_usize).map(|length| "x".repeat(length * 20)).collect();
        let texts = StringViewArray::from_iter_values(long.iter().chain([&String::new(), &"y".repeat(50)]));
        for row in 0..199 {
            slots.put(1, &texts, row);
        }
        assert!(slots.buffer.len() < 3 * LEAST_UNUSED, "{}", slots.buffer.len());
        slots.put(0, &texts, 200);
        assert_eq!(slots.compare(1, &texts, 198), Ordering::Equal);
        slots.put(1, &texts, 199);
        slots.put(2, &texts, 0);
        let column = slots.column([Some(0), None, Some(1), Some(2)].into_iter()).unwrap();
        let column: Vec<_> = column.as_string_view().iter().collect();
        assert_eq!(column, [Some("y".repeat(50).as_str()), None, Some(""), Some("x".repeat(20).as_str())]);
    }
}
