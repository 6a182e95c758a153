//! Files that are made from the code and committed, so that readers and editors find them without building anything.

use std::{fs, path::Path};

use pipectl::{GENERATED, Generated};

use crate::Findings;

/// Writes the files below `folder` anew.
pub(crate) fn write(root: &Path, folder: &str) -> Findings {
    for (file, text) in below(folder) {
        let path = root.join(file);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text()));
        made.map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(Vec::new())
}

/// Names the files below `folder` that differ from what the code says, and the command that fixes them.
pub(crate) fn check(root: &Path, folder: &str) -> Vec<String> {
    let stale = below(folder).filter(|(file, text)| fs::read_to_string(root.join(file)).ok() != Some(text()));
    stale.map(|(file, _)| format!("{file} is stale; run `cargo xtask {folder}` and commit it")).collect()
}

fn below(folder: &str) -> impl Iterator<Item = &'static Generated> {
    GENERATED.iter().filter(move |(file, _)| Path::new(file).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_are_fresh() {
        for folder in ["docs", "schemas"] {
            assert_eq!(check(&crate::root(), folder), Vec::<String>::new());
        }
    }

    #[test]
    fn every_file_is_written_by_a_chore() {
        assert_eq!(below("docs").count() + below("schemas").count(), GENERATED.len());
    }
}
