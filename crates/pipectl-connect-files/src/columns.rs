//! CSV with a header: rows brought into the order of the schema.

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Schema;
use pipectl_diag::nearest;

use crate::blocks::Block;

/// Where each of the schema's fields stands in a row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    names: Vec<String>,
    /// `None` if the file has exactly the schema's columns in the schema's order.
    order: Option<Vec<usize>>,
    delimiter: u8,
}

impl Columns {
    /// Matches the first row of `file` with the schema.
    pub(crate) fn of_header(header: &[u8], delimiter: u8, schema: &Schema, file: &str) -> Result<Self, ConnectorError> {
        let names = raw_fields(header, delimiter).into_iter().map(|field| {
            let field = String::from_utf8_lossy(field);
            match field.trim().strip_prefix('"').and_then(|field| field.strip_suffix('"')) {
                Some(quoted) => quoted.replace("\"\"", "\""),
                None => field.trim().to_owned(),
            }
        });
        Self::new(names.collect(), delimiter, schema, file)
    }

    /// The same for names read earlier.
    pub(crate) fn new(names: Vec<String>, delimiter: u8, schema: &Schema, file: &str) -> Result<Self, ConnectorError> {
        let invalid = |message: String| Err(ConnectorError::new(ErrorKind::Invalid, message));
        let mut order = Vec::new();
        for field in schema.names() {
            let mut places = names.iter().enumerate().filter(|(_, name)| *name == field);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => order.push(place),
                (Some(_), Some(_)) => return invalid(format!("the header of `{file}` names `{field}` twice")),
                (None, _) => {
                    let meant = nearest(field, names.iter().map(String::as_str));
                    let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
                    let listed: String = names.join(", ").chars().take(120).collect();
                    return invalid(format!(
                        "`{file}` has no column `{field}`: its header says {listed}{meant} (write `header: false` if its first row is data)"
                    ));
                }
            }
        }
        let same = order.len() == names.len() && order.iter().enumerate().all(|(index, place)| index == *place);
        Ok(Self { names, order: (!same).then_some(order), delimiter })
    }

    /// The file's columns by name.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The same records with the schema's fields in the schema's order. A row with too few or too many fields stays
    /// one that the decoder refuses.
    pub(crate) fn arrange(&self, block: Block) -> Block {
        let Some(order) = &self.order else { return block };
        let mut bytes = Vec::with_capacity(block.bytes.len());
        let mut records = Vec::with_capacity(block.records.len());
        for range in &block.records {
            let row = block.bytes.get(range.clone()).unwrap_or_default();
            let start = bytes.len();
            let fields = raw_fields(row, self.delimiter);
            if fields.len() == self.names.len() {
                for (index, place) in order.iter().enumerate() {
                    if index > 0 {
                        bytes.push(self.delimiter);
                    }
                    bytes.extend_from_slice(fields.get(*place).copied().unwrap_or_default());
                }
            } else {
                bytes.extend_from_slice(row);
                if fields.len() == order.len() {
                    // By chance as many as the schema has, but not those: one more makes it wrong for the decoder too.
                    bytes.push(self.delimiter);
                }
            }
            records.push(start..bytes.len());
        }
        Block { bytes, records, end: block.end }
    }
}

/// The fields of a row as they are written, quotes included.
fn raw_fields(row: &[u8], delimiter: u8) -> Vec<&[u8]> {
    let mut fields = Vec::new();
    let mut start = 0;
    let mut inside = false;
    let mut quoted = false;
    for (at, &byte) in row.iter().enumerate() {
        if byte == b'"' && (at == start || quoted) {
            quoted = true;
            inside = !inside;
        } else if byte == delimiter && !inside {
            fields.push(row.get(start..at).unwrap_or_default());
            start = at + 1;
            quoted = false;
        }
    }
    fields.push(row.get(start..).unwrap_or_default());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipectl_data::{DataType, Field};

    fn arrange(header: &str, rows: &[&str]) -> Vec<String> {
        let schema = Schema::new(["a", "b"].map(|name| Field::new(name, DataType::String)));
        let columns = Columns::of_header(header.as_bytes(), b',', &schema, "x.csv").expect("header");
        let mut block = Block::default();
        for row in rows {
            let start = block.bytes.len();
            block.bytes.extend_from_slice(row.as_bytes());
            block.records.push(start..block.bytes.len());
        }
        let payload = columns.arrange(block).into_payload().expect("views");
        payload.iter().flatten().map(|row| String::from_utf8_lossy(row).into_owned()).collect()
    }

    #[test]
    fn rows_come_in_the_schemas_order() {
        assert_eq!(arrange("a,b", &["1,2", "1"]), ["1,2", "1"]);
        assert_eq!(arrange("b , \"a\",c", &["2,\"1,\"\"1\"\"\",3", "x", "x,y"]), ["\"1,\"\"1\"\"\",2", "x", "x,y,"]);
        let schema = Schema::new([Field::new("temperature", DataType::Float64)]);
        let error = Columns::of_header(b"id,temprature", b',', &schema, "x.csv").expect_err("missing");
        assert!(error.message.contains("did you mean `temprature`"), "{error}");
    }
}
