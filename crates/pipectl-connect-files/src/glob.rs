//! Patterns for files, expanded against a folder.

use std::{
    collections::BTreeSet,
    io,
    path::{Component, Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

/// Folders below each other that `**` looks into.
const DEEPEST: usize = 32;

/// A path, perhaps with `*`, `?`, `[…]`, `{…}` and `**`.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// What to walk through: the part before the first special character.
    base: PathBuf,
    matcher: Option<GlobMatcher>,
    depth: usize,
}

impl Pattern {
    /// Reads a pattern; relative ones start at `directory`.
    pub(crate) fn new(pattern: &str, directory: &Path) -> Result<Self, globset::Error> {
        let special = |part: &str| part.contains(['*', '?', '[', ']', '{', '}']);
        if !special(pattern) {
            return Ok(Self { base: tidy(&directory.join(pattern)), matcher: None, depth: 0 });
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        let literal = parts.iter().take_while(|part| !special(part)).count();
        let (fixed, wild) = parts.split_at(literal);
        let mut base = if pattern.starts_with('/') { PathBuf::from("/") } else { directory.to_path_buf() };
        base.extend(fixed.iter().filter(|part| !part.is_empty()));
        let base = tidy(&base);
        let depth = if wild.contains(&"**") { DEEPEST } else { wild.len() };
        let glob = GlobBuilder::new(&wild.join("/")).literal_separator(true).build()?;
        Ok(Self { base, matcher: Some(glob.compile_matcher()), depth })
    }

    /// Adds the files that match. A folder that is not there has none.
    pub(crate) fn expand(&self, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
        match &self.matcher {
            None => {
                if self.base.try_exists()? {
                    found.insert(self.base.clone());
                }
                Ok(())
            }
            Some(matcher) => self.walk(&self.base, matcher, self.depth, found),
        }
    }

    fn walk(
        &self,
        folder: &Path,
        matcher: &GlobMatcher,
        depth: usize,
        found: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            // Links are followed; what vanished since is nobody's loss.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                if depth > 1 {
                    self.walk(&path, matcher, depth - 1, found)?;
                }
            } else if path.strip_prefix(&self.base).is_ok_and(|path| matcher.is_match(path)) {
                found.insert(path);
            }
        }
        Ok(())
    }
}

/// Without `.` components, so that one file has one name.
pub(crate) fn tidy(path: &Path) -> PathBuf {
    path.components().filter(|component| !matches!(component, Component::CurDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_by_name() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["b.log", "a.log", "a.txt", "x/a.log", "x/y/a.log"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, "").expect("file");
        }
        let found = |pattern: &str| {
            let mut found = BTreeSet::new();
            Pattern::new(pattern, folder.path()).expect("pattern").expand(&mut found).expect("reads");
            let short = |path: &PathBuf| path.strip_prefix(folder.path()).expect("inside").display().to_string();
            found.iter().map(short).collect::<Vec<_>>()
        };
        assert_eq!(found("*.log"), ["a.log", "b.log"]);
        assert_eq!(found("./x/*.log"), ["x/a.log"]);
        assert_eq!(found("*/*.log"), ["x/a.log"]);
        assert_eq!(found("**/a.log"), ["a.log", "x/a.log", "x/y/a.log"]);
        assert_eq!(found("a.{log,txt}"), ["a.log", "a.txt"]);
        assert_eq!(found("./a.txt"), ["a.txt"]);
        assert!(found("none/*.log").is_empty() && found("none").is_empty());
        assert!(Pattern::new("[", folder.path()).is_err());
        let absolute = format!("{}/*.txt", folder.path().display());
        assert_eq!(found(&absolute), ["a.txt"]);
    }
}
