//! What can be asked of a namespace, and the producers and consumers of its hubs.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, ErrorKind, Finding, PartitionState, ProducerContext, SinkWriter,
    SourceReader, StreamState, StreamTarget,
};
use pipectl_data::Micros;
use serde::Deserialize;

use crate::{
    arm::Arm, blobs::Blobs, consume, error::Failure, event, examine, limits, namespace::Namespace, options::HubOptions,
    producer::Writer, retry::repeated,
};

/// How often it is looked whether a change has come about.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) struct Hubs {
    pub(crate) namespace: Namespace,
}

/// What a client told about a hub.
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

    fn managed(&self, what: &str, hub: &str) -> Result<Arm, ConnectorError> {
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
    async fn partitions(&self, hub: &str, names: &[String]) -> Result<Vec<PartitionState>, Failure> {
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
    async fn lag(
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

    async fn wait_until_active(&self, arm: &Arm, hub: &str) -> Result<(), Failure> {
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
            host.sleep(LOOK).await;
        }
    }
}

#[async_trait]
impl Connection for Hubs {
    async fn describe(
        &self,
        stream: &StreamTarget,
        group: Option<&str>,
    ) -> Result<Option<StreamState>, ConnectorError> {
        let at =
            |failure: Failure| failure.at(format_args!("describe hub `{}` of `{}`", stream.name, self.namespace.name));
        let Some(known) = self.known(&stream.name).await.map_err(at)? else { return Ok(None) };
        let mut partitions = match self.partitions(&stream.name, &known.partitions).await {
            Ok(partitions) => partitions,
            // Removed in between.
            Err(failure) if failure.kind == ErrorKind::NotFound => return Ok(None),
            Err(failure) => return Err(at(failure)),
        };
        let created = known.created.map(event::micros);
        let mut settings = BTreeMap::from([("namespace".to_owned(), self.namespace.name.clone())]);
        if let Some(group) = group {
            let group = consume::group_name(&self.namespace.options, &hub_options(stream)?, group);
            self.lag(&stream.name, &group, created, &mut partitions).await.map_err(at)?;
            settings.insert("consumer_group".into(), group);
        }
        let managed = match self.arm() {
            Some(arm) => arm.hub(&stream.name).await.map_err(at)?,
            None => None,
        };
        if let Some(managed) = &managed {
            settings.insert("status".into(), managed.status.clone());
        }
        Ok(Some(StreamState {
            name: stream.name.clone(),
            partitions,
            retention: managed.and_then(|managed| managed.retention),
            encryption: None,
            created,
            lag: None,
            settings,
        }))
    }

    async fn create(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        let at =
            |failure: Failure| failure.at(format_args!("create hub `{}` in `{}`", stream.name, self.namespace.name));
        let Some(arm) = self.arm() else {
            // One that is there needs nobody to make it.
            return match self.known(&stream.name).await.map_err(at)? {
                Some(_) => Ok(()),
                None => self.managed("make", &stream.name).map(drop),
            };
        };
        if arm.hub(&stream.name).await.map_err(at)?.is_none() {
            let partitions = stream.partitions.unwrap_or(limits::DEFAULT_PARTITIONS);
            arm.put_hub(&stream.name, Some(partitions), stream.retention).await.map_err(at)?;
        }
        self.wait_until_active(&arm, &stream.name).await.map_err(at)
    }

    async fn update(&self, stream: &StreamTarget) -> Result<(), ConnectorError> {
        let name = &stream.name;
        let at = |failure: Failure| failure.at(format_args!("change hub `{name}` of `{}`", self.namespace.name));
        let arm = self.managed("change", name)?;
        let Some(now) = arm.hub(name).await.map_err(at)? else {
            return Err(at(Failure::new(ErrorKind::NotFound, "there is none; create it first")));
        };
        if let Some(wanted) = stream.partitions
            && wanted != now.partitions
        {
            let has = now.partitions;
            let tier = self.namespace.options.tier;
            let advice = "write to a new hub with this number of partitions, and let the readers finish the old one";
            if wanted < has {
                return Err(at(Failure::new(
                    ErrorKind::Conflict,
                    format!(
                        "it has {has} partitions, and Event Hubs cannot remove partitions (requested: {wanted}); {advice}"
                    ),
                )));
            }
            if !tier.grows() {
                return Err(at(Failure::new(
                    ErrorKind::Conflict,
                    format!(
                        "it has {has} partitions, which cannot grow to {wanted} in the {tier:?} tier (only in Premium and Dedicated); {advice}"
                    ),
                )));
            }
        }
        let partitions = stream.partitions.filter(|wanted| *wanted != now.partitions);
        let retention = stream.retention.filter(|wanted| Some(*wanted) != now.retention);
        if partitions.is_some() || retention.is_some() {
            arm.put_hub(name, partitions, retention.or(now.retention)).await.map_err(at)?;
            self.wait_until_active(&arm, name).await.map_err(at)?;
        }
        Ok(())
    }

    async fn delete(&self, stream: &StreamTarget) -> Result<bool, ConnectorError> {
        let name = &stream.name;
        let at = |failure: Failure| failure.at(format_args!("remove hub `{name}` of `{}`", self.namespace.name));
        let arm = self.managed("remove", name)?;
        let there = arm.delete_hub(name).await.map_err(at)?;
        let host = &self.namespace.host;
        let until = host.now().saturating_add(self.namespace.options.retry.bound.0.as_micros() as i64);
        while arm.hub(name).await.map_err(at)?.is_some() {
            if host.now() >= until {
                return Err(at(Failure::new(ErrorKind::Unavailable, "it is still there")));
            }
            host.sleep(LOOK).await;
        }
        // Checkpoints of a hub that is gone would make readers of a new one of the same name skip its records.
        if let Some(checkpoints) = &self.namespace.options.checkpoints {
            let blobs = Blobs::open(&self.namespace, checkpoints, name, "any").map_err(at)?;
            blobs.remove_hub().await.map_err(at)?;
        }
        Ok(there)
    }

    async fn forget(&self, stream: &StreamTarget, group: &str) -> Result<(), ConnectorError> {
        let Some(checkpoints) = &self.namespace.options.checkpoints else { return Ok(()) };
        // The name at the service, which everything that is kept of the group stands under.
        let group = consume::group_name(&self.namespace.options, &hub_options(stream)?, group);
        let at = |failure: Failure| {
            failure.at(format_args!("reset the positions of group `{group}` of hub `{}`", stream.name))
        };
        let blobs = Blobs::open(&self.namespace, checkpoints, &stream.name, &group).map_err(at)?;
        blobs.remove_group().await.map_err(at)
    }

    async fn list(&self) -> Result<Vec<String>, ConnectorError> {
        let name = &self.namespace.name;
        let Some(arm) = self.arm() else {
            let text = format!(
                "cannot list the hubs of `{name}`: this needs the management API; add `management` to the backend"
            );
            return Err(ConnectorError::new(ErrorKind::Invalid, text));
        };
        arm.hubs().await.map_err(|failure| failure.at(format_args!("list the hubs of `{name}`")))
    }

    async fn producer(
        &self,
        stream: &StreamTarget,
        context: ProducerContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let options = hub_options(stream)?;
        Ok(Box::new(Writer::open(&self.namespace, &stream.name, options, context).await?))
    }

    async fn consumer(
        &self,
        stream: &StreamTarget,
        context: ConsumerContext,
    ) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
        consume::open(self, stream, context).await
    }

    async fn examine(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        examine::all(self, streams).await
    }
}
