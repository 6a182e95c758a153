//! `network: private`: neither the brokers that are named nor those that they send clients on to may have public addresses.

use std::time::Duration;

use pipectl_contract::{ConnectContext, ConnectorError};
use rdkafka::{ClientConfig, config::FromClientConfigAndContext as _};

use super::{Asking, serve};
use crate::{error, options::KafkaOptions, watch::Watch};

/// How often the client reports which brokers it knows.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);
/// What to do about brokers with public addresses.
const HELP: &str = "set the private listener of the brokers in `brokers`; it must advertise private addresses too";

/// Refuses public addresses where the Environment asks for a private network.
///
/// What brokers advertise is asked of a client of its own, by its statistics: a request for metadata may go to an advertised
/// address already, and never come back. That client stays only until it knows.
pub(super) async fn admit(
    context: &ConnectContext,
    options: &KafkaOptions,
    config: &ClientConfig,
    watch: Watch,
) -> Result<(), ConnectorError> {
    if !context.private {
        return Ok(());
    }
    for broker in &options.brokers {
        context.admit(broker, HELP).await?;
    }
    let mut config = config.clone();
    config.set("statistics.interval.ms", REPORT_INTERVAL.as_millis().to_string());
    let client = Asking::from_config_and_context(&config, watch.clone())
        .map_err(|problem| error::client("connect to Kafka", problem))?;
    let micros = i64::try_from(options.request_timeout.0.as_micros()).unwrap_or(i64::MAX);
    let until = context.host.now().saturating_add(micros);
    loop {
        serve(&client);
        let advertised = watch.advertised();
        for broker in &advertised {
            context.admit(broker, HELP).await?;
        }
        // That nobody answers is reported better by whoever asks next.
        if !advertised.is_empty() || context.host.now() >= until {
            return Ok(());
        }
        context.host.sleep(REPORT_INTERVAL).await;
    }
}
