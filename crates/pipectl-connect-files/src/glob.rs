//! Patterns for files, expanded against a folder.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::{
    file_id::{self, FileId},
    paths::usable,
};

/// Folders below each other that `**` looks into.
const DEEPEST: usize = 32;

/// A path, perhaps with `*`, `?`, `[…]`, `{…}` and `**`.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// As it was written.
    text: String,
    /// The file that has just that name.
    literal: PathBuf,
    /// What to walk through: the part before the first special character.
    base: PathBuf,
    matcher: Option<GlobMatcher>,
    depth: usize,
    /// Whether it names hidden files, which wildcards leave out: editors and copying programs make them beside others.
    hidden: bool,
}

/// What patterns find.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files that match, and folders that are named without a pattern.
    pub(crate) files: BTreeSet<PathBuf>,
    /// What could not be looked into, and why.
    pub(crate) unreadable: Vec<(PathBuf, io::Error)>,
    /// What matches and cannot be looked at, such as a link that leads nowhere, and why.
    pub(crate) broken: Vec<(PathBuf, io::Error)>,
}

impl Pattern {
    /// Reads a pattern; relative ones start at `directory`.
    pub(crate) fn new(pattern: &str, directory: &Path) -> Result<Self, globset::Error> {
        let special = |part: &str| part.contains(['*', '?', '[', ']', '{', '}']);
        let text = pattern.to_owned();
        let literal = usable(directory, pattern);
        if !special(pattern) {
            return Ok(Self { text, base: literal.clone(), literal, matcher: None, depth: 0, hidden: true });
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        let fixed = parts.iter().take_while(|part| !special(part)).count();
        let (fixed, wild) = parts.split_at(fixed);
        let root = if pattern.starts_with('/') { Path::new("/") } else { directory };
        let base = usable(root, fixed.iter().filter(|part| !part.is_empty()).collect::<PathBuf>());
        // Steps that lead nowhere match nothing in a glob, while a shell passes over them.
        let wild: Vec<&str> = wild.iter().copied().filter(|part| !matches!(*part, "" | ".")).collect();
        let wild = wild.join("/");
        let depth = if wild.contains("**") { DEEPEST } else { wild.split('/').count() };
        let hidden = wild.split('/').any(|part| part.starts_with('.') || part.contains("{.") || part.contains(",."));
        let glob = GlobBuilder::new(&wild).literal_separator(true).build()?;
        Ok(Self { text, literal, base, matcher: Some(glob.compile_matcher()), depth, hidden })
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What to write for the file that has just this name, with its special characters, if there is one.
    pub(crate) fn literal(&self) -> Option<String> {
        let escape = |character: char| match character {
            '*' | '?' | '[' | '{' | '}' => format!("[{character}]"),
            '\\' => "\\\\".to_owned(),
            _ => character.to_string(),
        };
        (!self.is_name() && self.literal.is_file()).then(|| self.text.chars().map(escape).collect())
    }

    /// Whether it is the name of one file.
    pub(crate) fn is_name(&self) -> bool {
        self.matcher.is_none()
    }

    /// The folder that is searched, or the file itself where the pattern is a name.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// Adds the files that match. A folder that does not exist has none.
    pub(crate) fn expand(&self, found: &mut Found) {
        match &self.matcher {
            None => match self.base.try_exists() {
                Ok(true) => {
                    found.files.insert(self.base.clone());
                }
                Ok(false) => {}
                Err(error) => found.unreadable.push((self.base.clone(), error)),
            },
            Some(matcher) => {
                let above: Vec<FileId> = file_id::of(&self.base).into_iter().collect();
                self.walk(Path::new(""), matcher, self.depth, &above, found);
            }
        }
    }

    /// `folder` is relative to the base; `above` are the folders that lead to it, so that a link to one of them does not
    /// lead around in circles.
    fn walk(&self, folder: &Path, matcher: &GlobMatcher, depth: usize, above: &[FileId], found: &mut Found) {
        let path = usable(&self.base, folder);
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return,
            Err(error) => return found.unreadable.push((path, error)),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return found.unreadable.push((path, error)),
            };
            if !self.hidden && entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let relative = folder.join(entry.file_name());
            let path = usable(&self.base, &relative);
            // Links are followed. A file that vanished meanwhile is none.
            let metadata = match std::fs::metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => {
                    let is_there = error.kind() != io::ErrorKind::NotFound || path.is_symlink();
                    if is_there && matcher.is_match(&relative) {
                        found.broken.push((path, error));
                    }
                    continue;
                }
            };
            if metadata.is_dir() {
                let id = file_id::of_metadata(&path, &metadata);
                if depth > 1 && !above.contains(&id) {
                    let above = [above, &[id]].concat();
                    self.walk(&relative, matcher, depth - 1, &above, found);
                }
            } else if metadata.is_file() && matcher.is_match(&relative) {
                // Pipes and sockets are read only where they are named.
                found.files.insert(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["b.log", "a.log", "a.txt", "x/a.log", "x/y/a.log", ".b.log", ".x/a.log"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, "").expect("file");
        }
        folder
    }

    fn find(pattern: &str, directory: &Path) -> Vec<String> {
        let mut found = Found::default();
        Pattern::new(pattern, directory).expect("pattern").expand(&mut found);
        assert!(found.unreadable.is_empty(), "{found:?}");
        found.files.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn patterns_find_files_by_name() {
        let folder = lab();
        let found = |pattern: &str| {
            let short =
                |path: String| path.strip_prefix(&format!("{}/", folder.path().display())).expect("inside").to_owned();
            find(pattern, folder.path()).into_iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(found("*.log"), ["a.log", "b.log"]);
        assert_eq!(found("./*.log"), ["a.log", "b.log"]);
        assert_eq!(found("./x/*.log"), ["x/a.log"]);
        assert_eq!(found("*/*.log"), ["x/a.log"]);
        assert_eq!(found("*/./*.log"), ["x/a.log"]);
        assert_eq!(found("x//*.log"), ["x/a.log"]);
        assert_eq!(found("*//*.log"), ["x/a.log"]);
        assert_eq!(found("**/a.log"), ["a.log", "x/a.log", "x/y/a.log"]);
        assert_eq!(found("./**/a.log"), ["a.log", "x/a.log", "x/y/a.log"]);
        assert_eq!(found("{x,x/y}/a.log"), ["x/a.log", "x/y/a.log"]);
        assert_eq!(found("{b.log,x/**}"), ["b.log", "x/a.log", "x/y/a.log"]);
        assert_eq!(found("a.{log,txt}"), ["a.log", "a.txt"]);
        assert_eq!(found("./a.txt"), ["a.txt"]);
        assert_eq!(found(".*.log"), [".b.log"]);
        assert_eq!(found("{.b,b}.log"), [".b.log", "b.log"]);
        assert_eq!(found(".x/*"), [".x/a.log"]);
        assert!(found("none/*.log").is_empty() && found("none").is_empty() && found("a.log/*").is_empty());
        assert!(Pattern::new("[", folder.path()).is_err());
        let absolute = format!("{}/*.txt", folder.path().display());
        assert_eq!(found(&absolute), ["a.txt"]);
        let above = find("../b.log", &folder.path().join("x"));
        assert_eq!(above, [folder.path().join("x/../b.log").display().to_string()]);
        assert_eq!(find("../*.log", &folder.path().join("x")).len(), 2);
    }

    /// The current folder of a test is that of its crate.
    #[test]
    fn the_current_folder_has_files_too() {
        for directory in ["", ".", "./"] {
            let found = |pattern: &str| find(pattern, Path::new(directory));
            for pattern in ["*.toml", "./*.toml", "Cargo.toml", "./Cargo.toml", "[C]argo.toml", "./src/../*.toml"] {
                assert!(found(pattern).iter().any(|path| path.ends_with("Cargo.toml")), "{pattern} in {directory:?}");
            }
            assert_eq!(found("*.toml"), ["Cargo.toml"]);
            assert!(found("**/glob.rs").contains(&"src/glob.rs".to_owned()));
            assert!(found("*/glob.rs").contains(&"src/glob.rs".to_owned()));
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_to_files_but_not_in_circles() {
        let folder = lab();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("x/up")).expect("link");
        std::os::unix::fs::symlink(folder.path().join("x"), folder.path().join("z")).expect("link");
        let found = find("**/b.log", folder.path());
        assert_eq!(found, [folder.path().join("b.log").display().to_string()]);
        assert_eq!(find("z/*.log", folder.path()).len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_nowhere_are_no_files() {
        let folder = lab();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.path().join(name)).expect("link");
        };
        link("none", "dangling.log");
        link("loop.log", "loop.log");
        link("none", "other");
        let mut found = Found::default();
        Pattern::new("*.log", folder.path()).expect("pattern").expand(&mut found);
        assert_eq!(found.files.len(), 2, "{found:?}");
        let mut broken: Vec<_> = found.broken.iter().filter_map(|(path, _)| path.file_name()?.to_str()).collect();
        broken.sort_unstable();
        assert_eq!(broken, ["dangling.log", "loop.log"]);
    }

    #[test]
    fn a_file_with_special_characters_in_its_name_can_be_named() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["a[1].log", "a{1,2}.log", "a*.log", "what?.log", "x[1]/a.log"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(&path, "").expect("file");
            let literal = Pattern::new(name, folder.path()).expect("pattern").literal().expect("a file");
            assert_eq!(find(&literal, folder.path()), [path.display().to_string()], "{literal}");
        }
        let literal = |name: &str| Pattern::new(name, folder.path()).expect("pattern").literal();
        assert_eq!(literal("a[1].log").as_deref(), Some("a[[]1].log"));
        assert_eq!(literal("b[1].log"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_read_hides_no_other() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = lab();
        let closed = folder.path().join("x/y");
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).expect("permissions");
        let can_read_anything = std::fs::read_dir(&closed).is_ok();
        let mut found = Found::default();
        Pattern::new("**/a.log", folder.path()).expect("pattern").expand(&mut found);
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).expect("permissions");
        assert!(found.files.len() >= 2, "{found:?}");
        if !can_read_anything {
            assert_eq!(found.unreadable.len(), 1, "{found:?}");
            assert_eq!(found.unreadable[0].0, closed);
        }
    }
}
