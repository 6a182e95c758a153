//! Plain data of every stage after parsing: no input, no output, no async.

pub mod dag;
pub mod physical;
pub mod report;

pub mod functions;
pub mod json_path;
pub mod query;

pub use dag::{Dag, Node, NodeId, NodeKind};
pub use physical::PhysicalPlan;
pub use query::Query;
pub use report::RunReport;
