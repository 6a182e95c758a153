//! Plain data of every stage after parsing: no input, no output, no async.

pub mod capabilities;
pub mod dag;
pub mod facts;
pub mod metrics;
pub mod physical;
pub mod replacement;
pub mod report;

pub mod functions;
pub mod json_path;
pub mod query;

pub use capabilities::Capabilities;
pub use dag::{Dag, Node, NodeId, NodeKind};
pub use facts::{PlaceBy, ProcessorTraits, StatePart, StateSignature};
pub use physical::PhysicalPlan;
pub use query::Query;
pub use report::RunReport;
