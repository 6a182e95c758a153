//! Tables that earlier runs have left, and the change from an old table to a new one.

use std::path::Path;

use pipectl_contract::{ConnectorError, EarlierOutput};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{
    error::sqlite,
    table::{Definition, existing, is_ours, quote},
};

/// What the name of a table begins with that is to take the place of another one.
const STAGING: &str = "_pipectl_new_";

/// The table that the rows of a run go to before its first checkpoint, where they replace those of earlier runs.
pub(crate) fn staging(definition: &Definition) -> Definition {
    Definition { name: format!("{STAGING}{}", definition.name), ..definition.clone() }
}

/// The table of this name, if earlier runs have left rows in it.
pub(crate) fn find(path: &Path, file: &str, table: &str) -> Result<Vec<EarlierOutput>, ConnectorError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |error| sqlite(format_args!("look into the database `{}`", path.display()), error);
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    if !is_ours(&existing(&transaction, table).map_err(failed)?) {
        return Ok(Vec::new());
    }
    let count = format!("SELECT count(*) FROM {}", quote(table));
    let rows: i64 = transaction.query_row(&count, [], |row| row.get(0)).map_err(failed)?;
    if rows == 0 {
        return Ok(Vec::new());
    }
    let name = format!("table `{table}` in {file} ({rows} row{})", if rows == 1 { "" } else { "s" });
    Ok(vec![EarlierOutput { name, identity: table.to_owned() }])
}

/// Removes what an unfinished run has left of the table that was to take the place of another one.
pub(crate) fn drop_staging(connection: &Connection, definition: &Definition) -> Result<(), ConnectorError> {
    connection
        .execute_batch(&format!("DROP TABLE IF EXISTS {}", quote(&staging(definition).name)))
        .map_err(|error| sqlite(format_args!("prepare {}", definition.title()), error))
}

/// Whether a new table waits to take the place of the old one.
pub(crate) fn has_staging(connection: &mut Connection, definition: &Definition) -> Result<bool, ConnectorError> {
    let failed = |error| sqlite(format_args!("look for {}", definition.title()), error);
    let transaction = connection.transaction().map_err(failed)?;
    Ok(!existing(&transaction, &staging(definition).name).map_err(failed)?.is_empty())
}

/// Lets the new table take the place of the old one; readers see the one or the other.
pub(crate) fn swap(connection: &mut Connection, definition: &Definition) -> Result<(), ConnectorError> {
    let failed = |error| sqlite(format_args!("replace {}", definition.title()), error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let (new, name) = (quote(&staging(definition).name), quote(&definition.name));
    transaction
        .execute_batch(&format!("DROP TABLE IF EXISTS {name}; ALTER TABLE {new} RENAME TO {name}"))
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}
