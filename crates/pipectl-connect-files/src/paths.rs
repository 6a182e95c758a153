//! Paths as people write them, made usable: one function for patterns, followed files, positions and sinks.
//!
//! The folder of a spec may be the empty path, which stands for the current folder but which the operating system does
//! not open, and a name without a folder has an empty parent. Whoever joins, opens or lists goes through here.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// A path of a spec, relative to the folder of the spec, without `.` steps. It is never empty: the current folder is `.`.
pub(crate) fn usable(directory: &Path, path: impl AsRef<Path>) -> PathBuf {
    let joined = directory.join(path);
    let plain: PathBuf = joined.components().filter(|component| !matches!(component, Component::CurDir)).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// The folder that holds a file: `.` for a name without a folder.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Whether a usable path is in this folder, or in one below it.
pub(crate) fn is_inside(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) || (folder == Path::new(".") && path.is_relative())
}

/// What a file is called in messages and positions: relative to the folder of the spec where it is inside.
pub(crate) fn short_name(path: &Path, directory: &Path) -> String {
    path.strip_prefix(usable(directory, "")).unwrap_or(path).to_string_lossy().into_owned()
}

/// An error about a path, with where the path leads if it is a link that leads nowhere.
pub(crate) fn link_error(path: &Path, error: io::Error) -> io::Error {
    match path.read_link() {
        Ok(target) if error.kind() == io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("it is a link to `{}`, which does not exist", target.display()))
        }
        _ => error,
    }
}

/// The whole path, for a person who may not know which folder is the current one.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    usable(&whole, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_never_empty_and_has_no_needless_steps() {
        for (directory, path, expected) in [
            ("", "", "."),
            ("", ".", "."),
            ("", "./", "."),
            (".", "./a.log", "a.log"),
            ("", "./a.log", "a.log"),
            ("", "a/./b//c.log", "a/b/c.log"),
            ("", "../a.log", "../a.log"),
            ("x", "../a.log", "x/../a.log"),
            ("x/./y", "a.log", "x/y/a.log"),
            ("x", "/var/./log", "/var/log"),
            ("/", ".", "/"),
        ] {
            assert_eq!(usable(Path::new(directory), path), PathBuf::from(expected), "{directory:?} {path:?}");
        }
    }

    #[test]
    fn every_file_has_a_folder() {
        for (path, expected) in [("a.log", "."), ("./a.log", "."), ("x/a.log", "x"), ("/a.log", "/"), ("..", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn names_are_relative_where_they_can_be() {
        for (path, directory, expected) in [
            ("a.log", "", "a.log"),
            ("a.log", ".", "a.log"),
            ("x/a.log", "x", "a.log"),
            ("x/a.log", "./x/", "a.log"),
            ("/y/a.log", "x", "/y/a.log"),
        ] {
            assert_eq!(short_name(Path::new(path), Path::new(directory)), expected);
        }
        for (path, folder, inside) in
            [("a.log", ".", true), ("x/a.log", "x", true), ("xy/a.log", "x", false), ("/a.log", ".", false)]
        {
            assert_eq!(is_inside(Path::new(path), Path::new(folder)), inside, "{path} in {folder}");
        }
        assert!(absolute(Path::new(".")).is_absolute());
        assert!(absolute(Path::new("a.log")).ends_with("a.log"));
    }
}
