//! Apache Kafka itself: one node that is broker and controller (`KRaft`), its jars from Maven Central.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    kafka_quota as quota,
    kafka_secured::{Listener, Secured},
};
use crate::{
    Fault, Kind, Peer, Skip, ask,
    cache::installed,
    fault::or_skip,
    peer::{Launch, LaunchSite, startable},
    proxy::{self, Tcp},
    shell::{run, toolchain},
};

/// 4.4.0 does not resolve: one of its artifacts is missing on Maven Central.
const VERSION: &str = "4.3.1";
/// Kafka brings the interface of its logs and no implementation.
const SLF4J: &str = "1.7.36";
/// Any base64 of sixteen bytes; nodes of one cluster share it, and here every cluster has one node.
const CLUSTER: &str = "cGlwZWN0bC1wZWVycy0wMA";

/// A Kafka broker.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kafka {
    port: u16,
    data: PathBuf,
    secured: Option<Secured>,
}

impl Kind for Kafka {
    const NAME: &'static str = "kafka";
    const KEEPS_DATA: bool = true;
    const USUAL_PORTS: &'static [u16] = &[9092];

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![("KAFKA_BROKERS", endpoint.to_owned())]
    }

    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault> {
        prepare(place, None, None)
    }
}

startable!(Kafka);

impl Kafka {
    /// A broker that also listens with TLS, mutual TLS and SASL: [`Kafka::secured`] says where.
    ///
    /// # Panics
    ///
    /// If it can be had and does not come up.
    pub fn start_secured() -> Result<Peer<Self>, Skip> {
        or_skip(Peer::launch(|place| {
            let secured = Secured::prepare(place, None)?;
            prepare(place, Some(secured), None)
        }))
    }

    /// The same, with the listener for SASL/PLAIN behind a proxy that knows Kafka's requests.
    ///
    /// # Panics
    ///
    /// If it can be had and does not come up.
    pub fn start_secured_behind(proxy: &proxy::Kafka) -> Result<Peer<Self>, Skip> {
        or_skip(Peer::launch(|place| {
            let secured = Secured::prepare(place, Some(proxy))?;
            prepare(place, Some(secured), None)
        }))
    }

    /// A broker that tells clients to come through a proxy: connect to the proxy's endpoint, and every later connection
    /// goes through it as well.
    ///
    /// # Panics
    ///
    /// If it can be had and does not come up.
    pub fn start_behind(proxy: &Tcp) -> Result<Peer<Self>, Skip> {
        or_skip(Peer::launch(|place| {
            let port = place.port()?;
            proxy.lead_to(port);
            prepare(place, None, Some((port, format!("127.0.0.1:{}", proxy.port()))))
        }))
    }

    /// A broker that tells clients to go on to `address` if they come to the port of this machine that is answered.
    ///
    /// # Panics
    ///
    /// If it can be had and does not come up.
    pub fn start_advertising(address: &str) -> Result<(Peer<Self>, u16), Skip> {
        let at = Cell::new(0);
        let peer = or_skip(Peer::launch(|place| {
            let port = place.port()?;
            at.set(port);
            prepare(place, None, Some((port, format!("{address}:{port}"))))
        }))?;
        Ok((peer, at.get()))
    }

    /// Lets every user write at most so many bytes a second from now on, or as many as it likes: the broker makes those
    /// wait who are faster.
    ///
    /// # Panics
    ///
    /// If the broker does not take the order.
    pub fn limit_writes(&self, bytes_per_second: Option<u32>) {
        quota::limit_writes(self.port, bytes_per_second).unwrap_or_else(|why| panic!("a quota for writes: {why}"));
    }

    /// Bytes that the broker keeps of a topic.
    ///
    /// # Panics
    ///
    /// If it has no such topic.
    pub fn stored(&self, topic: &str) -> u64 {
        let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let listed = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let partitions: Vec<_> = listed(self.data.clone())
            .filter(|entry| name(entry).rsplit_once('-').is_some_and(|(of, _)| of == topic))
            .collect();
        assert!(!partitions.is_empty(), "the broker keeps nothing of `{topic}`");
        let files = partitions.iter().flat_map(|partition| listed(partition.path()));
        let logs = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "log"));
        logs.filter_map(|log| log.metadata().ok()).map(|about| about.len()).sum()
    }

    /// The guarded listeners of a broker that was made with [`start_secured`](Self::start_secured).
    ///
    /// # Panics
    ///
    /// If it was not.
    pub fn secured(&self) -> &Secured {
        self.secured.as_ref().expect("a broker that was started with start_secured")
    }
}

