//! The suite that every backend must pass, against the emulator.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use async_trait::async_trait;
use pipectl_backend_pubsub::{PubSub, PubSubOptions};
use pipectl_conformance::{Budget, Harness, Lever, prove};
use pipectl_contract::{Backend as _, Capabilities, ConnectContext, Connection, ConnectorError};
use pipectl_data::{Secret, units};
use pipectl_host::Host;
use pipectl_peers::proxy::{Grpc, Spoil, Tcp, code};

use crate::emulator::Way;

const CANARY: &str = "canary-of-the-pubsub-credentials";

struct Emulator {
    host: Host,
    /// The emulator forgets everything when it is restarted, so what a client sees of a restart is shown by this: all
    /// connections break, and for a while nobody answers.
    proxy: Arc<Tcp>,
    /// Behind the other: here calls are refused, or done and answered as failed.
    calls: Grpc,
    /// How often the fault of now has struck.
    struck: Mutex<Arc<AtomicU64>>,
}

impl Emulator {
    fn publish(&self, fault: Option<(Spoil, u32)>) -> Lever {
        let mut struck = self.struck.lock().unwrap();
        if let Some((spoil, code)) = fault {
            *struck = self.calls.on("Publish", spoil, code);
        } else {
            self.calls.pass();
            assert!(struck.load(Ordering::Relaxed) > 0, "no call was spoiled");
        }
        Lever::Done
    }

    fn options(&self) -> PubSubOptions {
        PubSubOptions {
            project: Some("pipectl-conformance".into()),
            endpoint: Some(format!("http://{}", self.proxy.endpoint())),
            credentials: Some(Secret::new(format!(r#"{{"type":"service_account","private_key":"{CANARY}"}}"#))),
            quiet: units::Duration::from_secs(1),
            ..PubSubOptions::default()
        }
    }

    fn context(&self) -> ConnectContext {
        ConnectContext::new(self.host.clone(), "conformance", "local")
    }
}

#[async_trait]
impl Harness for Emulator {
    fn backend(&self) -> &'static str {
        PubSub::KIND
    }

    fn peer(&self) -> String {
        "Google's Pub/Sub emulator".into()
    }

    fn capabilities(&self) -> Capabilities {
        PubSub.capabilities(&self.options())
    }

    async fn connect(&self) -> Result<Arc<dyn Connection>, ConnectorError> {
        PubSub.connect(self.options(), self.context()).await
    }

    fn budget(&self) -> Budget {
        Budget { records: 600, quiet: Duration::from_secs(3), ..Budget::default() }
    }

    fn secrets(&self) -> Vec<String> {
        vec![CANARY.into()]
    }

    async fn connect_denied(&self) -> Option<ConnectorError> {
        let options = PubSubOptions { endpoint: None, ..self.options() };
        match PubSub.connect(options, self.context()).await {
            Ok(connection) => connection.list().await.err(),
            Err(error) => Some(error),
        }
    }

    async fn throttle(&self, on: bool) -> Lever {
        self.publish(on.then_some((Spoil::Before(2), code::RESOURCE_EXHAUSTED)))
    }

    async fn lose_writes(&self, on: bool) -> Lever {
        self.publish(on.then_some((Spoil::After(3), code::UNAVAILABLE)))
    }

    async fn fail_some_records(&self, _on: bool) -> Lever {
        Lever::unheard("the service accepts or rejects a request as a whole")
    }

    async fn restart_peer(&self) -> Lever {
        self.proxy.refuse();
        let (host, proxy) = (self.host.clone(), Arc::clone(&self.proxy));
        self.host.spawn(async move {
            host.sleep(Duration::from_secs(2)).await;
            proxy.pass();
        });
        Lever::Done
    }
}

/// A way to the emulator on which it notices that a connection broke, as a service does.
fn noticed(server: &str) -> String {
    let (found, endpoint) = mpsc::channel();
    let server = server.to_owned();
    std::thread::spawn(move || {
        pipectl_host::run(Some(1), async {
            let way = Way::open(&Host::real(), &server).await.unwrap();
            found.send(way.endpoint.clone()).unwrap();
            std::future::pending::<()>().await;
        })
    });
    endpoint.recv().unwrap()
}

#[test]
fn passes_the_suite() {
    let server = pipectl_peers::need!(pipectl_peers::PubSub::shared());
    if !server.is_emulator {
        eprintln!("skipped: Google's fake for tests (pstest) cannot be administered: it speaks no REST");
        return;
    }
    let calls = pipectl_peers::need!(Grpc::start(&noticed(server.endpoint())));
    let proxy = Arc::new(pipectl_peers::need!(Tcp::start(&calls.endpoint())));
    prove(Arc::new(Emulator { host: Host::real(), proxy, calls, struck: Mutex::default() }));
}
