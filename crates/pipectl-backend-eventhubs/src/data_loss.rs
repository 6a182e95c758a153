//! Records that are gone before they were read: removed by retention, or with the hub that held them. Whether that stops
//! the run is the stream's choice; passed over in silence they never are.

use azure_messaging_eventhubs::models::EventHubPartitionProperties;
use pipectl_contract::ErrorKind;
use pipectl_data::{Micros, timestamp};

use crate::{error::Failure, options::OnDataLoss, position::Mark};

/// What lies between a position and what the service holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DataLoss {
    /// So many records after the position are gone; the oldest that there is has this number.
    Removed { missing: i64, oldest: i64 },
    /// The position is of another hub that had this name, and how that shows.
    Anew(String),
}

impl DataLoss {
    /// Compares a position with a partition of a hub that was made at `created`.
    pub(crate) fn find(mark: &Mark, created: Option<Micros>, known: &EventHubPartitionProperties) -> Option<Self> {
        let end = known.last_enqueued_sequence_number.saturating_add(1);
        let next = mark.sequence.saturating_add(1);
        match (mark.created, created) {
            (Some(before), Some(now)) if before != now => {
                let (before, now) = (timestamp::format(before), timestamp::format(now));
                return Some(Self::Anew(format!(
                    "the read position is {next} in a hub that was created at {before}, but this hub was created at {now}: the hub was deleted and created again"
                )));
            }
            (Some(_), Some(_)) => {}
            // A position of an older release, which does not tell its hub.
            _ if next > end => {
                return Some(Self::Anew(format!(
                    "it ends at {end}, but the read position is {next}: the hub was deleted and created again"
                )));
            }
            _ => {}
        }
        let oldest = if known.is_empty { end } else { known.beginning_sequence_number };
        let missing = oldest.saturating_sub(next);
        (missing > 0).then_some(Self::Removed { missing, oldest })
    }

    /// What it means when the service refuses to begin at a position.
    pub(crate) fn refused(failure: &Failure) -> Option<Self> {
        let about = failure.text.contains("supplied offset") || failure.text.contains("supplied sequence number");
        (failure.kind == ErrorKind::Invalid && about)
            .then(|| Self::Anew(format!("the service does not know the position ({})", failure.text)))
    }

    /// Goes on with a warning, or answers why not.
    pub(crate) fn settle(&self, hub: &str, partition: &str, mark: &Mark, choice: OnDataLoss) -> Result<(), Failure> {
        let problem = match self {
            Self::Removed { missing, oldest } => format!(
                "{missing} records of partition {partition} of hub `{hub}` are lost: the read position is {}, the oldest available record is {oldest}",
                mark.sequence.saturating_add(1)
            ),
            Self::Anew(how) => format!("partition {partition} of hub `{hub}` cannot be read further: {how}"),
        };
        match choice {
            OnDataLoss::Continue => {
                tracing::warn!("{problem}; continuing with the oldest record");
                Ok(())
            }
            OnDataLoss::Fail => {
                let also = if matches!(self, Self::Anew(_)) { ", or start over with `apply --fresh`" } else { "" };
                Err(Failure::new(
                    ErrorKind::Conflict,
                    format!(
                        "{problem}; set `on_data_loss: continue` on the stream to continue with the oldest record{also}"
                    ),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DataLoss, EventHubPartitionProperties, Mark};

    fn known(first: i64, last: i64, is_empty: bool) -> EventHubPartitionProperties {
        EventHubPartitionProperties {
            beginning_sequence_number: first,
            last_enqueued_sequence_number: last,
            is_empty,
            eventhub: "orders".into(),
            id: "0".into(),
            last_enqueued_offset: "0".into(),
            last_enqueued_time_utc: None,
        }
    }

    fn mark(sequence: i64, created: Option<i64>) -> Mark {
        Mark { offset: None, sequence, created }
    }

    #[test]
    fn what_is_there_is_no_gap() {
        for (mark, known) in [
            (mark(-1, None), known(0, -1, true)),
            (mark(3, None), known(4, 9, false)),
            (mark(9, Some(7)), known(4, 9, false)),
            (mark(9, Some(7)), known(0, 9, true)),
            // What is reported the end may be older than what was read.
            (mark(9, Some(7)), known(4, 8, false)),
        ] {
            assert_eq!(DataLoss::find(&mark, Some(7), &known), None, "{mark:?} {known:?}");
        }
    }

    #[test]
    fn what_retention_removed_is_counted() {
        let data_loss = |sequence, known| DataLoss::find(&mark(sequence, Some(7)), Some(7), &known);
        assert_eq!(data_loss(3, known(10, 12, false)), Some(DataLoss::Removed { missing: 6, oldest: 10 }));
        assert_eq!(data_loss(-1, known(5, 12, false)), Some(DataLoss::Removed { missing: 5, oldest: 5 }));
        assert_eq!(
            data_loss(3, known(0, 9, true)),
            Some(DataLoss::Removed { missing: 6, oldest: 10 }),
            "nothing is left"
        );
    }

    #[test]
    fn another_hub_is_reported_by_when_it_was_made_and_else_by_its_end() {
        let anew = |mark, known| matches!(DataLoss::find(&mark, Some(8), &known), Some(DataLoss::Anew(_)));
        assert!(anew(mark(3, Some(7)), known(0, 100, false)));
        assert!(anew(mark(-1, Some(7)), known(0, -1, true)));
        assert!(anew(mark(3, None), known(0, -1, true)));
        assert!(anew(mark(3, None), known(0, 2, false)));
        assert!(!anew(mark(3, None), known(0, 3, false)));
    }
}
