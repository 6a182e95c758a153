//! The one name of a file that may have several: by another folder, by `..`, by a link.

use std::path::{Component, Path, PathBuf};

/// The path from the root on, with links followed as far as there is something on the disk; the rest as it is written.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for folder in whole.ancestors() {
        if let Ok(real) = std::fs::canonicalize(folder) {
            let rest = whole.strip_prefix(folder).unwrap_or(Path::new(""));
            return rest.components().fold(real, |mut path, component| {
                match component {
                    Component::ParentDir => _ = path.pop(),
                    component => path.push(component),
                }
                path
            });
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let folder = tempfile::tempdir().expect("folder");
        let root = std::fs::canonicalize(folder.path()).expect("there");
        std::fs::create_dir(root.join("data")).expect("creates");
        std::os::unix::fs::symlink(root.join("data"), root.join("in")).expect("links");
        assert_eq!(real_path(&root.join("in/new/../a.log")), root.join("data/a.log"));
        assert_eq!(real_path(&root.join("in")), root.join("data"));
        assert_eq!(real_path(&root.join("none/a.log")), root.join("none/a.log"));
        assert!(real_path(Path::new("a.log")).is_absolute());
    }
}
