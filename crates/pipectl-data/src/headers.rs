//! Headers of records: names and bytes that travel beside the payload (Kafka headers, Pub/Sub attributes, Event Hubs
//! properties). They are carried, never looked at by queries.

use std::sync::{Arc, LazyLock};

use arrow_array::{
    Array, ArrayRef, ListArray, StructArray,
    builder::{BinaryViewBuilder, StringViewBuilder},
    cast::AsArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, FieldRef, Fields};

static ENTRY: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![Field::new("name", DataType::Utf8View, false), Field::new("value", DataType::BinaryView, true)])
});
static ITEM: LazyLock<FieldRef> =
    LazyLock::new(|| Arc::new(Field::new("header", DataType::Struct(ENTRY.clone()), false)));

/// The headers of each record of a batch, in the order in which they were written; a name may come more than once.
#[derive(Debug, Clone, PartialEq)]
pub struct Headers(ListArray);

impl Headers {
    /// The headers of one record; none for a row that does not exist.
    pub fn of(&self, row: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let entries = self.0.values().as_struct();
        let (names, values) = (entries.column(0).as_string_view(), entries.column(1).as_binary_view());
        let offsets = self.0.value_offsets();
        let range = match (offsets.get(row), offsets.get(row + 1)) {
            (Some(from), Some(to)) => *from as usize..*to as usize,
            _ => 0..0,
        };
        range.map(move |entry| (names.value(entry), values.is_valid(entry).then(|| values.value(entry))))
    }

    /// How many records.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that they count for in a byte budget.
    pub fn byte_size(&self) -> usize {
        self.0.to_data().get_slice_memory_size().unwrap_or(0)
    }

    /// As a column, so that rows can be taken and joined with the rest of a batch.
    pub(crate) fn array(&self) -> &ListArray {
        &self.0
    }

    /// From what came out of an operation on [`Headers::array`].
    pub(crate) fn from_array(array: &ArrayRef) -> Option<Self> {
        array.as_list_opt::<i32>().cloned().map(Self)
    }
}

/// Collects the headers of records, one record after the other.
#[derive(Debug)]
pub struct HeadersBuilder {
    names: StringViewBuilder,
    values: BinaryViewBuilder,
    offsets: Vec<i32>,
    entries: i32,
}

impl Default for HeadersBuilder {
    fn default() -> Self {
        Self { names: StringViewBuilder::new(), values: BinaryViewBuilder::new(), offsets: vec![0], entries: 0 }
    }
}

impl HeadersBuilder {
    /// Adds a header to the record that is being written.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) {
        self.names.append_value(name);
        self.values.append_option(value);
        self.entries += 1;
    }

    /// Ends the record that is being written.
    pub fn end_record(&mut self) {
        self.offsets.push(self.entries);
    }

    /// What was collected; `None` if no record had any header, so that the common case costs nothing.
    pub fn finish(mut self) -> Option<Headers> {
        if self.entries == 0 {
            return None;
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(self.names.finish()), Arc::new(self.values.finish())];
        let entries = StructArray::new(ENTRY.clone(), columns, None::<NullBuffer>);
        let offsets = OffsetBuffer::new(self.offsets.into());
        Some(Headers(ListArray::new(Arc::clone(&ITEM), offsets, Arc::new(entries), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_null_values() {
        let mut builder = HeadersBuilder::default();
        builder.header("a", Some(b"1"));
        builder.header("a", None);
        builder.end_record();
        builder.end_record();
        builder.header("b", Some(&[0xff]));
        builder.end_record();
        let headers = builder.finish().unwrap();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers.of(0).collect::<Vec<_>>(), [("a", Some(&b"1"[..])), ("a", None)]);
        assert_eq!(headers.of(1).count(), 0);
        assert_eq!(headers.of(2).collect::<Vec<_>>(), [("b", Some(&[0xff][..]))]);
        assert_eq!(headers.of(3).count(), 0);
        assert_eq!(HeadersBuilder::default().finish(), None);
    }
}
