//! Rows of SQLite tables, read by SQLite.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, types::ValueRef};

/// The rows that a query gives, each as text: values separated by `|`, floats with all their digits. Sorted.
pub(crate) fn query(database: &Path, sql: &str) -> Vec<String> {
    let open = || {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns).map(|column| Ok(text(row.get_ref(column)?))).collect::<Result<Vec<_>, _>>()
        })?;
        let mut rows: Vec<String> = rows.map(|row| Ok(row?.join("|"))).collect::<rusqlite::Result<_>>()?;
        rows.sort_unstable();
        Ok::<_, rusqlite::Error>(rows)
    };
    open().unwrap_or_else(|error| panic!("{}: {error} in {sql}", database.display()))
}

/// Every row of every table.
pub(crate) fn dump(database: &Path) -> Vec<String> {
    let tables = query(database, "SELECT name FROM sqlite_schema WHERE type = 'table'");
    let mut rows = Vec::new();
    for table in tables {
        rows.extend(
            query(database, &format!("SELECT * FROM \"{table}\"")).into_iter().map(|row| format!("{table}: {row}")),
        );
    }
    rows
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
    }
}