/// `proxied` is a port at which the broker says that it is elsewhere, and where.
fn prepare(
    place: &mut LaunchSite,
    secured: Option<Secured>,
    proxied: Option<(u16, String)>,
) -> Result<Launch<Kafka>, Fault> {
    let java = toolchain("java")?;
    let jars = jars()?.join("*");
    let (port, controller) = (place.port()?, place.port()?);
    let settings = place.folder.join("server.properties");
    let text = properties(&place.folder, port, controller, secured.as_ref(), proxied);
    fs::write(&settings, text).map_err(|error| Fault::Broken(format!("{}: {error}", settings.display())))?;
    let start = |class: &str| {
        let mut command = Command::new(&java);
        command.args(["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4", "-cp"]).arg(&jars);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg(class).current_dir(&place.folder);
        command
    };
    let mut format = start("kafka.tools.StorageTool");
    format.args(["format", "--cluster-id", CLUSTER, "--config"]).arg(&settings);
    if secured.is_some() {
        format.args(Secured::users());
    }
    run(&mut format).map_err(|why| Fault::Broken(format!("kafka cannot format its storage: {why}")))?;
    let mut command = start("kafka.Kafka");
    command.arg(&settings);
    Ok(Launch {
        command,
        endpoint: format!("127.0.0.1:{port}"),
        ready: Box::new(move || ask::kafka(port)),
        kind: Kafka { port, data: place.folder.join("data"), secured },
    })
}

/// The settings of a single node that is quick to start and light: few partitions for Kafka's own topics, no copies,
/// no waiting for more members of a group.
fn properties(
    folder: &Path,
    port: u16,
    controller: u16,
    secured: Option<&Secured>,
    proxied: Option<(u16, String)>,
) -> String {
    let mut listeners = vec![("PLAINTEXT", format!("127.0.0.1:{port}"), "PLAINTEXT")];
    let mut advertised = vec![format!("PLAINTEXT://127.0.0.1:{port}")];
    if let Some((port, proxy)) = proxied {
        listeners.push(("PROXIED", format!("127.0.0.1:{port}"), "PLAINTEXT"));
        advertised.push(format!("PROXIED://{proxy}"));
    }
    for listener in secured.into_iter().flat_map(Secured::listeners) {
        let Listener { name, protocol, endpoint, advertised: elsewhere } = listener;
        listeners.push((name, endpoint.to_owned(), protocol));
        advertised.push(format!("{name}://{elsewhere}"));
    }
    listeners.push(("CONTROLLER", format!("127.0.0.1:{controller}"), "PLAINTEXT"));
    let protocols: Vec<_> = listeners.iter().map(|(name, _, protocol)| format!("{name}:{protocol}")).collect();
    let listeners: Vec<_> = listeners.iter().map(|(name, address, _)| format!("{name}://{address}")).collect();
    let (listeners, advertised, protocols) = (listeners.join(","), advertised.join(","), protocols.join(","));
    let more = secured.map(Secured::properties).unwrap_or_default();
    let data = folder.join("data");
    let data = data.display();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols}
log.dirs={data}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.min.heartbeat.interval.ms=100
log.segment.bytes=16777216
log.cleaner.dedupe.buffer.size=4194304
quota.window.num=2
num.network.threads=2
num.io.threads=2
{more}"
    )
}

/// Kafka and all that it needs, as jars in one folder.
fn jars() -> Result<PathBuf, Skip> {
    let maven = toolchain("mvn")?;
    let name = format!("kafka-{VERSION}");
    let folder = installed(&name, |folder| {
        let project = folder.join("pom.xml");
        let dependency = |group: &str, artifact: &str, version: &str| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>"
            )
        };
        let text = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>pipectl</groupId><artifactId>kafka-peer</artifactId><version>1</version><packaging>pom</packaging>\
             <dependencies>{}{}</dependencies></project>",
            dependency("org.apache.kafka", "kafka_2.13", VERSION),
            dependency("org.slf4j", "slf4j-simple", SLF4J),
        );
        fs::write(&project, text).map_err(|error| Skip::new(format!("{}: {error}", project.display())))?;
        let mut command = Command::new(&maven);
        command.args(["--quiet", "--batch-mode", "--file"]).arg(&project);
        command.arg("org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies");
        command.arg(format!("-DoutputDirectory={}", folder.join("jars").display())).arg("-DincludeScope=runtime");
        run(&mut command).map(drop).map_err(|why| Skip::new(format!("mvn cannot fetch Kafka {VERSION}: {why}")))
    })?;
    Ok(folder.join("jars"))
}
