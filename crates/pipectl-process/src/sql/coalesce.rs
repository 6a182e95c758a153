//! `coalesce`: each argument is computed once, and only for the rows that need it.
//!
//! As a CASE every argument would stand twice, so nested calls would cost twice as much with each level.

use std::{fmt, sync::Arc};

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use arrow_select::zip::zip;
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

/// The call.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Coalesce {
    args: Vec<Arc<dyn PhysicalExpr>>,
    result: DataType,
}

impl Coalesce {
    pub(super) fn new(args: Vec<Arc<dyn PhysicalExpr>>, result: DataType) -> Self {
        Self { args, result }
    }
}

impl PhysicalExpr for Coalesce {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let mut found = arrow_array::new_null_array(&self.result, rows);
        for arg in &self.args {
            if found.null_count() == 0 && rows > 0 {
                break;
            }
            let missing = arrow_array::BooleanArray::from((0..rows).map(|row| found.is_null(row)).collect::<Vec<_>>());
            let next = arg.evaluate_selection(batch, &missing)?.into_array(rows)?;
            found = zip(&missing, &next, &found)?;
        }
        Ok(ColumnarValue::Array(found))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self::new(args, self.result.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Coalesce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("coalesce(")?;
        for (position, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if position == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}
