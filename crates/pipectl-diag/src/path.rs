//! A path names one node of one document; it is what the inner rooms use instead of lines and columns.

use std::fmt;

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(untagged)]
pub enum Segment {
    /// An entry of a sequence, or, as the first segment of an absolute path, the number of the document.
    Index(usize),
    /// The value of this key of a mapping.
    Key(String),
}

/// A node of the documents read in this run.
///
/// An absolute path starts with the number of its document; a relative one (as a connector's option check makes it)
/// starts at the options and becomes absolute through [`Path::under`].
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Path(Vec<Segment>);

impl Path {
    /// The empty relative path: the node that the receiver starts from.
    pub fn here() -> Self {
        Self::default()
    }

    /// The root of a document.
    pub fn document(number: usize) -> Self {
        Self(vec![Segment::Index(number)])
    }

    /// A relative path of keys, as in `Path::keys(["flush", "every"])`.
    pub fn keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(|key| Segment::Key(key.to_owned())).collect())
    }

    /// This path and one more key.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Key(key.into()));
        Self(segments)
    }

    /// This path and one more index.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut segments = self.0.clone();
        segments.push(Segment::Index(index));
        Self(segments)
    }

    /// This relative path seen from `base`.
    #[must_use]
    pub fn under(&self, base: &Self) -> Self {
        Self(base.0.iter().chain(&self.0).cloned().collect())
    }

    /// The path without its last segment; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The last step if it is a key.
    pub fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Segment::Key(key) => Some(key),
            Segment::Index(_) => None,
        }
    }
}

/// Shown the way that people write paths in prose: `spec.sinks.raw.paths[2]`, without the document's number.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(_) if position == 0 => {}
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if !first {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                    first = false;
                }
            }
        }
        Ok(())
    }
}
