//! What identifies the rows of a query with groups, followed through the nodes after it: a sink that stores one row per
//! key must know it, or the windows of a group replace each other.

use pipectl_contract::RowKey;
use pipectl_data::Schema;
use pipectl_ir::{
    Query,
    query::{ExprKind, OutputColumn, Shape},
};

/// After a query over rows that `before` identifies.
pub(super) fn after_query(query: &Query, before: Option<&RowKey>) -> Option<RowKey> {
    let named = |columns: &[OutputColumn], is_it: &dyn Fn(&ExprKind) -> bool| {
        columns.iter().find(|column| is_it(&column.expr.kind)).map(|column| column.name.clone())
    };
    match &query.shape {
        Shape::Project { columns } => before.map(|before| {
            before.after(|name| named(columns, &|kind| matches!(kind, ExprKind::Column(column) if column == name)))
        }),
        Shape::Window(aggregate) => {
            let mut found = RowKey::default();
            let mut add = |column: Option<String>, called: &str| match column {
                Some(column) => found.columns.push(column),
                None => found.missing.push(called.to_owned()),
            };
            for (number, key) in aggregate.keys.iter().enumerate() {
                add(named(&aggregate.columns, &|kind| *kind == ExprKind::GroupKey(number)), &key.name);
            }
            if !aggregate.window.is_whole() {
                let bound = |kind: ExprKind| named(&aggregate.columns, &|other| *other == kind);
                add(bound(ExprKind::WindowStart).or_else(|| bound(ExprKind::WindowEnd)), "window_start");
            }
            Some(found)
        }
    }
}

/// After a step that keeps columns under their names.
pub(super) fn after_columns(schema: &Schema, before: Option<&RowKey>) -> Option<RowKey> {
    before.map(|before| before.after(|name| schema.find(name).map(|_| name.to_owned())))
}
