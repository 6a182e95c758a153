//! Aggregated records against the libraries of others, in both directions.

use std::process::Command;

use aws_sdk_kinesis::primitives::Blob;
use pipectl_contract::{Ownership, StartAt};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, drain, run},
    peers,
};

const PYTHON: &str = r"
import base64, json, sys
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records
task = json.load(sys.stdin)
if task['do'] == 'aggregate':
    maker = RecordAggregator()
    for key, value in task['records']:
        maker.add_user_record(key, value.encode())
    key, hash_key, data = maker.clear_and_get().get_contents()
    print(json.dumps({'key': key, 'data': base64.b64encode(data).decode()}))
else:
    record = {'kinesis': {'data': task['data'], 'partitionKey': task['key'], 'sequenceNumber': '1',
        'kinesisSchemaVersion': '1.0', 'approximateArrivalTimestamp': 0}}
    parts = deaggregate_records(record)
    print(json.dumps([[p['kinesis']['partitionKey'], base64.b64decode(p['kinesis']['data']).decode()] for p in parts]))
";

const NODE: &str = r"
const agg = require('aws-kinesis-agg')
const task = JSON.parse(require('fs').readFileSync(0))
if (task.do === 'aggregate') {
  const records = task.records.map(([key, value]) => ({ partitionKey: key, data: Buffer.from(value) }))
  agg.aggregate(records, (made, done) => {
    console.log(JSON.stringify({ key: made.partitionKey, data: Buffer.from(made.data).toString('base64') })); done()
  }, () => {}, error => { throw error })
} else {
  agg.deaggregateSync({ data: task.data, partitionKey: task.key, sequenceNumber: '1', kinesisSchemaVersion: '1.0' }, true,
    (error, parts) => {
      if (error) throw error
      console.log(JSON.stringify(parts.map(p => [p.partitionKey, Buffer.from(p.data, 'base64').toString()])))
    })
}
";

fn ask(mut command: Command, task: &Value) -> Value {
    use std::{io::Write as _, process::Stdio};
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Both directions through a stream: what they aggregate we read, what we aggregate they take apart.
fn agree(endpoint: &str, dynamo: &str, command: impl Fn() -> Command) {
    let records = [("a", "1"), ("b", "{\"x\": \"ü\"}"), ("a", ""), ("key-3", "4")];
    let made = ask(command(), &json!({ "do": "aggregate", "records": records }));
    run(async {
        let bench = Bench::new(endpoint, dynamo, 1, json!({ "aggregate": true })).await;
        let client = plain_client(endpoint);
        let data =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, made["data"].as_str().unwrap()).unwrap();
        let put = client.put_record().stream_name(&bench.stream.name).partition_key(made["key"].as_str().unwrap());
        put.data(Blob::new(data)).send().await.unwrap();
        let seen = drain(&mut bench.consumer(1, Ownership::Look, StartAt::Earliest).await[0]).await;
        let read: Vec<_> = seen.rows.iter().map(|row| (row.key.as_deref().unwrap(), row.value.as_str())).collect();
        assert_eq!(read, records, "what they have made");

        let ours: Vec<(Option<&str>, &str)> = records.iter().map(|(key, value)| (Some(*key), *value)).collect();
        bench.put(&ours).await;
        let shard = client.get_shard_iterator().stream_name(&bench.stream.name).shard_id("shardId-000000000000");
        let iterator = shard.shard_iterator_type("TRIM_HORIZON".into()).send().await.unwrap().shard_iterator.unwrap();
        let answer = client.get_records().shard_iterator(iterator).send().await.unwrap();
        assert_eq!(answer.records().len(), 2, "four records are one");
        let record = &answer.records()[1];
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, record.data().as_ref());
        let parts = ask(command(), &json!({ "do": "split", "key": record.partition_key(), "data": data }));
        // Keys travel one after the other; what the subtasks keep is the order within each.
        let mut parts: Vec<(String, String)> = serde_json::from_value(parts).unwrap();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            parts,
            [("a", "1"), ("a", ""), ("b", "{\"x\": \"ü\"}"), ("key-3", "4")].map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    });
}

fn plain_client(endpoint: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(aws_sdk_kinesis::config::BehaviorVersion::latest())
        .region(aws_sdk_kinesis::config::Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_kinesis::config::Credentials::new("a", "b", None, None, "test"));
    aws_sdk_kinesis::Client::from_conf(config.build())
}

#[test]
fn the_python_library_agrees() {
    let (kinesis, dynamo) = peers!();
    let python = pipectl_peers::need!(pipectl_peers::python(&["aws-kinesis-agg==1.2.3", "six==1.17.0", "protobuf"]));
    agree(kinesis.endpoint(), dynamo.endpoint(), || {
        let mut command = Command::new(&python);
        command.args(["-c", PYTHON]);
        command
    });
}

#[test]
fn the_node_library_agrees() {
    let (kinesis, dynamo) = peers!();
    let modules = pipectl_peers::need!(node_modules());
    agree(kinesis.endpoint(), dynamo.endpoint(), || {
        let mut command = Command::new("node");
        command.args(["-e", NODE]).env("NODE_PATH", &modules);
        command
    });
}

/// The package from npm, kept in the cache of tools.
fn node_modules() -> Result<std::path::PathBuf, pipectl_peers::Skip> {
    const PACKAGE: &str = "aws-kinesis-agg-4.2.8";
    let _lock = pipectl_peers::lock(PACKAGE)?;
    let folder = pipectl_peers::cache()?.join(PACKAGE);
    let modules = folder.join("node_modules");
    if !modules.join("aws-kinesis-agg/index.js").is_file() {
        eprintln!("installing {PACKAGE} (once)");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts", "--prefix"]);
        let done = npm.arg(&folder).arg("aws-kinesis-agg@4.2.8").status();
        if !done.is_ok_and(|status| status.success()) {
            return Err(pipectl_peers::Skip::new("npm cannot install aws-kinesis-agg 4.2.8"));
        }
    }
    Ok(modules)
}
