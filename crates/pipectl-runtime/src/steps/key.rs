//! The key of a stream, as bytes.

use pipectl_contract::{Operator, OperatorError, Output};
use pipectl_data::{Batch, encode::key_bytes};

use super::broken;

/// Takes the key from columns.
pub(crate) struct Key {
    fields: Vec<String>,
}

impl Key {
    /// For these fields.
    pub(crate) fn new(fields: &[String]) -> Self {
        Self { fields: fields.to_vec() }
    }
}

impl Operator for Key {
    fn on_batch(&mut self, mut batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        batch.keys = Some(keys(&batch, &self.fields)?);
        out.batches.push(batch);
        Ok(())
    }
}

/// The bytes of these columns together, for each record.
pub(crate) fn keys(batch: &Batch, fields: &[String]) -> Result<arrow_array::BinaryViewArray, OperatorError> {
    let columns = batch.columns.as_ref().ok_or_else(|| broken("a batch without columns reached a key step"))?;
    let indices = fields
        .iter()
        .map(|field| columns.schema_ref().index_of(field).map_err(broken))
        .collect::<Result<Vec<_>, _>>()?;
    key_bytes(columns, &indices).map_err(broken)
}
