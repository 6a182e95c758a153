//! One column being built.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, ListArray, StructArray,
    builder::{
        BinaryViewBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, DurationMicrosecondBuilder,
        Float64Builder, Int64Builder, StringViewBuilder, TimestampMicrosecondBuilder,
    },
};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::ArrowError;

use crate::{DataType, Schema, data_type::list_item};

#[derive(Debug)]
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Interval(DurationMicrosecondBuilder),
    List(Box<List>),
    Struct(Box<Struct>),
}

/// A column of lists.
#[derive(Debug)]
pub(super) struct List {
    element: DataType,
    /// How many values each list has.
    lengths: Vec<usize>,
    nulls: NullBufferBuilder,
    pub(super) values: Column,
}

impl List {
    /// Ends a list of so many values, which have been appended to [`List::values`].
    pub(super) fn end(&mut self, length: usize) {
        self.lengths.push(length);
        self.nulls.append_non_null();
    }
}

/// A column of structs.
#[derive(Debug)]
pub(super) struct Struct {
    fields: Schema,
    rows: usize,
    nulls: NullBufferBuilder,
    pub(super) columns: Vec<Column>,
}

impl Struct {
    /// Ends a struct, each of whose fields has been appended to its column.
    pub(super) fn end(&mut self) {
        self.rows += 1;
        self.nulls.append_non_null();
    }
}

impl Column {
    pub(super) fn new(data_type: &DataType, rows: usize) -> Self {
        match data_type {
            DataType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Int64 => Self::Int(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float(Float64Builder::with_capacity(rows)),
            DataType::Decimal(_) => {
                Self::Decimal(Decimal128Builder::with_capacity(rows).with_data_type(data_type.arrow()))
            }
            DataType::String | DataType::Json => Self::Text(StringViewBuilder::with_capacity(rows)),
            DataType::Bytes => Self::Bytes(BinaryViewBuilder::with_capacity(rows)),
            DataType::Timestamp | DataType::EpochMillis | DataType::EpochSeconds => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Interval => Self::Interval(DurationMicrosecondBuilder::with_capacity(rows)),
            DataType::List(element) => Self::List(Box::new(List {
                element: DataType::clone(element),
                lengths: Vec::with_capacity(rows),
                nulls: NullBufferBuilder::new(rows),
                values: Self::new(element, rows),
            })),
            DataType::Struct(fields) => Self::Struct(Box::new(Struct {
                fields: fields.clone(),
                rows: 0,
                nulls: NullBufferBuilder::new(rows),
                columns: fields.fields().iter().map(|field| Self::new(&field.data_type, rows)).collect(),
            })),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Decimal(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Interval(builder) => builder.append_null(),
            Self::List(list) => {
                list.lengths.push(0);
                list.nulls.append_null();
            }
            Self::Struct(fields) => {
                fields.columns.iter_mut().for_each(Self::append_null);
                fields.rows += 1;
                fields.nulls.append_null();
            }
        }
    }

    /// The column as an array; afterwards it is empty.
    ///
    /// # Errors
    /// Only for faults of our own.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Interval(builder) => Arc::new(builder.finish()),
            Self::List(list) => {
                let offsets = OffsetBuffer::from_lengths(list.lengths.drain(..));
                let item = Arc::new(list_item(list.element.arrow()));
                Arc::new(ListArray::try_new(item, offsets, list.values.finish()?, list.nulls.finish())?)
            }
            Self::Struct(fields) => {
                let columns = fields.columns.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                let (types, rows) = (fields.fields.arrow().fields().clone(), std::mem::take(&mut fields.rows));
                Arc::new(StructArray::try_new_with_length(types, columns, fields.nulls.finish(), rows)?)
            }
        })
    }
}
