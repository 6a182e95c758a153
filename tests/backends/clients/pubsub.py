"""Google's client: an ordered publisher, and a subscription of our own for each topic that is read."""

import os
import urllib.parse

from google.api_core.exceptions import DeadlineExceeded
from google.cloud import pubsub_v1
from shared import READ, WRITTEN, read, records

# What tells Google's clients to speak without TLS and credentials.
os.environ["PUBSUB_EMULATOR_HOST"] = urllib.parse.urlsplit(os.environ["PUBSUB_ENDPOINT"]).netloc
PROJECT = "local"

subscriber = pubsub_v1.SubscriberClient()
paths = {stream: subscriber.subscription_path(PROJECT, f"outside-{stream}") for stream in READ}
# A subscription gets what is published once it is there.
for stream, path in paths.items():
    topic = subscriber.topic_path(PROJECT, stream)
    subscriber.create_subscription(request={"name": path, "topic": topic, "enable_message_ordering": True})

publisher = pubsub_v1.PublisherClient(publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True))
topic = publisher.topic_path(PROJECT, WRITTEN)
published = [
    publisher.publish(topic, record["payload"].encode(), ordering_key=record["key"], **dict(record["headers"]))
    for record in records()
]
for message in published:
    message.result(timeout=60)


def poll():
    for stream, path in paths.items():
        try:
            answer = subscriber.pull(request={"subscription": path, "max_messages": 500}, timeout=2, retry=None)
        except DeadlineExceeded:
            continue
        for received in answer.received_messages:
            message = received.message
            attributes = dict(message.attributes)
            # Where the stream of the pipeline has no key, the topic has no order, and the key stands here.
            key = attributes.pop("pipectl.key", message.ordering_key)
            yield stream, key, sorted(attributes.items()), message.data
        if answer.received_messages:
            acks = [received.ack_id for received in answer.received_messages]
            subscriber.acknowledge(request={"subscription": path, "ack_ids": acks})


read(poll)
