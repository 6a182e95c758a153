//! From the engine's batches to what a producer takes: payloads, keys, headers.
//!
//! Records that nobody changed go out byte for byte as they came; the plan leaves the payload behind where somebody did,
//! and then each is written as one JSON object, by the columns that it has and the types that the stream declares.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryViewArray, Int64Array, RecordBatch, RecordBatchOptions, builder::BinaryViewBuilder, cast::AsArray,
    types::TimestampMicrosecondType,
};
use arrow_buffer::Buffer;
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Refused, Rejection, SinkWriter};
use pipectl_data::{Batch, DataType, Field, Micros, Schema, encode::jsonl};

/// A producer behind the face of a sink's writer.
pub(crate) struct StreamWriter {
    producer: Box<dyn SinkWriter>,
    /// The columns that the stream declares.
    schema: Schema,
}

impl StreamWriter {
    /// Writes to this producer, for a stream of these columns.
    pub(crate) fn new(producer: Box<dyn SinkWriter>, schema: Schema) -> Self {
        Self { producer, schema }
    }

    fn outgoing(&self, batch: &Batch) -> Result<Batch, ConnectorError> {
        let payload = match (&batch.payload, &batch.columns) {
            (Some(payload), _) => payload.clone(),
            (None, Some(columns)) => self.encode(columns)?,
            (None, None) => return Err(broken("a batch has neither payload nor columns")),
        };
        Ok(Batch { payload: Some(payload), columns: None, ..batch.clone() })
    }

    fn encode(&self, columns: &RecordBatch) -> Result<BinaryViewArray, ConnectorError> {
        let mut fields = Vec::with_capacity(columns.num_columns());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.num_columns());
        for (found, array) in Schema::of_arrow(&columns.schema()).fields().iter().zip(columns.columns()) {
            let declared = self.schema.find(&found.name).map_or(&found.data_type, |(_, field)| &field.data_type);
            let (data_type, array) = match (declared, epoch_unit(declared)) {
                // Whoever reads the stream expects a number.
                (_, Some(unit)) if found.data_type == DataType::Timestamp => {
                    let times = array.as_primitive::<TimestampMicrosecondType>();
                    let numbers: Int64Array = times.iter().map(|time| time.map(|time| time.div_euclid(unit))).collect();
                    (DataType::Int64, Arc::new(numbers) as ArrayRef)
                }
                // In memory JSON looks like text, inside of lists and structs too.
                (declared, _) if declared.arrow() == *array.data_type() => (declared.clone(), Arc::clone(array)),
                _ => (found.data_type.clone(), Arc::clone(array)),
            };
            fields.push(Field { name: found.name.clone(), data_type, nullable: true });
            arrays.push(array);
        }
        let schema = Schema::new(fields);
        let options = RecordBatchOptions::new().with_row_count(Some(columns.num_rows()));
        let columns = RecordBatch::try_new_with_options(schema.arrow(), arrays, &options).map_err(broken)?;
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        jsonl::write_rows(&columns, &schema, &mut bytes, &mut ends).map_err(broken)?;
        let mut payloads = BinaryViewBuilder::with_capacity(ends.len());
        let block = payloads.append_block(Buffer::from_vec(bytes));
        let mut start = 0;
        for end in ends {
            // Without the line feed at its end.
            let (from, length) = (u32::try_from(start), u32::try_from(end - 1 - start));
            let (Ok(from), Ok(length)) = (from, length) else { return Err(broken("a batch of more than 4 GiB")) };
            payloads.try_append_view(block, from, length).map_err(broken)?;
            start = end;
        }
        Ok(payloads.finish())
    }
}

fn epoch_unit(data_type: &DataType) -> Option<Micros> {
    match data_type {
        DataType::EpochMillis => Some(1_000),
        DataType::EpochSeconds => Some(1_000_000),
        _ => None,
    }
}

fn broken(error: impl std::fmt::Display) -> ConnectorError {
    ConnectorError::new(ErrorKind::Internal, format!("records cannot be written as JSON: {error}"))
}

#[async_trait]
impl SinkWriter for StreamWriter {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let outgoing = self.outgoing(batch)?;
        self.producer.write(&outgoing).await
    }

    fn refused(&mut self) -> Vec<Refused> {
        self.producer.refused()
    }

    fn deadline(&self) -> Option<Micros> {
        self.producer.deadline()
    }

    fn wants_checkpoint(&self) -> bool {
        self.producer.wants_checkpoint()
    }

    async fn on_time(&mut self) -> Result<(), ConnectorError> {
        self.producer.on_time().await
    }

    fn is_two_phase(&self) -> bool {
        self.producer.is_two_phase()
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        self.producer.checkpoint().await
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        self.producer.committed().await
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.producer.finish().await
    }
}
