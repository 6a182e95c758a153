//! The catalog of codes: one file per family, one entry per code. A code is never given a second meaning.
//!
//! The families and their numbers are in [`FAMILIES`].

use std::fmt;

pub mod command;
pub mod environment;
pub mod graph;
pub mod interpolation;
pub mod options;
pub mod schema;
pub mod shape;
pub mod sql;
pub mod syntax;

/// A stable code such as `PC0102`.
#[derive(Clone, Copy)]
pub struct Code(&'static CodeInfo);

/// What `pipectl explain` says about a code.
#[derive(Debug)]
pub struct CodeInfo {
    /// `PC0102`.
    pub code: &'static str,
    /// `unknown-key`.
    pub name: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// A spec, or a part of one, that is refused with this code.
    pub example: &'static str,
    /// What to write instead.
    pub fix: &'static str,
}

impl Code {
    /// Makes a code of its entry; used by the catalog only.
    pub(crate) const fn new(info: &'static CodeInfo) -> Self {
        Self(info)
    }

    /// The entry.
    pub fn info(self) -> &'static CodeInfo {
        self.0
    }

    /// `PC0102`.
    pub fn as_str(self) -> &'static str {
        self.0.code
    }

    /// The code of this name or number, in any case.
    pub fn find(text: &str) -> Option<Self> {
        all().find(|code| code.0.code.eq_ignore_ascii_case(text) || code.0.name.eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.code, self.0.name)
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Code {}

/// The codes that begin with the same four characters.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// `PC01`.
    pub prefix: &'static str,
    /// What they are about.
    pub title: &'static str,
    /// The codes, by number.
    pub codes: &'static [Code],
}

/// Every family, by number.
pub const FAMILIES: &[Family] = &[
    Family { prefix: "PC00", title: "text and YAML syntax", codes: syntax::ALL },
    Family { prefix: "PC01", title: "the shape of a spec: keys, types, values", codes: shape::ALL },
    Family { prefix: "PC02", title: "variables and secrets", codes: interpolation::ALL },
    Family { prefix: "PC03", title: "names and the graph", codes: graph::ALL },
    Family { prefix: "PC04", title: "schemas, keys, time", codes: schema::ALL },
    Family { prefix: "PC05", title: "SQL", codes: sql::ALL },
    Family { prefix: "PC06", title: "options of sources, processors and sinks", codes: options::ALL },
    Family { prefix: "PC07", title: "Environments and bindings", codes: environment::ALL },
    Family { prefix: "PC08", title: "commands: arguments, files, inputs", codes: command::ALL },
];

/// Every code, by number.
pub fn all() -> impl Iterator<Item = Code> {
    FAMILIES.iter().flat_map(|family| family.codes).copied()
}

/// Declares the codes of a family: a constant for each, and `ALL`.
macro_rules! codes {
    ($($name:ident = $code:literal, $slug:literal; cause: $cause:expr; example: $example:expr; fix: $fix:expr;)*) => {
        $(
            #[doc = concat!("`", $code, " ", $slug, "`. ", $cause)]
            pub const $name: $crate::Code = $crate::Code::new(&$crate::CodeInfo {
                code: $code, name: $slug, cause: $cause, example: $example, fix: $fix,
            });
        )*
        /// The family's codes, by number.
        pub const ALL: &[$crate::Code] = &[$($name),*];
    };
}
pub(crate) use codes;

#[cfg(test)]
mod tests {
    use super::{Code, FAMILIES, all};
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_ascending_and_complete() {
        let codes: Vec<_> = all().map(Code::info).collect();
        assert!(codes.windows(2).all(|pair| pair[0].code < pair[1].code), "codes must ascend");
        let names: BTreeSet<_> = codes.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), codes.len(), "two codes share a name");
        for info in codes {
            assert!(
                info.name
                    .split('-')
                    .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())),
                "{} is no slug",
                info.name
            );
            for text in [info.cause, info.example, info.fix] {
                assert!(!text.trim().is_empty(), "{} lacks a text", info.code);
            }
        }
    }

    #[test]
    fn codes_stand_in_their_family() {
        for family in FAMILIES {
            assert!(family.codes.iter().all(|code| code.as_str().starts_with(family.prefix)), "{}", family.title);
        }
    }
}
