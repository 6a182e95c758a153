//! A connection: one client that asks and one that administers, and how both are asked. What streams want of it is in
//! `streams`.

mod private;
mod streams;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipectl_contract::{ConnectContext, ConnectorError, ErrorKind};
use pipectl_host::Host;
use rdkafka::{
    ClientConfig,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{
    admin::{Admin, Setting},
    error,
    options::KafkaOptions,
    producer::{Ids, Transactors},
    retry, settings,
    token::Tokens,
    watch::Watch,
};

/// How often the brokers are asked whether a change has come about.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A client that only asks.
pub(crate) type Asking = BaseConsumer<Watch>;

/// A connection to brokers.
pub(crate) struct KafkaConnection {
    pub(crate) host: Host,
    pub(crate) options: Arc<KafkaOptions>,
    client_id: String,
    owner: String,
    asking: Arc<Asking>,
    admin: Option<Admin>,
    ids: Ids,
    transactors: Transactors,
    tokens: Option<Tokens>,
}

/// A topic as the brokers' metadata have it.
pub(crate) struct Seen {
    /// How many partitions.
    pub(crate) partitions: u32,
    /// How many brokers keep each.
    pub(crate) replicas: usize,
    /// Whether all partitions have a leader.
    pub(crate) ready: bool,
}

impl KafkaConnection {
    /// Connects, and asks for a sign of life.
    pub(crate) async fn open(options: KafkaOptions, context: ConnectContext) -> Result<Self, ConnectorError> {
        settings::refuse(&options)?;
        let options = Arc::new(options);
        let client_id = format!("pipectl-{}", context.pipeline);
        let config = settings::common(&options, &client_id);
        let tokens = Tokens::open(&options, &context.host).await?;
        let watch = || Watch::new(tokens.clone());
        private::admit(&context, &options, &config, watch()).await?;
        let asking = Asking::from_config_and_context(&config, watch())
            .map_err(|problem| error::client("connect to Kafka", problem))?;
        // The library's administrator cannot be given a token.
        let admin =
            if tokens.is_some() { None } else { Some(Admin::new(&config, watch(), options.request_timeout.0)?) };
        let connection = Self {
            owner: format!("{}.{}", context.pipeline, context.environment),
            host: context.host,
            client_id,
            asking: Arc::new(asking),
            admin,
            ids: Ids::default(),
            transactors: Transactors::default(),
            tokens,
            options,
        };
        let what = format!("reach Kafka at {}", connection.options.brokers.join(", "));
        connection.ask(what, |client, timeout| client.fetch_metadata(None, timeout).map(drop)).await?;
        Ok(connection)
    }

    /// The administrator.
    pub(crate) fn admin(&self) -> Result<&Admin, ConnectorError> {
        self.admin.as_ref().ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::Denied,
                "topics and consumer groups cannot be created, changed or deleted with `aws_msk_iam` or `oidc`; do it \
                 with the service's own tools, and mark the streams `existing`",
            )
        })
    }

    fn watch(&self) -> Watch {
        Watch::new(self.tokens.clone())
    }

    fn config(&self) -> ClientConfig {
        settings::common(&self.options, &self.client_id)
    }

    /// Asks the brokers something where waiting harms nobody, again and again while they are out of reach.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        what: impl Into<String>,
        question: impl Fn(&Asking, Duration) -> Result<T, rdkafka::error::KafkaError> + Clone + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let what = what.into();
        retry::within(&self.host, self.options.retry_for.0, || self.ask_once(what.clone(), question.clone())).await
    }

    /// Asks once.
    pub(crate) async fn ask_once<T: Send + 'static>(
        &self,
        what: String,
        question: impl FnOnce(&Asking, Duration) -> Result<T, rdkafka::error::KafkaError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let (client, timeout) = (Arc::clone(&self.asking), self.options.request_timeout.0.min(Duration::from_secs(10)));
        self.host
            .blocking(move || {
                serve(&client);
                let answer = question(&client, timeout);
                serve(&client);
                answer.map_err(|problem| client.context().explain(what, problem))
            })
            .await
    }

    /// A topic, if there is one.
    pub(crate) async fn see(&self, name: &str) -> Result<Option<Seen>, ConnectorError> {
        let topic = name.to_owned();
        let what = format!("describe topic `{name}`");
        let seen = self
            .ask(what.clone(), move |client, timeout| {
                let metadata = client.fetch_metadata(Some(&topic), timeout)?;
                Ok(metadata.topics().first().map(|topic| {
                    let partitions = topic.partitions();
                    let seen = Seen {
                        partitions: partitions.len() as u32,
                        replicas: partitions.first().map_or(0, |partition| partition.replicas().len()),
                        ready: partitions.iter().all(|partition| partition.leader() >= 0),
                    };
                    (seen, topic.error())
                }))
            })
            .await?;
        match seen {
            Some((seen, None)) if seen.partitions > 0 => Ok(Some(seen)),
            None | Some((_, None)) => Ok(None),
            Some((seen, Some(code))) => match error::coded(what, code.into()) {
                problem if problem.kind == ErrorKind::NotFound => Ok(None),
                // A leader that is being chosen: the topic is there, and not ready.
                problem if problem.kind == ErrorKind::Unavailable => Ok(Some(Seen { ready: false, ..seen })),
                problem => Err(problem),
            },
        }
    }

    /// A topic that must be there.
    pub(crate) async fn find(&self, name: &str) -> Result<Seen, ConnectorError> {
        self.see(name).await?.ok_or_else(|| {
            ConnectorError::new(
                ErrorKind::NotFound,
                format!("there is no topic `{name}`, or the user may not see it; `pipectl apply` creates those that are not marked `existing`"),
            )
        })
    }

    /// Waits until a topic is as it should be.
    async fn until(&self, name: &str, what: &str, done: impl Fn(Option<&Seen>) -> bool) -> Result<(), ConnectorError> {
        let until = self.host.now() + i64::try_from(self.options.retry_for.0.as_micros()).unwrap_or(i64::MAX / 4);
        while !done(self.see(name).await?.as_ref()) {
            if self.host.now() > until {
                return Err(ConnectorError::new(
                    ErrorKind::Unavailable,
                    format!("topic `{name}` {what} was requested and accepted, but has not taken effect yet"),
                ));
            }
            self.host.sleep(ASK_AGAIN).await;
        }
        Ok(())
    }

    /// Settings of a topic; none where the user may not look at them.
    async fn settings(&self, name: &str) -> Result<BTreeMap<String, Setting>, ConnectorError> {
        match retry::within(&self.host, self.options.retry_for.0, || async { self.admin()?.settings(name).await }).await
        {
            Err(problem) if problem.kind == ErrorKind::Denied => {
                tracing::debug!(%problem, "continuing without it");
                Ok(BTreeMap::new())
            }
            other => other,
        }
    }

    async fn lags(&self, name: &str, group: &str, partitions: u32) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let what = format!("look up the positions of group `{group}` in topic `{name}`");
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false");
        let client =
            Asking::from_config_and_context(&config, self.watch()).map_err(|problem| error::client(&what, problem))?;
        let (client, timeout) = (Arc::new(client), self.options.request_timeout.0);
        retry::within(&self.host, self.options.retry_for.0, || {
            let (client, topic, what) = (Arc::clone(&client), name.to_owned(), what.clone());
            self.host.blocking(move || {
                serve(&client);
                let committed = client
                    .committed_offsets(list(&topic, 0..partitions), timeout)
                    .map_err(|problem| client.context().explain(what, problem))?;
                Ok(places(&committed))
            })
        })
        .await
    }

    /// What the brokers answer for a place in each partition (see `Lookup::at`, which does it for a subtask).
    pub(crate) async fn places(
        &self,
        name: &str,
        partitions: u32,
        place: rdkafka::Offset,
    ) -> Result<BTreeMap<u32, i64>, ConnectorError> {
        let topic = name.to_owned();
        self.ask(format!("look up positions in topic `{name}`"), move |client, timeout| {
            let mut wanted = list(&topic, 0..partitions);
            wanted.set_all_offsets(place)?;
            let found = client.offsets_for_times(wanted, timeout)?;
            found.elements().iter().try_for_each(rdkafka::topic_partition_list::TopicPartitionListElem::error)?;
            Ok(places(&found))
        })
        .await
    }
}

/// Lets a client say what it has to say: errors, log lines, the wish for a token.
fn serve(client: &Asking) {
    let watch = client.context();
    loop {
        let before = watch.callbacks();
        if client.poll(Duration::ZERO).is_none() && watch.callbacks() == before {
            return;
        }
    }
}

fn list(topic: &str, partitions: std::ops::Range<u32>) -> rdkafka::TopicPartitionList {
    let mut list = rdkafka::TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(topic, partition as i32);
    }
    list
}

fn places(list: &rdkafka::TopicPartitionList) -> BTreeMap<u32, i64> {
    list.elements()
        .iter()
        .filter_map(|element| match element.offset() {
            rdkafka::Offset::Offset(next) if next >= 0 => Some((element.partition() as u32, next)),
            _ => None,
        })
        .collect()
}
