//! What is wrong, where, and what to do about it.
//!
//! Code deep inside the program knows that something is wrong at a *path* of a document (`/spec/sinks/raw/prefix`) but
//! not in which file or line that path stands. So a [`Diagnostic`] carries paths, and a [`SourceMap`] turns them into
//! lines and columns at the edge, when the diagnostics are shown. Every diagnostic has a stable [`Code`] that
//! `pipectl explain` says more about.

pub mod codes;
mod diagnostic;
mod path;
mod render;
mod source;

pub use codes::{Code, CodeInfo};
pub use diagnostic::{Diagnostic, Diagnostics, Fix, Label, Severity};
pub use path::{Path, Segment};
pub use render::{Format, RenderOptions, codes_page, explain, render};
pub use source::{FileId, NodePlaces, Part, Place, SourceFile, SourceMap, Span};

/// The candidate nearest to `given`, if any is near enough to be what the user meant.
///
/// Damerau-Levenshtein distance of at most a third of the longer word, as rustc does for its suggestions
/// (<https://doc.rust-lang.org/nightly/nightly-rustc/rustc_span/edit_distance/>). Differences in case alone always count as near.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let candidate_lower = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&lower, &candidate_lower);
            let limit = lower.chars().count().max(candidate_lower.chars().count()).div_ceil(3);
            (distance, limit, candidate)
        })
        .filter(|(distance, limit, _)| distance <= limit)
        .min_by_key(|(distance, _, candidate)| (*distance, *candidate))
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_finds_slips_but_not_strangers() {
        let keys = ["partitions", "retention", "schema", "key"];
        assert_eq!(nearest("partitons", keys), Some("partitions"));
        assert_eq!(nearest("Schema", keys), Some("schema"));
        assert_eq!(nearest("compression", keys), None);
    }
}
