//! The sink as the registry knows it.

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, Earlier, EarlierOutput, NodeContext, OutputContext, Sink, SinkContext, SinkFacts,
    SinkWriter,
};

use crate::{
    check, earlier,
    error::invalid,
    options::{TableBinding, TableOptions},
    table::{Column, Definition},
    writer::{Begin, Writer},
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
        let file = binding.path(&context.output);
        let path = context.directory.join(&file);
        let key = options.key(&context.keys).to_vec();
        let wanted = |name: &str| options.columns.as_ref().is_none_or(|columns| columns.iter().any(|one| one == name));
        let fields = context.schema.fields().iter().filter(|field| wanted(&field.name));
        let columns: Vec<Column> = fields
            .map(|field| Column {
                name: field.name.clone(),
                data_type: field.data_type.clone(),
                key: key.contains(&field.name),
            })
            .collect();
        if key.is_empty() || columns.iter().filter(|column| column.key).count() != key.len() {
            let message = format!("sink `{}`: its input lacks a column of the key ({})", context.node, key.join(", "));
            return Err(invalid(message));
        }
        let definition = Definition { file, name: options.name(&context.node).to_owned(), key, columns };
        let begin = match (&context.restored, context.earlier) {
            (Some(_), _) => Begin::Restored,
            (None, Earlier::Replace) => Begin::Replacing,
            (None, _) => Begin::Anew,
        };
        Ok(Box::new(Writer::open(context.host, path, definition, begin).await?))
    }

    async fn earlier(
        &self,
        options: TableOptions,
        binding: TableBinding,
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        let file = binding.path(&context.output);
        let (path, table) = (context.directory.join(&file), options.name(&context.node).to_owned());
        context.host.blocking(move || earlier::find(&path, &file, &table)).await
    }

    fn describe(&self, options: &TableOptions, binding: &TableBinding, output: &str, node: &str) -> String {
        format!("{}, table {}", binding.path(output), options.name(node))
    }
}
