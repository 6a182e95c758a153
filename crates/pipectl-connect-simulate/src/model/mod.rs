//! The models: what a record says.
//!
//! A model may carry state from record to record (a session, a stock), but only within a block of records; at a
//! block's start the state is new. So any record can be reached by replaying a part of its block.

mod clickstream;
mod orders;
mod sensors;
mod server_logs;

use pipectl_host::Micros;

use crate::{
    options::{Model, SimulateOptions},
    schedule::{Share, Turns},
};

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// Its number within the partition, from 0.
    pub(crate) index: u64,
    /// Its number within the whole source.
    pub(crate) number: u64,
    /// When it happened.
    pub(crate) time: Micros,
}

/// Makes the payloads of one partition, in order.
pub(crate) trait Generator: Send {
    /// Appends the payload of a record. Calls within a block must be complete and in order.
    fn write(&mut self, slot: Slot, out: &mut Vec<u8>);

    /// How many records are in a block; 1 if records do not depend on each other.
    fn block(&self) -> u64 {
        1
    }
}

/// How the records of a model are shared among partitions.
pub(crate) fn turns(model: Model) -> Turns {
    match model {
        Model::Sensors => Turns::Keys,
        Model::Clickstream | Model::ServerLogs | Model::Orders => Turns::Partitions,
    }
}

/// The generator of one partition.
pub(crate) fn generator(options: &SimulateOptions, share: Share) -> Box<dyn Generator> {
    match options.model {
        Model::Sensors => Box::new(sensors::Sensors::new(options, share)),
        Model::Clickstream => Box::new(clickstream::Clickstream::new(options, share)),
        Model::ServerLogs => Box::new(server_logs::ServerLogs::new(options, share)),
        Model::Orders => Box::new(orders::Orders::new(options, share)),
    }
}

/// Digits that show all of `count` keys, at least `least`.
fn digits(count: u32, least: usize) -> usize {
    (count.checked_ilog10().unwrap_or(0) as usize + 1).max(least)
}
