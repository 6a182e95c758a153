//! Parquet files, whole.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, ListArray, RecordBatch, StructArray, TimestampMicrosecondArray, cast::AsArray,
    types::TimestampMicrosecondType,
};
use arrow_schema::{ArrowError, DataType as Arrow, Field, FieldRef, Schema as ArrowSchema, TimeUnit};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression as Codec, GzipLevel, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{Schema, compress::Compression};

/// The bytes of a Parquet file with these rows; `compression` is that of its pages.
///
/// Timestamps are microseconds adjusted to UTC, so that every reader shows the right instant; `json` is text;
/// intervals are microseconds as `INT64`. The file does not say how its columns looked in memory (`ARROW:schema`): older
/// readers know none of the view types. The same rows give the same bytes.
///
/// # Errors
/// If a batch's columns are not those of `schema`, in its order.
pub fn write_file(schema: &Schema, batches: &[RecordBatch], compression: Compression) -> Result<Vec<u8>, ArrowError> {
    let codec = match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Gzip => Codec::GZIP(GzipLevel::default()),
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
        Compression::Snappy => Codec::SNAPPY,
    };
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| Field::new(&field.name, stored(&field.data_type.arrow()), field.nullable))
        .collect();
    let stored = Arc::new(ArrowSchema::new(fields));
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut out = Vec::new();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(&mut out, stored.clone(), options)?;
    for batch in batches {
        let columns = batch.columns().iter().map(convert).collect::<Result<_, _>>()?;
        writer.write(&RecordBatch::try_new(stored.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(out)
}

fn stored(in_memory: &Arrow) -> Arrow {
    let nested = |field: &FieldRef| Arc::new(Field::new(field.name(), stored(field.data_type()), field.is_nullable()));
    match in_memory {
        Arrow::Timestamp(TimeUnit::Microsecond, None) => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Arrow::List(item) => Arrow::List(nested(item)),
        Arrow::Struct(fields) => Arrow::Struct(fields.iter().map(nested).collect()),
        other => other.clone(),
    }
}

fn convert(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(if let Some(times) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        Arc::new(TimestampMicrosecondArray::with_timezone(times.clone(), "UTC"))
    } else if let Arrow::List(item) = stored(column.data_type())
        && let Some(lists) = column.as_list_opt::<i32>()
    {
        let values = convert(lists.values())?;
        Arc::new(ListArray::try_new(item, lists.offsets().clone(), values, lists.nulls().cloned())?)
    } else if let Arrow::Struct(fields) = stored(column.data_type())
        && let Some(structs) = column.as_struct_opt()
    {
        let columns = structs.columns().iter().map(convert).collect::<Result<_, _>>()?;
        Arc::new(StructArray::try_new_with_length(fields, columns, structs.nulls().cloned(), structs.len())?)
    } else {
        Arc::clone(column)
    })
}
