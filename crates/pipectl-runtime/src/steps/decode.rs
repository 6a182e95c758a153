//! Payloads to the needed columns; what cannot be decoded becomes a dead letter.

use arrow_array::{BooleanArray, UInt32Array};
use pipectl_contract::{DeadLetters, Operator, OperatorError, Output, Reason};
use pipectl_data::{
    Batch, Schema,
    decode::{DecodeFormat, Decoder},
};
use pipectl_ir::dag::SourceFormat;

use super::broken;

/// Decodes the needed fields of each payload.
pub(crate) struct Decode {
    decoder: Decoder,
}

impl Decode {
    /// For these fields of records in this format; `all` are the fields in the order of the source.
    pub(crate) fn new(needed: &Schema, format: &SourceFormat, all: &Schema) -> Self {
        let format = match format {
            SourceFormat::Json => DecodeFormat::Json,
            SourceFormat::Text => DecodeFormat::Text,
            SourceFormat::Csv { delimiter, columns, nulls } => DecodeFormat::Csv {
                delimiter: *delimiter,
                columns: columns.clone().unwrap_or_else(|| all.names().map(str::to_owned).collect()),
                nulls: nulls.clone(),
            },
        };
        Self { decoder: Decoder::new(needed, format) }
    }
}

impl Operator for Decode {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        let Some(payload) = &batch.payload else {
            return Err(OperatorError("a batch without payloads reached the decoder".to_owned()));
        };
        let fields = batch.notes.as_ref().and_then(|notes| notes.fields.as_deref());
        let decoded = self.decoder.decode_with(payload, fields).map_err(broken)?;
        if decoded.bad.is_empty() {
            out.batches.push(batch.with_columns(decoded.columns));
            return Ok(());
        }
        let rows: UInt32Array = decoded.bad.iter().map(|bad| bad.row as u32).collect();
        let mut good = vec![true; batch.len()];
        for bad in &decoded.bad {
            good[bad.row] = false;
        }
        let dead = batch.take(&rows).map_err(broken)?;
        let reasons = decoded.bad.into_iter().map(|bad| Reason { code: "decode", message: bad.message }).collect();
        out.dead.push(DeadLetters { batch: dead, reasons });
        let kept = batch.filter(&BooleanArray::from(good)).map_err(broken)?;
        if !kept.is_empty() {
            out.batches.push(kept.with_columns(decoded.columns));
        }
        Ok(())
    }
}
