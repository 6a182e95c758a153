//! Delivery to an object store: prefix, flush, format, compression; bound to a local directory.
//!
//! A batch is split by its rendered prefixes (`template`), each part is added to an open file (`file`, `encoding`), and a
//! finished file waits in memory and in checkpoints until the checkpoint that holds it is durable (`writer`, `state`);
//! only then is it put under its final name (`name`, `store`).

mod check;
mod earlier;
mod encoding;
mod file;
mod name;
mod options;
mod sink;
mod state;
mod store;
mod template;
mod writer;

pub use options::{Directory, Flush, Format, ObjectStoreBinding, ObjectStoreOptions, PartitionColumns};
pub use sink::ObjectStore;
