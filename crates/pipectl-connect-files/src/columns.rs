//! CSV with a header: which columns a file has, and in which order.

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Schema;
use pipectl_diag::nearest;

/// The names of the values in a row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns(Vec<String>);

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
        Self::new(names.collect(), schema, file)
    }

    fn new(names: Vec<String>, schema: &Schema, file: &str) -> Result<Self, ConnectorError> {
        let invalid = |message: String| Err(ConnectorError::new(ErrorKind::Invalid, message));
        for field in schema.names() {
            let mut places = names.iter().filter(|name| *name == field);
            match (places.next(), places.next()) {
                (Some(_), None) => {}
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
        Ok(Self(names))
    }

    /// The file's columns by name.
    pub(crate) fn names(&self) -> &[String] {
        &self.0
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

    #[test]
    fn a_header_names_the_columns() {
        let schema = Schema::new(["a", "b"].map(|name| Field::new(name, DataType::String)));
        let names = |header: &str| Columns::of_header(header.as_bytes(), b',', &schema, "x.csv");
        assert_eq!(names("a,b").expect("fits").names(), ["a", "b"]);
        assert_eq!(names("b , \"a\",\"c, \"\"d\"\"\"").expect("fits").names(), ["b", "a", "c, \"d\""]);
        assert!(names("a,b,a").expect_err("twice").message.contains("names `a` twice"));
        let schema = Schema::new([Field::new("temperature", DataType::Float64)]);
        let error = Columns::of_header(b"id,temprature", b',', &schema, "x.csv").expect_err("missing");
        assert!(error.message.contains("did you mean `temprature`"), "{error}");
    }
}
