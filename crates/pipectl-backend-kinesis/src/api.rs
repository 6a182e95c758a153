//! One door to the two services: counts the calls, and tries again what was refused for a moment.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_kinesis::{
    config::Credentials,
    error::{ProvideErrorMetadata, SdkError},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use pipectl_contract::{ConnectContext, ConnectorError, ErrorKind};
use pipectl_host::{Host, Micros, Rng};

use crate::{
    error::{self, CallError},
    limits,
    options::KinesisOptions,
};

/// The first pause before a request is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often each operation was called, retries included.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<&'static str, u64>>, AtomicU64);

impl Calls {
    /// Calls of one operation (`PutRecords`) since the connection was made.
    pub fn of(&self, operation: &str) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(operation).copied().unwrap_or_default()
    }

    /// Calls that were repeats of one that had failed.
    pub fn retries(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, operation: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
    }

    pub(crate) fn count_retry(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

/// The clients, and what all calls share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) kinesis: aws_sdk_kinesis::Client,
    pub(crate) dynamo: aws_sdk_dynamodb::Client,
    pub(crate) host: Host,
    pub(crate) options: KinesisOptions,
    pub(crate) calls: Calls,
    /// When each shard may be read next, over all readers of this connection.
    reads: Mutex<BTreeMap<(String, u32), Micros>>,
    /// When each consumer may subscribe to each shard next.
    subscriptions: Mutex<BTreeMap<(String, u32), Micros>>,
    rng: Mutex<Rng>,
}

impl Api {
    pub(crate) async fn connect(options: KinesisOptions, context: &ConnectContext) -> Result<Self, ConnectorError> {
        let base = load(&options, context).await;
        let Some(region) = base.region() else {
            return Err(ConnectorError::new(
                ErrorKind::Invalid,
                "no AWS region for Kinesis: write `region: eu-central-1` under the backend, or set AWS_REGION",
            ));
        };
        // Where the SDK goes by itself: what its variables and profiles say, or the region's public address.
        let usual = |service: &str| {
            let set = context.host.variable(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()));
            set.or_else(|| base.endpoint_url().map(str::to_owned))
                .unwrap_or_else(|| format!("https://{service}.{region}.amazonaws.com"))
        };
        let records = options.private_endpoint.as_ref().or(options.endpoint.as_ref()).cloned();
        let help =
            "create an interface endpoint and set it as `private_endpoint`, or enable private DNS names in its network";
        context.admit(&records.unwrap_or_else(|| usual("kinesis")), help).await?;
        let leases = options.dynamodb_endpoint.clone().unwrap_or_else(|| usual("dynamodb"));
        context.admit(&leases, "create an interface endpoint for DynamoDB and set it as `dynamodb_endpoint`").await?;
        let kinesis = aws_sdk_kinesis::config::Builder::from(&base);
        let kinesis = match options.private_endpoint.as_ref().or(options.endpoint.as_ref()) {
            Some(endpoint) => kinesis.endpoint_url(endpoint),
            None => kinesis,
        };
        let dynamo = aws_sdk_dynamodb::config::Builder::from(&base);
        let dynamo = match &options.dynamodb_endpoint {
            Some(endpoint) => dynamo.endpoint_url(endpoint),
            None => dynamo,
        };
        Ok(Self {
            kinesis: aws_sdk_kinesis::Client::from_conf(kinesis.build()),
            dynamo: aws_sdk_dynamodb::Client::from_conf(dynamo.build()),
            host: context.host.clone(),
            options,
            calls: Calls::default(),
            reads: Mutex::default(),
            subscriptions: Mutex::default(),
            rng: Mutex::new(context.host.rng("kinesis pauses")),
        })
    }

    /// One call, not repeated.
    pub(crate) async fn once<T, E>(
        &self,
        operation: &'static str,
        what: &str,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.calls.count(operation);
        call.await.map_err(|error| error::map(what, &error))
    }

    /// A call, repeated with growing pauses while it is throttled or does not get through.
    pub(crate) async fn call<T, E, F>(
        &self,
        operation: &'static str,
        what: &str,
        mut call: impl FnMut() -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let until = self.host.now().saturating_add(self.options.retry_for.micros());
        let mut attempt = 0;
        loop {
            let failed = match self.once(operation, what, call()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let pause = self.pause(attempt).max(failed.error.retry_after.unwrap_or_default());
            if !failed.error.is_retryable() || self.host.now() + pause.as_micros() as Micros > until {
                return Err(failed);
            }
            tracing::debug!(operation, attempt, error = %failed.error, "tried again");
            self.host.sleep(pause).await;
            self.calls.count_retry();
            self.host.note_retry();
            attempt += 1;
        }
    }

    /// The pause after this many tries in vain: doubled each time, and somewhere in the upper half of that, so that
    /// those who failed together do not come back together.
    pub(crate) fn pause(&self, attempt: usize) -> Duration {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_factor(2.0)
            .without_max_times()
            .build();
        let pause = pauses.nth(attempt.min(16)).unwrap_or(LONGEST_PAUSE);
        let part = self.rng.lock().unwrap_or_else(PoisonError::into_inner).unit();
        pause.mul_f64(0.5 + part / 2.0)
    }

    /// A hash key anywhere, for a record that has no key.
    pub(crate) fn any_hash(&self) -> u128 {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())
    }

    /// Waits until this shard may be read: five times a second among all our readers.
    pub(crate) async fn read_pace(&self, stream: &str, shard: u32) {
        let at = {
            let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
            let next = reads.entry((stream.to_owned(), shard)).or_insert(Micros::MIN);
            let at = (*next).max(self.host.now());
            *next = at + limits::READ_EVERY.as_micros() as Micros;
            at
        };
        self.host.sleep_until(at).await;
    }

    /// Waits until this consumer may subscribe to this shard.
    pub(crate) async fn subscribe_pace(&self, consumer: &str, shard: u32) {
        let at = {
            let subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
            subscriptions.get(&(consumer.to_owned(), shard)).copied().unwrap_or(Micros::MIN)
        };
        self.host.sleep_until(at).await;
    }

    /// A subscription was made, or may have been made though its answer has not come: another one has to wait.
    pub(crate) fn subscribed(&self, consumer: &str, shard: u32) {
        let next = self.host.now() + limits::SUBSCRIBE_EVERY.as_micros() as Micros;
        let mut subscriptions = self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        subscriptions.insert((consumer.to_owned(), shard), next);
    }
}

async fn load(options: &KinesisOptions, context: &ConnectContext) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout.0)
        .operation_timeout(options.request_timeout.0)
        .build();
    // Repeating is ours, so that its pauses follow the host's clock and its calls are counted.
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).retry_config(RetryConfig::disabled()).timeout_config(timeouts);
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(fixed) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(
            fixed.access_key_id.expose().clone(),
            fixed.secret_access_key.expose().clone(),
            fixed.session_token.as_ref().map(|token| token.expose().clone()),
            None,
            "pipectl",
        ));
    }
    let base = loader.load().await;
    let Some(role) = &options.assume_role else { return base };
    let session = role.session_name.clone().unwrap_or_else(|| context.pipeline.clone());
    let mut provider = aws_config::sts::AssumeRoleProvider::builder(&role.arn).configure(&base).session_name(session);
    if let Some(id) = &role.external_id {
        provider = provider.external_id(id.expose().clone());
    }
    let provider = provider.build().await;
    base.into_builder().credentials_provider(aws_sdk_kinesis::config::SharedCredentialsProvider::new(provider)).build()
}
