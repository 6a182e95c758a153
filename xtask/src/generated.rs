//! Files that are made from the code and committed, so that readers and editors find them without building anything.

use std::{fs, path::Path};

use crate::Findings;

/// One file and what it should hold.
struct Generated {
    path: &'static str,
    text: fn() -> String,
}

const FILES: &[Generated] = &[Generated { path: "docs/generated/codes.md", text: pipectl_diag::codes_page }];

/// Writes the files below `folder` anew.
pub(crate) fn write(root: &Path, folder: &str) -> Findings {
    for file in below(folder) {
        let path = root.join(file.path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, (file.text)()));
        made.map_err(|error| format!("{}: {error}", file.path))?;
    }
    Ok(Vec::new())
}

/// Names the files below `folder` that differ from what the code says, and the command that mends them.
pub(crate) fn check(root: &Path, folder: &str) -> Vec<String> {
    let stale = below(folder).filter(|file| fs::read_to_string(root.join(file.path)).ok() != Some((file.text)()));
    stale.map(|file| format!("{} is stale; run `cargo xtask {folder}` and commit it", file.path)).collect()
}

fn below(folder: &str) -> impl Iterator<Item = &'static Generated> {
    FILES.iter().filter(move |file| Path::new(file.path).starts_with(folder))
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
        assert_eq!(below("docs").count() + below("schemas").count(), FILES.len());
    }
}
