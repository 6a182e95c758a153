//! A writer fails, and the run says so: no second call hides it, and no interval of the display swallows it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pipectl_contract::{ConnectorError, ErrorKind, Rejection, SinkWriter};
use pipectl_data::Batch;
use pipectl_host::Host;
use pipectl_peers::Kafka;
use pipectl_runtime::{Differing, Job, Limits, OutputPolicy, RunOptions, checkpoint::Store, provision};

use crate::{between::Between, testbed::Testbed};

/// Two regions: one writes the topic, the other reads it.
const SPEC: &str = "apiVersion: pipectl/v1
kind: Pipeline
metadata: { name: fails }
spec:
  checkpoint: { every: 300ms }
  sources:
    sensors:
      simulate: { model: sensors, devices: 10, rate: 100/s, pace: real, seed: 7 }
      to: NAME
  streams:
    NAME:
      key: sensor_id
      schema: { sensor_id: string!, timestamp: timestamp!, temperature: float64, humidity: float64, pressure: float64 }
  sinks:
    kept: { from: NAME, file: { path: kept.jsonl, mode: overwrite } }
---
apiVersion: pipectl/v1
kind: Environment
metadata: { name: kafka }
spec:
  backends: { default: { kafka: { brokers: [BROKERS] } } }
";

/// A writer that fails once, or is slow to say that all is written.
struct Faulty {
    inner: Box<dyn SinkWriter>,
    fails_for_now: bool,
    slow: Duration,
    host: Host,
}

#[async_trait]
impl SinkWriter for Faulty {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        self.inner.write(batch).await
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        if std::mem::take(&mut self.fails_for_now) {
            return Err(ConnectorError::new(ErrorKind::Unavailable, "what was written is not known"));
        }
        self.host.sleep(self.slow).await;
        self.inner.checkpoint().await
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        self.inner.committed().await
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        self.inner.finish().await
    }
}

async fn start(spec: &Path, place: &Testbed, connectors: &Between) -> Job {
    let host = Host::real();
    let (source, compiled) = pipectl::compile_files(&[spec.to_owned()], None, &pipectl::registry());
    assert!(!source.diagnostics.has_errors(), "{:?}", source.diagnostics);
    let plans = pipectl_plan::lower_regions(&compiled[0].dag).expect("regions");
    assert_eq!(plans.len(), 2, "the topic divides them");
    provision(&plans, &connectors.inner, &host, Differing::Tell).await.expect("a topic");
    let folder = place.path("state");
    Job::start(plans, connectors, &host, |plan| {
        Ok(RunOptions {
            store: Some(Store::open(folder.join(plan.region.as_deref().unwrap_or("whole")))?.on(&host)),
            directory: folder.clone(),
            limits: Limits::default(),
            drain: Duration::from_secs(20),
            live: false,
            output: OutputPolicy::default(),
            edits: pipectl_runtime::StateEdits::default(),
        })
    })
    .await
    .expect("a start")
}

fn with_job(name: &str, connectors: &Between, test: impl AsyncFnOnce(Job)) {
    let broker = pipectl_peers::need!(Kafka::shared());
    let place = Testbed::with_kafka(broker.endpoint());
    let spec = SPEC.replace("NAME", name).replace("BROKERS", broker.endpoint());
    let spec = place.write("spec.yaml", &spec);
    pipectl_host::run(Some(2), async {
        let job = start(&spec, &place, connectors).await;
        tokio::time::timeout(Duration::from_mins(1), test(job)).await.expect("an end in time");
    })
    .expect("a run");
}

/// Only some of what a producer took may be written when it fails: a call that is made again and succeeds would hide that.
#[test]
fn a_stream_whose_producer_failed_is_not_written_on() {
    let connectors = Between::new(|name, inner| {
        let fails_for_now = name == "unsure";
        Box::new(Faulty { inner, fails_for_now, slow: Duration::ZERO, host: Host::real() })
    });
    with_job("unsure", &connectors, async |mut job| {
        let error = job.join().await.expect_err("it failed");
        assert!(error.to_string().contains("what was written is not known"), "{error}");
    });
}

/// While one region drains slowly, who shows the run asks again and again.
#[test]
fn the_first_failure_is_reported_however_often_the_end_is_asked_for() {
    let connectors = Between::new(|name, inner| match name {
        "slow" => Box::new(Faulty { inner, fails_for_now: false, slow: Duration::from_secs(2), host: Host::real() }),
        "kept" => Box::new(Broken),
        _ => inner,
    });
    with_job("slow", &connectors, async |mut job| {
        let since = Instant::now();
        let (ended, asked) = loop {
            match tokio::time::timeout(Duration::from_millis(100), job.join()).await {
                Ok(ended) => break (ended, since.elapsed()),
                Err(_) if job.failure().is_some() => {}
                Err(_) => assert!(since.elapsed() < Duration::from_secs(30), "it never fails"),
            }
        };
        assert!(asked > Duration::from_millis(500), "the other region was to take its time");
        let error = ended.expect_err("it failed");
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    });
}

/// A sink that takes nothing.
struct Broken;

#[async_trait]
impl SinkWriter for Broken {
    async fn write(&mut self, _batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        Err(ConnectorError::new(ErrorKind::Invalid, "the disk is gone"))
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
