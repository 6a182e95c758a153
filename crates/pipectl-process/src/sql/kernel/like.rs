//! Patterns of `LIKE … ESCAPE` as patterns with backslashes, which is what is matched.

use std::sync::Arc;

use super::{
    Kernel,
    access::{Texts, build_texts},
    fault,
};

/// The kernel that rewrites patterns in which `escape`, and nothing without one, makes the next character an ordinary one.
pub(in crate::sql) fn with_backslashes(escape: Option<char>) -> Kernel {
    Arc::new(move |args, rows| {
        let patterns = Texts::of(args, 0)?;
        build_texts(rows, |row, out| {
            let Some(pattern) = patterns.get(row) else { return Ok(None) };
            let mut characters = pattern.chars();
            while let Some(character) = characters.next() {
                if Some(character) == escape {
                    let next = characters.next().ok_or_else(|| fault("the pattern ends with its escape character"))?;
                    out.extend(['\\', next]);
                } else if character == '\\' {
                    out.push_str("\\\\");
                } else {
                    out.push(character);
                }
            }
            Ok(Some(()))
        })
    })
}
