//! A kernel of ours as a DataFusion expression.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;

use super::kernel::Kernel;

/// A call of a kernel.
pub(super) struct Native {
    /// Names the kernel; two natives of one name and equal arguments do the same.
    name: String,
    kernel: Kernel,
    args: Vec<Arc<dyn PhysicalExpr>>,
    result: DataType,
}

impl Native {
    pub(super) fn new(
        name: impl Into<String>,
        kernel: Kernel,
        args: Vec<Arc<dyn PhysicalExpr>>,
        result: DataType,
    ) -> Self {
        Self { name: name.into(), kernel, args, result }
    }
}

impl PhysicalExpr for Native {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let args = self.args.iter().map(|arg| arg.evaluate(batch)).collect::<Result<Vec<_>>>()?;
        let constant = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if constant {
            let one = (self.kernel)(&args, 1)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?));
        }
        Ok(ColumnarValue::Array((self.kernel)(&args, batch.num_rows())?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.args.iter().collect()
    }

    fn with_new_children(self: Arc<Self>, args: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self::new(self.name.clone(), Arc::clone(&self.kernel), args, self.result.clone())))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        for (position, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if position == 0 { "" } else { ", " })?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.args == other.args && self.result == other.result
    }
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.args.hash(state);
        self.result.hash(state);
    }
}
