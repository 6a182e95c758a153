//! The sink as the registry knows it.

use async_trait::async_trait;
use pipectl_contract::{Checked, ConnectorError, NodeContext, Sink, SinkContext, SinkFacts, SinkWriter};

use crate::{
    check,
    error::invalid,
    options::{TableBinding, TableOptions},
    table::{Column, Definition},
    writer::Writer,
};

/// Keeps the newest record of each key in a table; see [`TableOptions`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Table;

#[async_trait]
impl Sink for Table {
    type Options = TableOptions;
    type Binding = TableBinding;
    const KIND: &'static str = "table";

    fn check(&self, options: &TableOptions, binding: &TableBinding, node: NodeContext<'_>) -> Checked<SinkFacts> {
        check::check(options, binding, node)
    }

    async fn open(
        &self,
        options: TableOptions,
        binding: TableBinding,
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let file = binding.path(&context.pipeline);
        let path = context.directory.join(&file);
        let key = options.key(&context.keys).to_vec();
        let wanted = |name: &str| options.columns.as_ref().is_none_or(|columns| columns.iter().any(|one| one == name));
        let fields = context.schema.fields().iter().filter(|field| wanted(&field.name));
        let columns: Vec<Column> = fields
            .map(|field| Column {
                name: field.name.clone(),
                data_type: field.data_type,
                key: key.contains(&field.name),
            })
            .collect();
        if key.is_empty() || columns.iter().filter(|column| column.key).count() != key.len() {
            let message = format!("sink `{}`: its input lacks a column of the key ({})", context.node, key.join(", "));
            return Err(invalid(message));
        }
        let definition = Definition { file, name: options.name(&context.node).to_owned(), key, columns };
        Ok(Box::new(Writer::open(context.host, path, definition).await?))
    }

    fn describe(&self, options: &TableOptions, binding: &TableBinding, pipeline: &str, node: &str) -> String {
        format!("{}, table {}", binding.path(pipeline), options.name(node))
    }
}
