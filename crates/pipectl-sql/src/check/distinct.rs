//! `SELECT DISTINCT`: the different rows of each window, as if everything that is selected were a group key.

use std::ops::Range;

use pipectl_diag::codes::sql as codes;

use super::{Checker, aggregate_in, column_name, of_groups};
use crate::parse::ast::{Item, Kind, Node};

impl<'a> Checker<'a> {
    /// Makes group keys of the columns; `None` if the rows would not be distinct.
    pub(super) fn distinct(&mut self, place: &Range<usize>) -> Option<()> {
        let select = self.select;
        let nodes: Vec<&'a Node> = select
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Value { node, .. } => Some(node),
                Item::All { .. } => None,
            })
            .collect();
        let bound = |node: &&Node| matches!(column_name(node), Some("window_start" | "window_end"));
        if !(self.is_whole || nodes.iter().any(bound)) {
            self.problem(
                codes::UNSUPPORTED_SQL,
                "SELECT DISTINCT across windows is not supported: it would have to keep every row",
                place,
                "windows can have equal rows",
                |p| p.help("add window_start to the columns: rows are distinct within each window"),
            );
            return None;
        }
        let hidden = self.keys.iter().find(|(key, _)| !nodes.iter().any(|node| self.unalias(node).same(key)));
        if let Some((key, _)) = hidden {
            let key_place = key.place.clone();
            let text = self.sql.get(key_place.clone()).unwrap_or("key").to_owned();
            self.problem(
                codes::UNSUPPORTED_SQL,
                format!("SELECT DISTINCT without the group key `{text}` is not supported"),
                &key_place,
                "groups can have equal rows",
                |p| p.help(format!("select `{text}`, or remove it from GROUP BY")),
            );
            return None;
        }
        let aggregates = select.having.iter().chain(nodes.iter().copied()).any(|node| aggregate_in(node).is_some());
        if aggregates {
            // Groups have different keys, so that their rows are distinct.
            return Some(());
        }
        let mut sound = true;
        for node in nodes {
            let constant = matches!(node.kind, Kind::Number(_) | Kind::Text(_) | Kind::Bool(_) | Kind::Null);
            if !constant && !of_groups(node) && !self.keys.iter().any(|(key, _)| key.same(node)) {
                sound &= self.group_key(node).is_some();
            }
        }
        sound.then_some(())
    }

    /// What to write instead of a `SELECT DISTINCT` without a window.
    pub(super) fn distinct_in_windows(&self) -> String {
        let columns = self.select.items.iter().filter_map(|item| match item {
            Item::Value { node, .. } => column_name(node),
            Item::All { .. } => None,
        });
        let columns: Vec<_> = std::iter::once("window_start").chain(columns).collect();
        format!(
            "write SELECT DISTINCT {} FROM {} GROUP BY tumble(INTERVAL '1 minute'): rows are distinct within each window",
            columns.join(", "),
            self.select.input.text
        )
    }
}
