//! From options to the client library's settings, and which of those are ours alone.

use pipectl_contract::ConnectorError;
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use crate::{
    error, oidc,
    options::{KafkaOptions, Login, Sasl, Tls},
};

/// Settings that carry pipectl's guarantees, its memory budget or what has an option of its own.
const OURS: &[&str] = &[
    "acks",
    "auto.offset.reset",
    "bootstrap.servers",
    "compression.codec",
    "compression.type",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "group.id",
    // One name for all subtasks of all workers would make them throw each other out.
    "group.instance.id",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "receive.message.max.bytes",
    "request.required.acks",
    "retries",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// The client loads what it names as soon as it is set, which a check must not do.
const PLUGINS: &str = "plugin.library.paths";

/// What is wrong with the options, in lines; empty if nothing is.
pub(crate) fn faults(options: &KafkaOptions) -> Vec<String> {
    let mut faults = Vec::new();
    if options.brokers.is_empty() {
        faults.push("`brokers` is empty: name at least one as host:port".to_owned());
    }
    for broker in &options.brokers {
        if !is_address(broker) {
            faults.push(format!("`{broker}` in `brokers` is no address: write host:port"));
        }
    }
    for name in options.settings.keys() {
        if name == PLUGINS {
            faults.push(format!("the setting `{PLUGINS}` loads external code into pipectl: remove it from `settings`"));
        } else if is_ours(name) {
            faults.push(format!("the setting `{name}` is set by pipectl: remove it from `settings`"));
        }
    }
    if let Some(tls) = &options.tls
        && tls.certificate.is_some() != tls.key.is_some()
    {
        faults.push("`tls.certificate` and `tls.key` belong together: set both or none".to_owned());
    }
    if let Some(Sasl::Oidc(oidc)) = &options.sasl
        && !oidc.token_url.starts_with("https://")
        && !(oidc.token_url.starts_with("http://") && oidc::is_local(&oidc.token_url))
    {
        faults.push("`sasl.oidc.token_url` must begin with `https://`: the client's secret is sent there".to_owned());
    }
    if let Some(Sasl::Plain(_) | Sasl::AwsMskIam(_) | Sasl::Oidc(_)) = &options.sasl
        && options.tls.is_none()
        && !options.brokers.iter().all(|broker| is_local(broker))
    {
        faults.push("`sasl` sends a secret over an unencrypted connection: add `tls: {}`".to_owned());
    }
    if faults.is_empty()
        && let Err(problem) = common(options, "pipectl").create_native_config()
    {
        faults.push(error::client("use `settings`", problem).message);
    }
    faults
}

fn is_ours(name: &str) -> bool {
    OURS.contains(&name) || name.ends_with("_cb") || name == "opaque" || name == "log.queue"
}

/// `host:port`, the host perhaps an IPv6 address in brackets.
fn is_address(broker: &str) -> bool {
    broker
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}

fn is_local(broker: &str) -> bool {
    let host = broker.rsplit_once(':').map_or(broker, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// What all clients of a connection have in common.
pub(crate) fn common(options: &KafkaOptions, client_id: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    config
        .set("bootstrap.servers", options.brokers.join(","))
        .set("client.id", client_id)
        .set("socket.timeout.ms", millis(options.request_timeout.0.max(std::time::Duration::from_secs(1))))
        // A broker that restarts is back within seconds; the library's own bound of 10 s would be the larger part.
        .set("reconnect.backoff.max.ms", "2000")
        // Small requests must not wait for more (Nagle).
        .set("socket.nagle.disable", "true")
        .set_log_level(RDKafkaLogLevel::Info);
    let protocol = match (options.tls.is_some(), options.sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &options.tls {
        encrypt(&mut config, tls);
    }
    if let Some(sasl) = &options.sasl {
        authenticate(&mut config, sasl);
    }
    for (name, value) in &options.settings {
        config.set(name, value);
    }
    config
}

fn encrypt(config: &mut ClientConfig, tls: &Tls) {
    let mut either = |text: &str, file: &str, pem: &str| {
        config.set(if text.trim_start().starts_with("-----BEGIN") { pem } else { file }, text);
    };
    if let Some(ca) = &tls.ca {
        either(ca, "ssl.ca.location", "ssl.ca.pem");
    }
    if let Some(certificate) = &tls.certificate {
        either(certificate, "ssl.certificate.location", "ssl.certificate.pem");
    }
    if let Some(key) = &tls.key {
        either(key.expose(), "ssl.key.location", "ssl.key.pem");
    }
    if let Some(password) = &tls.key_password {
        config.set("ssl.key.password", password.expose());
    }
    let verify = tls.verify_hostname.unwrap_or(true);
    config.set("ssl.endpoint.identification.algorithm", if verify { "https" } else { "none" });
}

fn authenticate(config: &mut ClientConfig, sasl: &Sasl) {
    let mut login = |mechanism: &str, login: &Login| {
        config.set("sasl.mechanism", mechanism);
        config.set("sasl.username", &login.username).set("sasl.password", login.password.expose());
    };
    match sasl {
        Sasl::Plain(user) => login("PLAIN", user),
        Sasl::ScramSha256(user) => login("SCRAM-SHA-256", user),
        Sasl::ScramSha512(user) => login("SCRAM-SHA-512", user),
        // The tokens are ours to make: see crate::token.
        Sasl::AwsMskIam(_) | Sasl::Oidc(_) => {
            config.set("sasl.mechanism", "OAUTHBEARER");
        }
    }
}

/// A setting of `settings`, if it is given.
pub(crate) fn given<'a>(options: &'a KafkaOptions, name: &str) -> Option<&'a str> {
    options.settings.get(name).map(String::as_str)
}

/// Sets what the options have not set.
pub(crate) fn default(config: &mut ClientConfig, options: &KafkaOptions, name: &str, value: impl Into<String>) {
    if given(options, name).is_none() {
        config.set(name, value);
    }
}

/// The faults as one error.
pub(crate) fn refuse(options: &KafkaOptions) -> Result<(), ConnectorError> {
    match faults(options).into_iter().next() {
        None => Ok(()),
        Some(fault) => Err(ConnectorError::new(
            pipectl_contract::ErrorKind::Invalid,
            format!("the options of the Kafka backend are not right: {fault}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(options: serde_json::Value) -> String {
        faults(&serde_json::from_value(options).unwrap()).join("\n")
    }

    #[test]
    fn faults_are_found_without_a_broker() {
        use serde_json::json;
        assert_eq!(reported(json!({})), "");
        assert_eq!(reported(json!({ "settings": { "socket.keepalive.enable": "true" } })), "");
        assert!(reported(json!({ "brokers": [] })).contains("is empty"));
        assert!(reported(json!({ "brokers": ["http://x:9092", "x", "[::1]:9092"] })).lines().count() == 2);
        for name in ["enable.idempotence", "group.id", "sasl.password", "dr_cb"] {
            let reported = reported(json!({ "settings": { name: "canary" } }));
            assert!(reported.contains(name) && !reported.contains("canary"), "{reported}");
        }
        assert!(reported(json!({ "settings": { "no.such.setting": "1" } })).contains("no.such.setting"));
        assert!(reported(json!({ "tls": { "certificate": "c.pem" } })).contains("belong together"));
        let login = json!({ "plain": { "username": "u", "password": "canary" } });
        let open = reported(json!({ "brokers": ["broker.example.com:9092"], "sasl": login }));
        assert!(open.contains("add `tls: {}`") && !open.contains("canary"), "{open}");
        assert_eq!(reported(json!({ "brokers": ["localhost:9092"], "sasl": login })), "");
        for (url, good) in [("https://id.example.com/t", true), ("http://localhost:1/t", true), ("http://a.b/t", false)]
        {
            let oidc = json!({ "oidc": { "token_url": url, "client_id": "c", "client_secret": "canary" } });
            let reported = reported(json!({ "brokers": ["localhost:9092"], "sasl": oidc }));
            assert_eq!(reported.is_empty(), good, "{reported}");
            assert!(!reported.contains("canary"), "{reported}");
        }
    }
}
