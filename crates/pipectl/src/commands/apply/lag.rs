//! How far the consumer groups of a pipeline are behind, as the services that carry its streams say.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipectl_contract::{ConnectContext, ConnectorError, StreamState, StreamTarget};
use pipectl_host::{Host, Micros};
use pipectl_ir::{PhysicalPlan, dag::Carrier, metrics::PartitionLag};
use pipectl_runtime::{RegistryConnectors, consumer_group, reads, target};
use pipectl_telemetry::bounded;

/// Time between two questions: services count them, and Prometheus seldom looks more often.
const EVERY: Duration = Duration::from_secs(15);

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream and the group that reads it.
pub(super) struct Question {
    node: String,
    group: String,
    carrier: Carrier,
    pipeline: String,
    environment: String,
}

/// The answers to the last questions, and how many had none. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Lags(Arc<Mutex<(Vec<PartitionLag>, u64)>>);

/// What to ask about the streams that these plans read.
pub(super) fn questions(plans: &[PhysicalPlan]) -> Vec<Question> {
    let of_plan = |plan: &PhysicalPlan| -> Vec<Question> {
        let question = |stream: &pipectl_ir::physical::StreamPlan| Question {
            node: stream.name.clone(),
            group: consumer_group(plan, &stream.name),
            carrier: stream.carrier.clone(),
            pipeline: plan.pipeline.clone(),
            environment: plan.environment.clone(),
        };
        reads(plan).into_iter().map(question).collect()
    };
    let mut all: Vec<Question> = plans.iter().flat_map(of_plan).collect();
    // Several regions may read one stream, as one group.
    all.sort_by(|one, other| one.node.cmp(&other.node));
    all.dedup_by(|one, other| one.node == other.node);
    all
}

impl Lags {
    /// The last answers, and how many questions had none.
    pub(super) fn read(&self) -> (Vec<PartitionLag>, u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks without end.
    pub(super) async fn ask(self, questions: Vec<Question>, connectors: RegistryConnectors, host: Host) {
        loop {
            let (mut lags, mut failures) = (Vec::new(), 0);
            for question in &questions {
                let asked = question.ask(&connectors, &host);
                let answer = tokio::select! {
                    answer = asked => answer.map_err(|error| error.to_string()),
                    () = host.sleep(PATIENCE) => Err("no response".to_owned()),
                };
                match answer {
                    Ok(state) => lags.extend(state.map(|state| question.lags(&state)).unwrap_or_default()),
                    Err(error) => {
                        failures += 1;
                        tracing::debug!(node = question.node, "the consumer lag is not known: {error}");
                    }
                }
            }
            {
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                *known = (lags, known.1 + failures);
            }
            host.sleep(EVERY).await;
        }
    }
}

impl Question {
    async fn ask(&self, connectors: &RegistryConnectors, host: &Host) -> Result<Option<StreamState>, ConnectorError> {
        let context = ConnectContext::new(host.clone(), &self.pipeline, &self.environment);
        let connection = connectors.connection(&self.carrier, context).await?;
        let stream: StreamTarget = target(&self.carrier);
        connection.describe(&stream, Some(&self.group)).await
    }

    fn lags(&self, state: &StreamState) -> Vec<PartitionLag> {
        if let Some(records) = state.lag {
            let node = self.node.clone();
            return vec![PartitionLag { node, partition: String::new(), records: Some(records), time_us: None }];
        }
        let known = state.partitions.iter().filter(|partition| partition.lag.is_some() || partition.behind.is_some());
        let time = |behind: Duration| Micros::try_from(behind.as_micros()).unwrap_or(Micros::MAX);
        bounded(&self.node, known.map(|one| (one.number, one.lag, one.behind.map(time))))
    }
}
