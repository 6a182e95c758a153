//! Which columns a prefix spells as readers of Hive's layout understand it: `name=value` as a folder.

use std::ops::Range;

use super::{Part, Template};

/// A folder `name=…` of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partition {
    /// What readers call the column.
    pub(crate) name: String,
    /// Whether its values are those of the column of this name, whole.
    pub(crate) is_whole: bool,
    /// The placeholder that makes its value, if it is that of a column.
    pub(crate) range: Option<Range<usize>>,
}

/// Stands for what a placeholder becomes.
const VALUE: char = '\u{0}';

impl Template {
    /// The folders `name=…` of a prefix; a name that a placeholder makes is not known and left out.
    pub(crate) fn partitions(&self) -> Vec<Partition> {
        let mut text = String::new();
        // Where in the text the value of a column stands alone, and which.
        let mut columns = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Arrival(format) | Part::Event(format) => text.push_str(&format.skeleton(VALUE)),
                Part::Field { name, format, range } => {
                    columns.push((text.len(), name, format.is_none(), range));
                    match format {
                        Some(format) => text.push_str(&format.skeleton(VALUE)),
                        None => text.push(VALUE),
                    }
                }
            }
        }
        let mut found = Vec::new();
        let mut start = 0;
        // What follows the last `/` is the beginning of a file's name.
        while let Some(length) = text[start..].find('/') {
            let step = &text[start..start + length];
            if let Some((name, value)) = step.split_once('=').filter(|(name, _)| !name.contains(VALUE)) {
                let value_at = start + name.len() + 1;
                let column = columns.iter().find(|(at, ..)| *at == value_at);
                found.push(Partition {
                    name: name.to_owned(),
                    is_whole: column.is_some_and(|(_, column, plain, _)| *plain && *column == name)
                        && value.chars().eq([VALUE]),
                    range: column.map(|(.., range)| (*range).clone()),
                });
            }
            start += length + 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(prefix: &str) -> Vec<(String, bool)> {
        let template = Template::parse(prefix).expect("the prefix is right");
        template.partitions().into_iter().map(|partition| (partition.name, partition.is_whole)).collect()
    }

    #[test]
    fn folders_with_a_name() {
        let found = |prefix: &str| {
            spelled(prefix)
                .into_iter()
                .map(|(name, whole)| format!("{name}{}", if whole { "!" } else { "" }))
                .collect::<Vec<_>>()
        };
        assert_eq!(found("lake/v={v}/"), ["v!"]);
        assert_eq!(found("v={v}/w={w}/x-{x}/"), ["v!", "w!"]);
        assert_eq!(found("v=!{partitionKeyFromQuery:v}/"), ["v!"]);
        assert_eq!(found("{event:dt=%Y-%m-%d/hour=%H}/section={section}/"), ["dt", "hour", "section!"]);
        assert_eq!(found("day={at:%Y-%m-%d}/at={at:%Y}/"), ["day", "at"]);
        assert_eq!(found("{at:year=%Y/month=%m}/"), ["year", "month"]);
        assert_eq!(found("v={v}-x/w=x{w}/u={u}{v}/"), ["v", "w", "u"]);
        assert_eq!(found("other={v}/V={v}/"), ["other", "V"]);
        assert_eq!(found("{n}={v}/v={v}"), [""; 0]);
        assert_eq!(found("v={v}/part-"), ["v!"]);
    }
}
