//! The sink as the registry knows it.

use async_trait::async_trait;
use jiff::tz::TimeZone;
use pipectl_contract::{
    Checked, ConnectorError, Earlier, EarlierOutput, ErrorKind, NodeContext, OutputContext, Sink, SinkContext,
    SinkFacts, SinkWriter,
};

use crate::{
    check, earlier,
    encoding::Encoding,
    name::Namer,
    options::{ObjectStoreBinding, ObjectStoreOptions},
    store::Store,
    template::{Renderer, Template},
    writer::{Setup, Writer},
};

/// Delivers files to an object store; see [`ObjectStoreOptions`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectStore;

#[async_trait]
impl Sink for ObjectStore {
    type Options = ObjectStoreOptions;
    type Binding = ObjectStoreBinding;
    const KIND: &'static str = "object_store";

    fn check(
        &self,
        options: &ObjectStoreOptions,
        binding: &ObjectStoreBinding,
        node: NodeContext<'_>,
    ) -> Checked<SinkFacts> {
        check::check(options, binding, node)
    }

    async fn open(
        &self,
        options: ObjectStoreOptions,
        binding: ObjectStoreBinding,
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let template = Template::parse(&options.prefix(&context.node)).map_err(|errors| {
            let title = errors.into_iter().next().map(|error| error.title).unwrap_or_default();
            ConnectorError::new(ErrorKind::Invalid, format!("sink `{}`: {title}", context.node))
        })?;
        let zone = match &options.zone {
            Some(name) => TimeZone::get(name).map_err(|_| {
                ConnectorError::new(ErrorKind::Invalid, format!("sink `{}`: unknown time zone `{name}`", context.node))
            })?,
            None => TimeZone::UTC,
        };
        let schema = options.stored(&context.schema, &template);
        let root = context.directory.join(binding.path(&context.output));
        let setup = Setup {
            renderer: Renderer::new(template, zone),
            schema,
            namer: Namer::new(options.stem(&context.pipeline, &context.node), context.writer),
            encoding: Encoding { format: options.format(), compression: options.compression() },
            flush: options.flush,
            store: Store::directory(&context.host, root.clone()).await?,
        };
        let first_number = if context.earlier == Earlier::Keep && context.restored.is_none() {
            let (folder, stem) = (folder(&options, &context.node), options.stem(&context.pipeline, &context.node));
            context.host.blocking(move || earlier::next_number(&root, &folder, &stem)).await?
        } else {
            0
        };
        Ok(Box::new(Writer::open(setup, first_number, context).await?))
    }

    async fn earlier(
        &self,
        options: ObjectStoreOptions,
        binding: ObjectStoreBinding,
        context: OutputContext,
    ) -> Result<Vec<EarlierOutput>, ConnectorError> {
        let root = context.directory.join(binding.path(&context.output));
        let (folder, stem) = (folder(&options, &context.node), options.stem(&context.pipeline, &context.node));
        context.host.blocking(move || earlier::find(&root, &folder, &stem)).await
    }

    async fn remove(
        &self,
        _options: ObjectStoreOptions,
        binding: ObjectStoreBinding,
        context: OutputContext,
        found: Vec<EarlierOutput>,
    ) -> Result<(), ConnectorError> {
        let root = context.directory.join(binding.path(&context.output));
        context.host.blocking(move || earlier::remove(&root, &found)).await
    }

    fn describe(&self, options: &ObjectStoreOptions, binding: &ObjectStoreBinding, output: &str, node: &str) -> String {
        let path = Some(binding.path(output)).filter(|path| !path.is_empty()).unwrap_or_else(|| ".".to_owned());
        let folder = format!("{}/{}", path.trim_end_matches('/'), folder(options, node));
        // Other names are other files.
        options.file_name.as_ref().map_or(folder.clone(), |name| format!("{folder}{name}-*"))
    }
}

/// The folder that holds all files of a sink.
fn folder(options: &ObjectStoreOptions, node: &str) -> String {
    let prefix = options.prefix(node);
    let template = Template::parse(&prefix).ok();
    template.as_ref().map_or("", Template::common_folder).to_owned()
}
