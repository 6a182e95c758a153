//! What can be asked of a namespace, and the producers and consumers of its hubs.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pipectl_contract::{
    Connection, ConnectorError, ConsumerContext, ErrorKind, Finding, ProducerContext, SinkWriter, SourceReader,
    StreamState, StreamTarget,
};

use crate::{
    blobs::Blobs,
    consume,
    error::Failure,
    event,
    hubs::{ASK_EVERY, Hubs, hub_options},
    limits, preflight,
    producer::Writer,
};

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
            host.sleep(ASK_EVERY).await;
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

    async fn preflight(&self, streams: &[StreamTarget]) -> Vec<Finding> {
        preflight::all(self, streams).await
    }
}
