//! Texts of a group in the order of event time, joined.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, LargeStringArray, StringViewArray, UInt64Array, builder::LargeStringBuilder, types::StringViewType,
};
use arrow_schema::DataType;
use datafusion_physical_plan::aggregates::group_values::GroupValues;

use super::{
    Accumulator, Groups, Input, Place, column,
    distinct::{index, rows_of, table},
    first_rows,
    log::{Buckets, entries_of},
    pick::{place_columns, places_of},
    slots::{Bytes, BytesOf, Slots},
};
use crate::OperatorError;

/// Joined texts by group, of any length: the query's last step makes a text of them, or a dead letter.
pub(crate) struct Joined {
    separator: String,
    /// The group, place and text of each entry.
    groups: Vec<u32>,
    places: Vec<Place>,
    texts: Bytes<StringViewType>,
    /// Finds the entry of a group and text, if each text counts once, at its first place.
    index: Option<Box<dyn GroupValues>>,
    /// Scratch: numbers of entries, and the rows of those that are new.
    numbers: Vec<usize>,
    new: Vec<usize>,
}

impl Joined {
    /// Texts with this between them.
    pub(crate) fn new(separator: &str, distinct: bool) -> Result<Self, OperatorError> {
        Ok(Self {
            separator: separator.to_owned(),
            groups: Vec::new(),
            places: Vec::new(),
            texts: Bytes::new(&DataType::Utf8View),
            index: if distinct { Some(index(&[DataType::Utf8View])?) } else { None },
            numbers: Vec::new(),
            new: Vec::new(),
        })
    }

    fn push(&mut self, group: usize, place: Place, texts: &StringViewArray, row: usize) {
        let slot = self.groups.len();
        self.groups.push(group as u32);
        self.places.push(place);
        self.texts.grow(slot + 1);
        self.texts.put(slot, texts, row);
    }

    /// Takes texts without nulls.
    fn take(&mut self, groups: &[usize], places: &[Place], texts: &ArrayRef) -> Result<(), OperatorError> {
        let values: &StringViewArray = column(std::slice::from_ref(texts), 0)?;
        let Some(index) = &mut self.index else {
            for (row, (group, place)) in groups.iter().zip(places).enumerate() {
                self.push(*group, *place, values, row);
            }
            return Ok(());
        };
        let ids: ArrayRef = Arc::new(UInt64Array::from_iter_values(groups.iter().map(|group| *group as u64)));
        let known = index.len();
        self.numbers.clear();
        index.intern(&[ids, Arc::clone(texts)], &mut self.numbers).map_err(table)?;
        let mut new = std::mem::take(&mut self.new);
        first_rows(&self.numbers, known..index.len(), &mut new);
        for row in &new {
            if let (Some(group), Some(place)) = (groups.get(*row), places.get(*row)) {
                self.push(*group, *place, values, *row);
            }
        }
        self.new = new;
        for (entry, place) in self.numbers.iter().zip(places) {
            if let Some(first) = self.places.get_mut(*entry) {
                *first = (*first).min(*place);
            }
        }
        Ok(())
    }
}

impl Accumulator for Joined {
    fn update(&mut self, input: &Input<'_>) -> Result<(), OperatorError> {
        let texts: &StringViewArray = input.arg(0)?;
        let all = input.places()?;
        let (mut rows, mut groups, mut places): (Vec<u32>, Vec<usize>, Vec<Place>) = Default::default();
        input.each(texts.nulls(), |row, group| {
            rows.push(row as u32);
            groups.push(group);
            places.push(all.get(row).copied().unwrap_or_default());
        });
        let texts = rows_of(input.args, &rows.into())?;
        texts.first().map_or(Ok(()), |texts| self.take(&groups, &places, texts))
    }

    fn merge(&mut self, state: &[ArrayRef], groups: &[usize], _: usize) -> Result<(), OperatorError> {
        let positions: &UInt64Array = column(state, 0)?;
        let places = places_of(state, 1)?;
        let groups = positions.values().iter().map(|position| groups.get(*position as usize).copied());
        let groups = groups
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| OperatorError("a state is of groups that do not exist".to_owned()))?;
        state.get(4).map_or(Ok(()), |texts| self.take(&groups, &places, texts))
    }

    fn read(&self, groups: Groups<'_>) -> Result<Vec<ArrayRef>, OperatorError> {
        let (positions, entries) = entries_of(&self.groups, groups);
        let place = |entry: &u32| self.places.get(*entry as usize).copied().unwrap_or_default();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt64Array::from(positions))];
        columns.extend(place_columns(entries.iter().map(place)));
        columns.push(self.texts.column(entries.iter().map(|entry| Some(*entry as usize)))?);
        Ok(columns)
    }

    fn evaluate(&self, groups: Groups<'_>) -> Result<ArrayRef, OperatorError> {
        let buckets = Buckets::new(&self.groups);
        let mut joined = LargeStringBuilder::new();
        let (mut entries, mut text) = (Vec::new(), String::new());
        for group in groups.iter() {
            entries.clear();
            entries.extend(buckets.of(group).iter().map(|entry| *entry as usize));
            // Rows of several inputs can have one place; the texts decide then.
            entries.sort_unstable_by(|a, b| {
                self.places.get(*a).cmp(&self.places.get(*b)).then_with(|| self.texts.compare_slots(*a, *b))
            });
            text.clear();
            for (number, entry) in entries.iter().enumerate() {
                if number > 0 {
                    text.push_str(&self.separator);
                }
                text.push_str(StringViewType::value(self.texts.get(*entry))?);
            }
            joined.append_option((!entries.is_empty()).then_some(&text));
        }
        let joined: LargeStringArray = joined.finish();
        Ok(Arc::new(joined))
    }

    fn format(&self) -> String {
        "joined/1".to_owned()
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<u32>()
            + self.places.capacity() * size_of::<Place>()
            + self.texts.size()
            + self.index.as_ref().map_or(0, |index| index.size())
    }
}
