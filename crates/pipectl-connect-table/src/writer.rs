//! Writes batches to a table, a transaction each.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow_array::{Array, Int64Array, RecordBatch};
use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Rejection, SinkWriter};
use pipectl_data::{Batch, encode};
use pipectl_host::Host;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{
    earlier,
    error::{invalid, sqlite},
    table::Definition,
    values::Values,
};

/// How long SQLite waits for another program's lock before that is logged.
const FIRST_BUSY: Duration = Duration::from_secs(1);
/// How long it waits after that before the call fails.
const BUSY: Duration = Duration::from_secs(10);
/// How often a database that is locked is opened again. The pauses between two tries grow: the switch to the write-ahead
/// log does not wait by itself. It comes to between two and eleven minutes.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(100);

/// How a writer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Without a checkpoint.
    Anew,
    /// Without a checkpoint; its rows take the place of those that are there, with the first checkpoint.
    Replacing,
    /// From a checkpoint.
    Restored,
}

#[derive(Debug)]
pub(crate) struct Writer {
    host: Host,
    path: PathBuf,
    table: Arc<Table>,
    /// Whether something was written since the last checkpoint.
    dirty: bool,
}

#[derive(Debug)]
struct Table {
    definition: Definition,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    upsert: String,
    /// Whether rows go to a table that takes the place of the old one with the next checkpoint.
    staged: bool,
}

impl Writer {
    /// Opens the database and makes the table if need be.
    pub(crate) async fn open(
        host: Host,
        path: PathBuf,
        definition: Definition,
        begin: Begin,
    ) -> Result<Self, ConnectorError> {
        let mut tries = 0;
        let open = loop {
            let (at, wanted) = (path.clone(), definition.clone());
            let busy = if tries == 0 { FIRST_BUSY } else { BUSY };
            match host.blocking(move || connect(&at, &wanted, begin, busy)).await {
                Err(error) if error.is_retryable() && tries < OPEN_TRIES => {
                    tries += 1;
                    if tries.is_power_of_two() {
                        tracing::warn!(tries, "{error}; trying again");
                    }
                    host.sleep(OPEN_PAUSE * tries).await;
                }
                result => break result?,
            }
        };
        let table = Table { definition, open: Mutex::new(open) };
        Ok(Self { host, path, table: Arc::new(table), dirty: false })
    }
}

fn connect(path: &Path, definition: &Definition, begin: Begin, busy: Duration) -> Result<Open, ConnectorError> {
    let failed = |error| sqlite(format_args!("open the database `{}`", path.display()), error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| ConnectorError::io(format_args!("create the folder `{}`", folder.display()), error))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    // With the log, readers and the writer do not hold each other up; it is synced at each checkpoint of ours.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).map_err(failed)?;
    connection.pragma_update(None, "synchronous", "normal").map_err(failed)?;
    let staged = match begin {
        Begin::Restored => earlier::has_staging(&mut connection, definition)?,
        Begin::Anew | Begin::Replacing => {
            earlier::drop_staging(&connection, definition)?;
            begin == Begin::Replacing
        }
    };
    let target = if staged { earlier::staging(definition) } else { definition.clone() };
    target.ensure(&mut connection)?;
    Ok(Open { connection, upsert: target.upsert(), staged })
}

impl Table {
    /// Lets a table that waits for it take the place of the old one.
    fn publish(&self) -> Result<(), ConnectorError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.staged {
            earlier::swap(&mut open.connection, &self.definition)?;
            open.upsert = self.definition.upsert();
            open.staged = false;
        }
        Ok(())
    }

    /// Writes all rows or none. A lock of another program is logged as soon as it holds the records up.
    fn write(&self, columns: &RecordBatch, times: Option<&Int64Array>) -> Result<Vec<Rejection>, ConnectorError> {
        match self.try_write(columns, times, FIRST_BUSY) {
            Err(error) if error.is_retryable() => {
                tracing::warn!("{error}; trying again");
                self.try_write(columns, times, BUSY)
            }
            result => result,
        }
    }

    fn try_write(
        &self,
        columns: &RecordBatch,
        times: Option<&Int64Array>,
        busy: Duration,
    ) -> Result<Vec<Rejection>, ConnectorError> {
        let title = self.definition.title();
        let mut fields = Vec::with_capacity(self.definition.columns.len());
        for column in &self.definition.columns {
            let missing = || invalid(format!("{title} needs column `{}`, and the records lack it", column.name));
            fields.push((column, Values::find(columns, &column.name, &column.data_type).ok_or_else(missing)?));
        }
        let failed = |error| sqlite(format_args!("write to {title}"), error);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { connection, upsert, .. } = &mut *open;
        connection.busy_timeout(busy).map_err(failed)?;
        // Taking the lock at once avoids two transactions that both read and then wait for each other.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut refused = encode::refused(columns);
        let mut rejections = Vec::new();
        {
            let mut statement = transaction.prepare_cached(upsert).map_err(failed)?;
            for row in 0..columns.num_rows() {
                if let Some(reason) = refused.remove(&row) {
                    rejections.push(Rejection { row, reason });
                    continue;
                }
                let null_key = fields.iter().find(|(column, values)| column.key && values.is_null(row));
                if let Some((column, _)) = null_key {
                    let reason = format!("column `{}` of the key of {title} is null", column.name);
                    rejections.push(Rejection { row, reason });
                    continue;
                }
                for (index, (_, values)) in fields.iter().enumerate() {
                    statement.raw_bind_parameter(index + 1, values.value(row)).map_err(failed)?;
                }
                let time = times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
                statement.raw_bind_parameter(fields.len() + 1, time).map_err(failed)?;
                statement.raw_execute().map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(rejections)
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let columns = batch.columns.clone().ok_or_else(|| {
            ConnectorError::new(ErrorKind::Internal, "the table sink got records that were not decoded")
        })?;
        let (table, times) = (Arc::clone(&self.table), batch.event_time.clone());
        self.dirty = true;
        self.host.blocking(move || table.write(&columns, times.as_ref())).await
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        if self.dirty {
            let path = self.path.clone();
            self.host.blocking(move || sync(&path)).await?;
            self.dirty = false;
        }
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        let table = Arc::clone(&self.table);
        self.host.blocking(move || table.publish()).await
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}

/// Brings committed transactions to the disk. They are all in the write-ahead log, or in the database file that SQLite
/// has synced before it took them out of the log. (The database file itself must not be opened here: closing it would
/// drop SQLite's locks on it, <https://www.sqlite.org/howtocorrupt.html>, section 2.2.)
fn sync(path: &Path) -> Result<(), ConnectorError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    match std::fs::OpenOptions::new().append(true).open(&log).and_then(|log| log.sync_all()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ConnectorError::io(format_args!("sync `{}`", Path::new(&log).display()), error))
        }
        _ => Ok(()),
    }
}
