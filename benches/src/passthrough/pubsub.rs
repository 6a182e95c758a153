//! Pub/Sub, and a plain client of Google's SDK: a streaming pull, a batching publisher, and an acknowledgement when the
//! copy is published.

use std::time::Duration;

use google_cloud_auth::credentials::{Credentials, anonymous};
use google_cloud_pubsub::{
    client::{Publisher, Subscriber, SubscriptionAdmin, TopicAdmin},
    model::{Message, Subscription, Topic},
    publisher::PublishFuture,
    subscriber::{MessageStream, handler::Handler},
};
use google_cloud_wkt::Duration as Wire;
use pipectl_peers::{Peer, PubSub, Skip};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{cannot, load, race::Until, wait_for};

const PROJECT: &str = "bench";
/// Where pipectl puts the key if the topic has no order.
const KEY: &str = "pipectl.key";
/// Messages of one request to publish, at most, as with pipectl.
const REQUEST: u32 = 1_000;
/// Bytes of one such request, at most, as with pipectl.
const REQUEST_BYTES: u32 = 8_000_000;
/// How many messages may be read and not yet acknowledged, as with pipectl.
const OUTSTANDING: i64 = 10_000;
/// How long a topic keeps its messages for subscriptions that come later.
const KEPT: Duration = Duration::from_hours(1);
/// How often the onlooker asks whether there is still something to wait for.
const LOOK: Duration = Duration::from_millis(200);

pub(super) struct Lab {
    _server: Peer<PubSub>,
    endpoint: String,
}

impl Lab {
    /// Starts a server of its own.
    pub(super) fn open() -> Result<Self, Skip> {
        let server = PubSub::start()?;
        if !server.is_emulator {
            return Err(Skip::new("there is no Pub/Sub emulator, and the fake in its place cannot make topics"));
        }
        let endpoint = format!("http://{}", server.endpoint());
        Ok(Self { _server: server, endpoint })
    }

    async fn publisher(&self, topic: &str) -> Result<Publisher, String> {
        let builder = Publisher::builder(path("topics", topic)).with_endpoint(&self.endpoint);
        let builder = builder.with_credentials(nobody()).set_message_count_threshold(REQUEST);
        builder.set_byte_threshold(REQUEST_BYTES).build().await.map_err(cannot("open a publisher"))
    }

    /// Reads a topic from its first message on: with the emulator a new subscription begins there. A stream that has a key
    /// is read in order, as pipectl reads it.
    async fn reader(&self, topic: &str, subscription: &str, ordered: bool) -> Result<MessageStream, String> {
        let admin = SubscriptionAdmin::builder().with_endpoint(&self.endpoint).with_credentials(nobody());
        let admin = admin.build().await.map_err(cannot("open a client"))?;
        let name = path("subscriptions", subscription);
        let wanted = Subscription::new().set_name(&name).set_topic(path("topics", topic));
        let wanted = wanted.set_enable_message_ordering(ordered);
        let made = admin.create_subscription().with_request(wanted).send().await;
        made.map_err(cannot("make a subscription"))?;
        let reader = Subscriber::builder().with_endpoint(&self.endpoint).with_credentials(nobody());
        let reader = reader.build().await.map_err(cannot("open a subscriber"))?;
        Ok(reader.subscribe(name).set_max_outstanding_messages(OUTSTANDING).build())
    }
}

impl super::Lab for Lab {
    fn peer(&self) -> &'static str {
        "Google's Pub/Sub emulator"
    }

    fn backend(&self) -> Value {
        json!({ "project": PROJECT, "endpoint": self.endpoint })
    }

    fn make(&self, stream: &str) -> Result<(), String> {
        wait_for(async {
            let admin = TopicAdmin::builder().with_endpoint(&self.endpoint).with_credentials(nobody());
            let admin = admin.build().await.map_err(cannot("open a client"))?;
            let topic = Topic::new()
                .set_name(path("topics", stream))
                .set_message_retention_duration(Wire::clamp(KEPT.as_secs() as i64, 0));
            admin.create_topic().with_request(topic).send().await.map(drop).map_err(cannot("make a topic"))
        })
    }

    fn fill(&self, stream: &str, records: u64) -> Result<(), String> {
        wait_for(async {
            let publisher = self.publisher(stream).await?;
            let mut sent = Vec::new();
            for id in 0..records {
                let (key, payload) = load::record(id);
                sent.push(publisher.publish(Message::new().set_ordering_key(key).set_data(payload)));
            }
            publisher.flush().await;
            for answer in sent {
                answer.await.map_err(cannot("publish"))?;
            }
            Ok(())
        })
    }

    fn copy(&self, from: &str, to: &str, records: u64, _until: &Until) -> Result<(), String> {
        wait_for(async {
            let publisher = self.publisher(to).await?;
            let mut reader = self.reader(from, to, true).await?;
            let leaving = reader.shutdown_token();
            let (sent, published) = mpsc::unbounded_channel();
            let read = async {
                for _ in 0..records {
                    let (message, handler) = next(&mut reader).await?;
                    let copy = Message::new().set_data(message.data).set_attributes([(KEY, message.ordering_key)]);
                    sent.send((publisher.publish(copy), handler)).map_err(cannot("pass a message on"))?;
                }
                drop(sent);
                Ok(())
            };
            futures::try_join!(read, acknowledge(published))?;
            leaving.shutdown().await;
            Ok(())
        })
    }

    /// Reads along and takes the service's own times of publishing, so that how fast it reads does not count.
    fn look(&self, stream: &str, records: u64, until: &Until) -> Result<f64, String> {
        wait_for(async {
            let mut reader = self.reader(stream, &format!("onlooker-{stream}"), false).await?;
            let (mut seen, mut first, mut last) = (0, f64::INFINITY, 0.0_f64);
            while seen < records {
                let (message, handler) = {
                    let next = next(&mut reader);
                    tokio::pin!(next);
                    loop {
                        tokio::select! {
                            next = &mut next => break next?,
                            () = tokio::time::sleep(LOOK) => until.check_seen(seen, records)?,
                        }
                    }
                };
                handler.ack();
                seen += 1;
                let at = message.publish_time.map_or(f64::NAN, |at| at.seconds() as f64 + f64::from(at.nanos()) / 1e9);
                (first, last) = (first.min(at), last.max(at));
            }
            reader.shutdown_token().shutdown().await;
            if last > first { Ok(seen as f64 / (last - first)) } else { Err("all records came at once".to_owned()) }
        })
    }
}

fn path(collection: &str, name: &str) -> String {
    format!("projects/{PROJECT}/{collection}/{name}")
}

fn nobody() -> Credentials {
    anonymous::Builder::new().build()
}

async fn next(reader: &mut MessageStream) -> Result<(Message, Handler), String> {
    reader.next().await.ok_or("the subscription has ended")?.map_err(cannot("read"))
}

/// Settles messages in the order in which they were read.
async fn acknowledge(mut published: mpsc::UnboundedReceiver<(PublishFuture, Handler)>) -> Result<(), String> {
    while let Some((answer, handler)) = published.recv().await {
        answer.await.map_err(cannot("publish"))?;
        handler.ack();
    }
    Ok(())
}
