//! The sink as the registry knows it.

use async_trait::async_trait;
use jiff::tz::TimeZone;
use pipectl_contract::{Checked, ConnectorError, ErrorKind, NodeContext, Sink, SinkContext, SinkFacts, SinkWriter};

use crate::{
    check,
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
        let root = context.directory.join(binding.path(&context.pipeline));
        let setup = Setup {
            renderer: Renderer::new(template, zone),
            namer: Namer::new(options.stem(&context.pipeline, &context.node), context.writer),
            encoding: Encoding { format: options.format, compression: options.compression() },
            flush: options.flush,
            store: Store::directory(&context.host, root).await?,
        };
        Ok(Box::new(Writer::open(setup, context).await?))
    }

    fn describe(
        &self,
        options: &ObjectStoreOptions,
        binding: &ObjectStoreBinding,
        pipeline: &str,
        node: &str,
    ) -> String {
        let path = Some(binding.path(pipeline)).filter(|path| !path.is_empty()).unwrap_or_else(|| ".".to_owned());
        let prefix = options.prefix(node);
        let template = Template::parse(&prefix).ok();
        let folder = template.as_ref().map_or("", Template::common_folder);
        format!("{}/{folder}", path.trim_end_matches('/'))
    }
}
