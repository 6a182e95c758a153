//! The table itself: made, compared with what the input needs, and written to.

use pipectl_contract::ConnectorError;
use pipectl_data::DataType;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{invalid, sqlite};

/// What names of our own columns begin with.
pub(crate) const RESERVED: &str = "_pipectl_";
/// The event time of a row in microseconds since 1970, null if it has none.
const TIME: &str = "_pipectl_time";

/// A column as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type in the input.
    pub(crate) data_type: DataType,
    /// Whether it is part of the key.
    pub(crate) key: bool,
}

/// A table as it is wanted.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    /// Where it is, for messages.
    pub(crate) file: String,
    /// Its name.
    pub(crate) name: String,
    /// The key's columns in the key's order.
    pub(crate) key: Vec<String>,
    /// All columns in the input's order.
    pub(crate) columns: Vec<Column>,
}

/// A column as the database has it.
pub(crate) struct Existing {
    name: String,
    declared: String,
    /// The place in the key from 1 on; 0 for other columns.
    key: usize,
}

impl Definition {
    /// Makes the table, or adds the columns that it lacks. A table that does not fit is left alone and reported.
    pub(crate) fn ensure(&self, connection: &mut Connection) -> Result<(), ConnectorError> {
        let failed = |error| sqlite(format_args!("prepare {}", self.title()), error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let existing = existing(&transaction, &self.name).map_err(failed)?;
        if existing.is_empty() {
            transaction.execute_batch(&self.create()).map_err(failed)?;
        } else {
            for column in self.missing(&existing)? {
                let (table, name) = (quote(&self.name), quote(&column.name));
                let add = format!("ALTER TABLE {table} ADD COLUMN {name} {}", declared(&column.data_type));
                transaction.execute_batch(&add).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// What messages call it.
    pub(crate) fn title(&self) -> String {
        format!("table `{}` in `{}`", self.name, self.file)
    }

    fn create(&self) -> String {
        let mut lines: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                let not_null = if column.key { " NOT NULL" } else { "" };
                format!("{} {}{not_null}", quote(&column.name), declared(&column.data_type))
            })
            .collect();
        lines.push(format!("{TIME} INTEGER"));
        lines.push(format!("PRIMARY KEY ({})", list(self.key.iter())));
        format!("CREATE TABLE {} (\n  {}\n) WITHOUT ROWID", quote(&self.name), lines.join(",\n  "))
    }

    /// The columns that the database's table lacks, or why the two do not fit together.
    fn missing(&self, existing: &[Existing]) -> Result<Vec<&Column>, ConnectorError> {
        let title = self.title();
        let advice = "choose another `name`, or drop the table";
        if !is_ours(existing) {
            return Err(invalid(format!("{title} exists and was not created by pipectl; {advice}")));
        }
        let advice = format!(
            "{advice}, or replace its rows with `--replace-output` (and `--reset` where the sink has a checkpoint)"
        );
        let mut key: Vec<(usize, &str)> =
            existing.iter().filter(|column| column.key > 0).map(|column| (column.key, column.name.as_str())).collect();
        key.sort_unstable();
        let key: Vec<&str> = key.into_iter().map(|(_, name)| name).collect();
        if key != self.key {
            return Err(invalid(format!(
                "{title} has the key ({}), and the sink writes by ({}); {advice}",
                key.join(", "),
                self.key.join(", ")
            )));
        }
        let same = |left: &str, right: &str| left.eq_ignore_ascii_case(right);
        for column in existing.iter().filter(|column| column.name != TIME) {
            if !self.columns.iter().any(|wanted| same(&wanted.name, &column.name)) {
                let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
                return Err(invalid(format!(
                    "{title} has a column `{}`, and the sink writes only ({}); {advice}, or drop the column",
                    column.name,
                    names.join(", ")
                )));
            }
        }
        let mut missing = Vec::new();
        for column in &self.columns {
            match existing.iter().find(|existing| same(&existing.name, &column.name)) {
                None => missing.push(column),
                Some(existing) if existing.declared != declared(&column.data_type) => {
                    return Err(invalid(format!(
                        "{title} has column `{}` as {}, and the sink writes {} ({}); {advice}",
                        column.name,
                        existing.declared,
                        declared(&column.data_type),
                        column.data_type
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(missing)
    }

    /// The statement that writes one row: a parameter for each column, then one for the event time. A row that is newer
    /// than what comes stays.
    pub(crate) fn upsert(&self) -> String {
        let table = quote(&self.name);
        let parameters: Vec<String> = (1..=self.columns.len() + 1).map(|number| format!("?{number}")).collect();
        let others = self.columns.iter().filter(|column| !column.key).map(|column| quote(&column.name));
        let set: Vec<String> =
            others.chain([TIME.to_owned()]).map(|name| format!("{name} = excluded.{name}")).collect();
        format!(
            "INSERT INTO {table} ({}, {TIME}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {} \
             WHERE {table}.{TIME} IS NULL OR excluded.{TIME} IS NULL OR excluded.{TIME} >= {table}.{TIME}",
            list(self.columns.iter().map(|column| &column.name)),
            parameters.join(", "),
            list(self.key.iter()),
            set.join(", "),
        )
    }
}

/// Whether a table was made by this sink.
pub(crate) fn is_ours(columns: &[Existing]) -> bool {
    columns.iter().any(|column| column.name == TIME)
}

/// The columns of a table; none if it is not there.
pub(crate) fn existing(transaction: &Transaction<'_>, table: &str) -> Result<Vec<Existing>, rusqlite::Error> {
    let mut statement = transaction.prepare("SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let rows = statement.query_map([table], |row| {
        Ok(Existing { name: row.get(0)?, declared: row.get(1)?, key: row.get::<_, i64>(2)? as usize })
    })?;
    rows.collect()
}

/// The type of a column in the database.
fn declared(data_type: &DataType) -> &'static str {
    match data_type.logical() {
        DataType::Bool => "BOOLEAN",
        DataType::Int64 | DataType::Interval => "INTEGER",
        DataType::Float64 => "REAL",
        DataType::Bytes => "BLOB",
        DataType::String
        | DataType::Timestamp
        | DataType::EpochMillis
        | DataType::EpochSeconds
        | DataType::Date
        | DataType::Json
        // SQLite has no exact decimals: with a numeric type it would round to 15 digits.
        | DataType::Decimal(_)
        | DataType::List(_)
        | DataType::Struct(_) => "TEXT",
    }
}

/// A name as SQL writes it, whatever it holds.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}
