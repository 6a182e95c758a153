//! The one name of a file that may have several: by another folder, by `..`, by a link.

use std::path::{Component, Path, PathBuf};

/// Links to what is not there yet that are followed; the kernel follows as many.
const LINKS: usize = 40;

/// The path from the root on, with links followed as far as there is something on the disk, also those to a file that is
/// still to be made; the rest as it is written.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    let mut path = resolved(path);
    for _ in 0..LINKS {
        let dangling = path.ancestors().find_map(|link| Some((link, std::fs::read_link(link).ok()?)));
        let Some((link, target)) = dangling else { break };
        let rest = path.strip_prefix(link).unwrap_or(Path::new(""));
        path = resolved(&link.parent().unwrap_or(link).join(target).join(rest));
    }
    path
}

fn resolved(path: &Path) -> PathBuf {
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
        // A link to a file that a sink will make.
        std::os::unix::fs::symlink("in/later.log", root.join("out.log")).expect("links");
        assert_eq!(real_path(&root.join("out.log")), root.join("data/later.log"));
        std::os::unix::fs::symlink(root.join("two"), root.join("one")).expect("links");
        std::os::unix::fs::symlink(root.join("one"), root.join("two")).expect("links");
        assert!(real_path(&root.join("one/a.log")).starts_with(&root), "a circle ends");
        assert!(real_path(Path::new("a.log")).is_absolute());
    }
}
