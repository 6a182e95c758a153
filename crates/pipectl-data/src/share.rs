//! Which part of a keyed state a task has: the same rule that sends records to tasks.

use arrow_array::{Array, BinaryViewArray, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;

use crate::{
    Schema,
    decode::{DecodeFormat, Decoder},
    encode::{jsonl, key_bytes},
    key_hash,
};

/// A task's part of what is kept by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The columns by whose hash records are sent to tasks; without them, the first task gets all.
    pub columns: Option<Vec<String>>,
    /// The number of the task.
    pub task: u32,
    /// How many there are, at least 1.
    pub tasks: u32,
}

/// The task that gets each record with these keys. A record without a key goes where the empty key goes, so that such
/// records stay in order too. `tasks` must not be 0.
pub fn tasks_of(keys: &BinaryViewArray, tasks: u32) -> impl Iterator<Item = u32> + '_ {
    (0..keys.len()).map(move |row| {
        let key = if keys.is_null(row) { &[][..] } else { keys.value(row) };
        key_hash::partition(key, tasks)
    })
}

impl Share {
    /// Which rows are this task's.
    ///
    /// # Errors
    /// If a column is missing, or of a type that cannot be a key.
    pub fn owns(&self, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let Some(names) = self.columns.as_ref().filter(|_| self.tasks > 1) else {
            return Ok((0..rows.num_rows()).map(|_| Some(self.task == 0)).collect());
        };
        let indices = names.iter().map(|name| rows.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let keys = key_bytes(rows, &indices)?;
        Ok(tasks_of(&keys, self.tasks).map(|task| Some(task == self.task)).collect())
    }

    /// Which keys are this task's, where each is written as a JSON object with these fields.
    ///
    /// # Errors
    /// If a key cannot be read, or means another one when it is.
    pub fn owns_keys<'a>(
        &self,
        fields: &Schema,
        keys: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<BooleanArray, ArrowError> {
        let texts = BinaryViewArray::from_iter_values(keys.clone().map(str::as_bytes));
        let decoded = Decoder::new(fields, DecodeFormat::Json).decode(&texts)?;
        if let Some(bad) = decoded.bad.first() {
            return Err(ArrowError::ParseError(format!("a key in a checkpoint cannot be read: {}", bad.message)));
        }
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        jsonl::write_rows(&decoded.columns, fields, &mut text, &mut ends)?;
        let mut start = 0;
        for (key, end) in keys.zip(ends) {
            if text.get(start..end).map(<[u8]>::trim_ascii_end) != Some(key.as_bytes()) {
                return Err(ArrowError::ParseError(format!("a key in a checkpoint reads as another one: {key}")));
            }
            start = end;
        }
        self.owns(&decoded.columns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, StringViewArray};

    use super::*;
    use crate::{DataType, Field};

    fn share(task: u32, tasks: u32) -> Share {
        Share { columns: Some(vec!["name".to_owned(), "x".to_owned()]), task, tasks }
    }

    #[test]
    fn each_key_is_one_tasks_however_it_is_written() {
        let schema = Schema::new([Field::required("name", DataType::String), Field::required("x", DataType::Float64)]);
        let names: StringViewArray = (0..100).map(|number| Some(format!("n\u{e9}-\"{}", number % 50))).collect();
        let values: Float64Array = (0..100).map(|number| Some(f64::from(number % 7) / 3.0)).collect();
        let rows = RecordBatch::try_new(schema.arrow(), vec![Arc::new(names), Arc::new(values)]).unwrap();
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        jsonl::write_rows(&rows, &schema, &mut text, &mut ends).unwrap();
        let keys: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
        for tasks in 1..5 {
            let owned: Vec<BooleanArray> = (0..tasks).map(|task| share(task, tasks).owns(&rows).unwrap()).collect();
            for row in 0..rows.num_rows() {
                assert_eq!(owned.iter().filter(|owned| owned.value(row)).count(), 1);
            }
            for (task, owned) in owned.iter().enumerate() {
                let by_text = share(task as u32, tasks).owns_keys(&schema, keys.iter().copied()).unwrap();
                assert_eq!(&by_text, owned);
            }
        }
        let other = share(0, 2).owns_keys(&schema, ["{\"x\":1,\"name\":\"a\"}"].into_iter());
        assert!(other.unwrap_err().to_string().contains("another one"));
        assert!(share(0, 2).owns_keys(&schema, ["nonsense"].into_iter()).is_err());
    }
}
