//! Parquet files, whole.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, cast::AsArray, types::TimestampMicrosecondType};
use arrow_schema::{ArrowError, DataType as Arrow, Field, Schema as ArrowSchema, TimeUnit};
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
        let columns = batch.columns().iter().map(convert).collect();
        writer.write(&RecordBatch::try_new(stored.clone(), columns)?)?;
    }
    writer.close()?;
    Ok(out)
}

fn stored(in_memory: &Arrow) -> Arrow {
    match in_memory {
        Arrow::Timestamp(TimeUnit::Microsecond, None) => Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        other => other.clone(),
    }
}

fn convert(column: &ArrayRef) -> ArrayRef {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(TimestampMicrosecondArray::with_timezone(times.clone(), "UTC")),
        None => column.clone(),
    }
}
