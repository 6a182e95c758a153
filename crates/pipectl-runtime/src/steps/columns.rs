//! Columns by name, where records of several nodes meet: each may have them in another order, and more of them.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use pipectl_contract::{Operator, OperatorError, Output};
use pipectl_data::Batch;

use super::broken;

/// Chooses columns.
pub(crate) struct Columns {
    names: Vec<String>,
    /// Where they are in the batch before, whose schema most batches share.
    found: Option<(SchemaRef, Vec<usize>)>,
}

impl Columns {
    /// These columns, in this order.
    pub(crate) fn new(names: &[String]) -> Self {
        Self { names: names.to_vec(), found: None }
    }
}

impl Operator for Columns {
    fn on_batch(&mut self, mut batch: Batch, out: &mut Output) -> Result<(), OperatorError> {
        let columns =
            batch.columns.as_ref().ok_or_else(|| broken("a batch without columns reached a choice of columns"))?;
        let schema = columns.schema_ref();
        let indices = match &self.found {
            Some((known, indices)) if Arc::ptr_eq(known, schema) => indices,
            _ => {
                let indices = self.names.iter().map(|name| schema.index_of(name).map_err(broken));
                let indices = indices.collect::<Result<Vec<_>, _>>()?;
                &self.found.insert((Arc::clone(schema), indices)).1
            }
        };
        batch.columns = Some(columns.project(indices).map_err(broken)?);
        out.batches.push(batch);
        Ok(())
    }
}
