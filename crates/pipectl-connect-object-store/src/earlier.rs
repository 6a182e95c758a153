//! Files that earlier runs of a sink have left: found by the names that its writers give.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pipectl_contract::{ConnectorError, EarlierOutput, file_identity, remove_file};

/// Digits of a file's number in its name, and the fewest of a writer's.
const NUMBER_DIGITS: usize = 20;
const WRITER_DIGITS: usize = 4;

/// The files below `root` whose names begin with `stem` and go on as those of a writer do.
pub(crate) fn find(root: &Path, folder: &str, stem: &str) -> Result<Vec<EarlierOutput>, ConnectorError> {
    let mut found = Vec::new();
    walk(&root.join(folder), &mut |path, name| {
        if number(name, stem).is_some() {
            let metadata = fs::metadata(path)?;
            found.push(EarlierOutput { name: path.display().to_string(), identity: file_identity(&metadata) });
        }
        Ok(())
    })?;
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// A number for the next file that is higher than those of all files of this stem.
pub(crate) fn next_number(root: &Path, folder: &str, stem: &str) -> Result<u64, ConnectorError> {
    let mut next = 0;
    walk(&root.join(folder), &mut |_, name| {
        next = next.max(number(name, stem).map_or(0, |number| number.saturating_add(1)));
        Ok(())
    })?;
    Ok(next)
}

/// Removes files that are still what they were, and folders below `root` that are empty then.
pub(crate) fn remove(root: &Path, found: &[EarlierOutput]) -> Result<(), ConnectorError> {
    for output in found {
        let path = PathBuf::from(&output.name);
        remove_file(&path, &output.identity)
            .map_err(|error| ConnectorError::io(format_args!("remove `{}`", output.name), error))?;
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(root) && *folder != root) {
            // One that is not empty stays, and so do those above it.
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    Ok(())
}

/// The number in a name that a writer of this stem gave: `<stem>-<writer>-<number>.<extension>`.
fn number(name: &str, stem: &str) -> Option<u64> {
    let rest = name.strip_prefix(stem)?.strip_prefix('-')?;
    let (writer, rest) = rest.split_once('-')?;
    let (number, _) = rest.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = writer.len() >= WRITER_DIGITS && digits(writer) && number.len() == NUMBER_DIGITS && digits(number);
    if is_ours { number.parse().ok() } else { None }
}

/// Calls `visit` for each file below a folder, with its path and its name. A folder that is not there has none.
fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &str) -> io::Result<()>) -> Result<(), ConnectorError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| ConnectorError::io(format_args!("look for files in `{}`", folder.display()), error);
        let entries = match fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder }) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let name = entry.file_name();
            let path = folder.join(&name);
            if kind.is_dir() {
                folders.push(path);
            } else if let Some(name) = name.to_str() {
                visit(&path, name).map_err(failed)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_stem_are_found_and_only_unchanged_ones_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("out");
        let ours =
            ["raw/a=1/lab-raw-0000-00000000000000000007.jsonl", "raw/a=2/lab-raw-0012-00000000000000000003.csv.gz"];
        let others = [
            "raw/a=1/lab-raw-0000-00000000000000000007",
            "raw/a=1/lab-rawer-0000-00000000000000000007.jsonl",
            "raw/a=1/.lab-raw-0000-00000000000000000007.jsonl.part",
            "raw/notes.txt",
            "elsewhere/lab-raw-0000-00000000000000000001.jsonl",
        ];
        for name in ours.iter().chain(&others) {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "old").unwrap();
        }
        let found = find(&root, "raw/", "lab-raw").unwrap();
        let names: Vec<String> = found.iter().map(|output| output.name.clone()).collect();
        assert_eq!(names, ours.map(|name| root.join(name).display().to_string()));
        assert_eq!(next_number(&root, "raw/", "lab-raw").unwrap(), 8);
        assert_eq!(next_number(&root, "nowhere/", "lab-raw").unwrap(), 0);
        // What a new run has put under an old name stays.
        fs::write(root.join(ours[0]), "new and longer").unwrap();
        remove(&root, &found).unwrap();
        remove(&root, &found).unwrap();
        assert_eq!(fs::read_to_string(root.join(ours[0])).unwrap(), "new and longer");
        assert!(!root.join("raw/a=2").exists(), "an empty folder stays");
        assert!(others.iter().all(|name| root.join(name).exists()));
    }
}
