//! Names of files: they sort in the order of writing, differ between writers and follow from checkpointed state only.

use crate::{encoding::Encoding, store::TEMPORARY_EXTRA};

/// The longest step of a path in the common file systems, without what a temporary name adds.
const STEP_LIMIT: usize = 255 - TEMPORARY_EXTRA;
/// The longest name of an object in S3, Cloud Storage and Blob storage.
const NAME_LIMIT: usize = 1024;

/// Makes the names of one writer.
#[derive(Debug)]
pub(crate) struct Namer {
    stem: String,
    writer: u32,
}

impl Namer {
    /// For a writer whose names begin with `stem`.
    pub(crate) fn new(stem: String, writer: u32) -> Self {
        Self { stem, writer }
    }

    /// The name of the file `number` under `prefix`.
    pub(crate) fn name(&self, prefix: &str, number: u64, encoding: Encoding) -> String {
        format!("{prefix}{}-{:04}-{number:020}.{}", self.stem, self.writer, encoding.extension())
    }

    /// Why no file can be under this prefix, if so: the values of columns may make it too long.
    pub(crate) fn refuse(&self, prefix: &str, encoding: Encoding) -> Option<String> {
        let name = self.name(prefix, 0, encoding);
        if name.len() > NAME_LIMIT {
            return Some(format!("its file name would have {} bytes, more than {NAME_LIMIT}", name.len()));
        }
        for step in name.split('/') {
            if step.len() > STEP_LIMIT {
                return Some(format!(
                    "a segment of its file name would have {} bytes, more than {STEP_LIMIT}",
                    step.len()
                ));
            }
            if matches!(step, "" | "." | "..") || step.contains(char::is_control) {
                return Some(format!("its file name would contain the segment `{}`", step.escape_debug()));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;
    use pipectl_data::compress::Compression;

    const PLAIN: Encoding = Encoding { format: Format::Json, compression: Compression::None };

    #[test]
    fn names_sort_and_differ_between_writers() {
        let namer = |writer| Namer::new("lab-raw".to_owned(), writer);
        assert_eq!(namer(0).name("raw/", 7, PLAIN), "raw/lab-raw-0000-00000000000000000007.jsonl");
        assert!(namer(0).name("raw/", 9, PLAIN) < namer(0).name("raw/", 10, PLAIN));
        assert_ne!(namer(0).name("raw/", 7, PLAIN), namer(1).name("raw/", 7, PLAIN));
    }

    #[test]
    fn names_that_no_store_takes_are_refused() {
        let namer = Namer::new("lab-raw".to_owned(), 0);
        assert_eq!(namer.refuse("raw/a=1/", PLAIN), None);
        for prefix in ["x".repeat(250) + "/", "x".repeat(230), "a/".repeat(600), "a//".to_owned(), "../".to_owned()] {
            assert!(namer.refuse(&prefix, PLAIN).is_some(), "{prefix}");
        }
    }
}
