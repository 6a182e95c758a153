//! One column being built.

use std::sync::Arc;

use arrow_array::{
    ArrayRef,
    builder::{
        BinaryViewBuilder, BooleanBuilder, Date32Builder, DurationMicrosecondBuilder, Float64Builder, Int64Builder,
        StringViewBuilder, TimestampMicrosecondBuilder,
    },
};

use crate::DataType;

#[derive(Debug)]
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Interval(DurationMicrosecondBuilder),
}

impl Column {
    pub(super) fn new(data_type: DataType, rows: usize) -> Self {
        match data_type {
            DataType::Bool => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Int64 => Self::Int(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float(Float64Builder::with_capacity(rows)),
            DataType::String | DataType::Json => Self::Text(StringViewBuilder::with_capacity(rows)),
            DataType::Bytes => Self::Bytes(BinaryViewBuilder::with_capacity(rows)),
            DataType::Timestamp | DataType::EpochMillis | DataType::EpochSeconds => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Date => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Interval => Self::Interval(DurationMicrosecondBuilder::with_capacity(rows)),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Bool(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Text(builder) => builder.append_null(),
            Self::Bytes(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Interval(builder) => builder.append_null(),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Bytes(builder) => Arc::new(builder.finish()),
            Self::Timestamp(builder) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::Interval(builder) => Arc::new(builder.finish()),
        }
    }
}
