//! What the clients of others have written is there again after a restart, where a kind says that it keeps data.

use std::{path::Path, process::Command};

use pipectl_peers::{AZURITE_ACCOUNT, AZURITE_KEY, Azurite, Kafka, Kind, need, python};

fn said(python: &Path, script: &str, arguments: &[&str]) -> String {
    let output = Command::new(python).args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const PRODUCE: &str = r"
import sys
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
settings = {'bootstrap.servers': sys.argv[1]}
admin = AdminClient(settings)
for future in admin.create_topics([NewTopic('kept', 2)]).values():
    future.result(30)
producer = Producer(settings)
for number in range(100):
    producer.produce('kept', key=str(number), value='x')
print(producer.flush(30))
";

const CONSUME: &str = r"
import sys, time
from confluent_kafka import Consumer
consumer = Consumer({'bootstrap.servers': sys.argv[1], 'group.id': 'g', 'auto.offset.reset': 'earliest'})
consumer.subscribe(['kept'])
keys, end = set(), time.time() + 60
while len(keys) < 100 and time.time() < end:
    message = consumer.poll(0.5)
    if message and not message.error():
        keys.add(message.key())
print(len(keys))
consumer.close()
";

#[test]
fn kafka_keeps_records_over_a_crash() {
    let python = need!(python(&["confluent-kafka==2.12.1"]));
    let kafka = need!(Kafka::start());
    const { assert!(Kafka::KEEPS_DATA) };
    assert_eq!(said(&python, PRODUCE, &[kafka.endpoint()]), "0", "records that were not delivered");
    kafka.kill();
    kafka.resume();
    assert_eq!(said(&python, CONSUME, &[kafka.endpoint()]), "100");
}

const BLOB: &str = r"
import sys
from azure.storage.blob import BlobServiceClient
endpoint, account, key, step = sys.argv[1:]
service = BlobServiceClient(f'{endpoint}/{account}', credential=key)
if step == 'write':
    container = service.create_container('kept')
    container.upload_blob('a/b', b'hello')
print(service.get_blob_client('kept', 'a/b').download_blob().readall().decode())
";

#[test]
fn azurite_keeps_blobs_over_a_restart() {
    let python = need!(python(&["azure-storage-blob==12.27.1"]));
    let azurite = need!(Azurite::start());
    const { assert!(Azurite::KEEPS_DATA) };
    let step = |step| said(&python, BLOB, &[azurite.endpoint(), AZURITE_ACCOUNT, AZURITE_KEY, step]);
    assert_eq!(step("write"), "hello");
    azurite.restart();
    assert_eq!(step("read"), "hello");
}
