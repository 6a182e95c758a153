//! What a run left behind: trees of files, and the rows in them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pipectl_data::{Schema, encode::jsonl};

/// Every file of a tree that has its final name, by its path in the tree.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |path: String| {
        let bytes = fs::read(folder.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (path, bytes)
    };
    paths(folder).into_iter().filter(|path| !hidden(path)).map(read).collect()
}

/// Files that are not finished.
pub(crate) fn unfinished(folder: &Path) -> Vec<String> {
    paths(folder).into_iter().filter(|path| hidden(path)).collect()
}

fn hidden(path: &str) -> bool {
    path.split('/').any(|step| step.starts_with('.'))
}

fn paths(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// The rows of one file, each as a line of JSON, or why the file is not whole.
pub(crate) fn rows(name: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    if has_extension(name, "parquet") {
        return parquet(bytes).map_err(|error| format!("{name}: {error}"));
    }
    let mut text = String::new();
    let read = if has_extension(name, "gz") {
        flate2::read::MultiGzDecoder::new(bytes).read_to_string(&mut text)
    } else {
        let mut bytes = bytes;
        bytes.read_to_string(&mut text)
    };
    read.map_err(|error| format!("{name}: {error}"))?;
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(format!("{name}: its last line has no end: {}", text.lines().last().unwrap_or_default()));
    }
    text.lines()
        .map(|line| {
            let value = serde_json::from_str::<&serde_json::value::RawValue>(line);
            value.map(|_| line.to_owned()).map_err(|error| format!("{name}: {error} in {line}"))
        })
        .collect()
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn parquet(bytes: &[u8]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    // The reader wants a file or its own kind of bytes; a file needs no further crate.
    let mut file = tempfile::tempfile()?;
    std::io::Write::write_all(&mut file, bytes)?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
    let mut rows = Vec::new();
    for batch in reader {
        rows.extend(lines(&batch?)?);
    }
    Ok(rows)
}

fn lines(batch: &RecordBatch) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let (mut text, mut ends) = (Vec::new(), Vec::new());
    let batch = &with_views(batch)?;
    jsonl::write_rows(batch, &Schema::of_arrow(batch.schema_ref()), &mut text, &mut ends)?;
    Ok(String::from_utf8(text)?.lines().map(str::to_owned).collect())
}

/// The columns as records have them in memory; files have plain ones.
fn with_views(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let wanted = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            DataType::Binary => DataType::BinaryView,
            other => other.clone(),
        };
        columns.push(arrow_cast::cast(column, &wanted)?);
        fields.push(field.as_ref().clone().with_data_type(wanted));
    }
    RecordBatch::try_new(std::sync::Arc::new(arrow_schema::Schema::new(fields)), columns)
}

/// All rows below a folder, sorted: a multiset.
///
/// # Panics
/// If a visible file is not whole.
pub(crate) fn all_rows(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for (name, bytes) in files(folder) {
        all.extend(rows(&name, &bytes).unwrap_or_else(|fault| panic!("half a file in {}: {fault}", folder.display())));
    }
    all.sort_unstable();
    all
}

/// Holds that two multisets of rows are equal, and shows what only one has.
#[track_caller]
pub(crate) fn assert_same_rows(what: &str, found: &[String], expected: &[String]) {
    if found == expected {
        return;
    }
    let count = |rows: &[String]| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for row in rows {
            *counts.entry(row.clone()).or_default() += 1;
        }
        counts
    };
    let (found_counts, expected_counts) = (count(found), count(expected));
    let only = |these: &BTreeMap<String, i64>, those: &BTreeMap<String, i64>| {
        let more = |row: &&String| these[*row] > those.get(*row).copied().unwrap_or(0);
        let rows: Vec<&String> = these.keys().filter(more).collect();
        let short = |row: &&String| row.chars().take(300).collect::<String>();
        let first = rows.iter().take(10).map(short).collect::<Vec<_>>().join("\n    ");
        format!("{}:\n    {first}", rows.len())
    };
    panic!(
        "{what}: {} rows instead of {}\n  too many or changed: {}\n  missing: {}",
        found.len(),
        expected.len(),
        only(&found_counts, &expected_counts),
        only(&expected_counts, &found_counts)
    );
}

/// Opens a file for appending, as a program that writes logs does.
pub(crate) fn appender(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
