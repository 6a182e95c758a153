//! Aggregates over windows of event time.
//!
//! Rows are kept as *panes*: stretches of time as long as the greatest common divisor of slide and size, so that every
//! window is made of whole panes and every row is aggregated once, however many windows it belongs to. A tumbling
//! window is one pane. A pane holds group keys and accumulators. Both are read as columns without being changed; that is
//! how panes are merged and written to a checkpoint.

mod accumulator;
mod close;
mod kind;
mod operator;
mod pane;
mod plan;
mod snapshot;
#[cfg(test)]
mod tests;

pub use operator::WindowOperator;
