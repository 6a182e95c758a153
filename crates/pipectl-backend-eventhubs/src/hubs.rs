//! The event hubs of a namespace: what the service says of one, and waiting until a change has come about.

use std::time::Duration;

use pipectl_contract::{ConnectorError, ErrorKind, PartitionState, StreamTarget};
use pipectl_data::Micros;
use serde::Deserialize;

use crate::{arm::Arm, blobs::Blobs, error::Failure, namespace::Namespace, options::HubOptions, retry::repeated};

/// How often the service is asked whether a change has come about.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(200);

pub(crate) struct Hubs {
    pub(crate) namespace: Namespace,
}

/// What the service reports of a hub.
pub(crate) struct Known {
    pub(crate) created: Option<std::time::SystemTime>,
    pub(crate) partitions: Vec<String>,
}

pub(crate) fn hub_options(target: &StreamTarget) -> Result<HubOptions, ConnectorError> {
    let options = target.options.as_ref().map(HubOptions::deserialize).transpose();
    options.map(Option::unwrap_or_default).map_err(|error| {
        ConnectorError::new(ErrorKind::Invalid, format!("the options of hub `{}` cannot be read: {error}", target.name))
    })
}

impl Hubs {
    pub(crate) fn arm(&self) -> Option<Arm> {
        self.namespace.options.management.as_ref().map(|management| Arm::new(&self.namespace, management))
    }

    pub(crate) fn managed(&self, what: &str, hub: &str) -> Result<Arm, ConnectorError> {
        self.arm().ok_or_else(|| {
            let text = format!(
                "cannot {what} hub `{hub}` of `{}`: the backend has no `management` with the subscription and the resource group; add it, or {what} the hub with other tools",
                self.namespace.name
            );
            ConnectorError::new(ErrorKind::Invalid, text)
        })
    }

    /// What the service itself says; `None` if there is no such hub.
    pub(crate) async fn known(&self, hub: &str) -> Result<Option<Known>, Failure> {
        let namespace = &self.namespace;
        let found = repeated(&namespace.host, namespace.options.retry, || async {
            let client = namespace.producer(hub).await?;
            namespace.turn().await;
            let found = client.get_eventhub_properties().await;
            // Given back in good order; if not, it breaks by itself.
            client.close().await.unwrap_or_default();
            Ok(found?)
        });
        match found.await {
            Ok(found) => Ok(Some(Known { created: found.created_on, partitions: found.partition_ids })),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The state of each partition, as the service tells it.
    pub(crate) async fn partitions(&self, hub: &str, names: &[String]) -> Result<Vec<PartitionState>, Failure> {
        let namespace = &self.namespace;
        repeated(&namespace.host, namespace.options.retry, || async {
            let client = namespace.producer(hub).await?;
            let mut states = Vec::new();
            for (number, name) in names.iter().enumerate() {
                namespace.turn().await;
                let found = client.get_partition_properties(name).await?;
                let end = found.last_enqueued_sequence_number + 1;
                states.push(PartitionState {
                    number: number as u32,
                    name: name.clone(),
                    open: true,
                    earliest: Some(if found.is_empty { end } else { found.beginning_sequence_number }.to_string()),
                    end: Some(end.to_string()),
                    ..Default::default()
                });
            }
            client.close().await.unwrap_or_default();
            Ok(states)
        })
        .await
    }

    /// How many records each partition holds that the group has not read.
    pub(crate) async fn lag(
        &self,
        hub: &str,
        group: &str,
        created: Option<Micros>,
        partitions: &mut [PartitionState],
    ) -> Result<(), Failure> {
        let Some(checkpoints) = &self.namespace.options.checkpoints else { return Ok(()) };
        let blobs = Blobs::open(&self.namespace, checkpoints, hub, group)?;
        for partition in partitions {
            let number =
                |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
            let next = match blobs.mark(partition.number).await? {
                // One of a former hub of this name says nothing.
                Some((Some(mark), _)) if mark.created.is_none() || mark.created == created => mark.sequence + 1,
                _ => 0,
            };
            let next = next.max(number(&partition.earliest));
            partition.lag = Some(number(&partition.end).saturating_sub(next).max(0) as u64);
        }
        Ok(())
    }

    pub(crate) async fn wait_until_active(&self, arm: &Arm, hub: &str) -> Result<(), Failure> {
        let host = &self.namespace.host;
        let until = host.now().saturating_add(self.namespace.options.retry.bound.0.as_micros() as i64);
        loop {
            // Both sides must know it: what was made, and what is written and read.
            let made = arm.hub(hub).await?;
            if made.as_ref().is_some_and(|made| made.active) && self.known(hub).await?.is_some() {
                return Ok(());
            }
            if host.now() >= until {
                let status = made.map_or_else(|| "absent".into(), |made| made.status);
                return Err(Failure::new(
                    ErrorKind::Unavailable,
                    format!("it is still not ready, its status is {status}"),
                ));
            }
            host.sleep(ASK_EVERY).await;
        }
    }
}
