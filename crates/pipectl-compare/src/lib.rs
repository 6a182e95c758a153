//! Did a pipeline come to the same result in several places?
//!
//! The first run is the reference. Every other is judged sink by sink: the same rows as often (order apart), and for each
//! key the same rows in the same order. Numbers with a fraction may differ by a stated tolerance, since sums of floats
//! depend on the order of their parts. Dead letters are judged like a sink, late records left out: which records are late
//! depends on how a backlog is read, and is reported as a count. The first rows that differ are shown with the records of the
//! input that they were made of.

mod input;
mod order;
mod origin;
mod rows;
mod run;
mod verdict;

pub use input::{Belonging, Input};
pub use origin::Origin;
pub use rows::Row;
pub use run::{Latency, Recorded, Run};
pub use verdict::{Difference, Settings, SinkVerdict, Verdict, judge};

#[cfg(test)]
mod tests;
