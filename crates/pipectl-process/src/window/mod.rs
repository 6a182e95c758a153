//! Aggregates over windows of event time.
//!
//! Rows are kept as *panes*: stretches of time as long as the greatest common divisor of slide and size, so that every
//! window is made of whole panes and every row is aggregated once, however many windows it belongs to. A tumbling
//! window is one pane. A pane holds group keys and accumulators (DataFusion's) and can be *frozen* into columns and
//! *thawed* again without changing any later result; that is how panes are merged and written to a checkpoint.

mod aggregate;
mod close;
mod float_sum;
mod int_mean;
mod moments;
mod operator;
mod pane;
mod plan;
mod snapshot;
mod sum;
#[cfg(test)]
mod tests;

pub use operator::WindowOperator;
