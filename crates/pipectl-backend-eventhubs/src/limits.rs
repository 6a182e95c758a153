//! What each tier allows: learn.microsoft.com/azure/event-hubs/event-hubs-quotas.

use std::time::Duration;

use crate::options::Tier;

/// Characters of a partition key (`PartitionKey` in the same page; the official clients refuse longer ones).
pub(crate) const KEY: usize = 128;
/// Partitions of a hub that is made without a number, as in the portal.
pub(crate) const DEFAULT_PARTITIONS: u32 = 4;
/// Characters of a consumer group's name.
pub(crate) const GROUP: usize = 50;
/// Characters of a hub's name.
pub(crate) const NAME: usize = 256;
/// The pause between two reads of runtime information of a hub: half of the allowed rate of 50 a second, since others
/// read it too.
pub(crate) const RUNTIME_PAUSE: Duration = Duration::from_millis(40);

const HOUR: Duration = Duration::from_hours(1);

impl Tier {
    /// Bytes of one publication: an event, or a batch of them.
    pub(crate) const fn publication(self) -> u64 {
        match self {
            Self::Basic => 256 << 10,
            Self::Standard | Self::Premium | Self::Dedicated => 1 << 20,
        }
    }

    /// How long events can stay, at the least and at the most.
    pub(crate) const fn retention(self) -> (Duration, Duration) {
        let days = match self {
            Self::Basic => 1,
            Self::Standard => 7,
            Self::Premium | Self::Dedicated => 90,
        };
        (HOUR, Duration::from_hours(24 * days))
    }

    /// How many partitions a hub can have.
    pub(crate) const fn partitions(self) -> u32 {
        match self {
            Self::Basic | Self::Standard => 32,
            Self::Premium => 100,
            Self::Dedicated => 1024,
        }
    }

    /// Whether partitions can be added later.
    pub(crate) const fn grows(self) -> bool {
        matches!(self, Self::Premium | Self::Dedicated)
    }
}
