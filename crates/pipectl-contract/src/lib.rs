//! What a stream backend and a connector must honor, and the registries that name them.
//!
//! One rhythm for all: `check` is pure and synchronous, `open` may do I/O but spawns nothing, and only the runtime
//! drives what was opened. An author implements the typed trait ([`Source`], [`Sink`]); a blanket implementation
//! gives the object-safe face ([`DynSource`], [`DynSink`]) that the registry holds.

mod backend;
mod check;
mod clock;
mod error;
pub mod error_text;
mod files;
mod network;
mod operator;
mod output;
mod processor;
mod registry;
mod sink;
mod source;
mod stream;

pub use backend::{Backend, ConnectContext, Connection, DynBackend, StreamFacts, StreamNeeds};
pub use check::{Checked, NodeContext, RowKey, options_schema};
pub use error::{ConnectorError, ErrorKind};
pub use files::FileSet;
pub use operator::{Calls, DeadLetters, Operator, OperatorError, Output, Reason};
pub use output::{
    DEFAULT_ENVIRONMENT, Earlier, EarlierOutput, OutputContext, file_identity, output_folder, remove_file,
};
pub use pipectl_ir::{
    Capabilities,
    capabilities::{Consumption, Order, Partitions},
    dag::SourceFormat,
    facts::{PlaceBy, ProcessorTraits, StateSignature},
};
pub use processor::{DynProcessor, OpenContext, Processor, ProcessorFacts};
pub use registry::Registry;
pub use sink::{
    ColumnNeed, DynSink, OtherWriter, Parallelism, Refused, Rejection, Sink, SinkContext, SinkFacts, SinkWriter,
};
pub use source::{DynSource, Read, Source, SourceContext, SourceFacts, SourceReader};
pub use stream::{
    ConsumerContext, Difference, Finding, FindingOutcome, Ownership, PartitionState, ProducerContext, StartAt,
    StreamState, StreamTarget,
};
