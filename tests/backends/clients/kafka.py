"""The client of Confluent: librdkafka under Python."""

import os

from confluent_kafka import Consumer, Producer
from shared import READ, WRITTEN, read, records, to_bytes

servers = {"bootstrap.servers": os.environ["KAFKA_BROKERS"]}

producer = Producer({**servers, "enable.idempotence": True})
for record in records():
    headers = [(name, to_bytes(value)) for name, value in record["headers"]]
    producer.produce(WRITTEN, to_bytes(record["payload"]), to_bytes(record["key"]), headers=headers)
assert producer.flush(60) == 0, "not everything was delivered"

consumer = Consumer({**servers, "group.id": "outside", "auto.offset.reset": "earliest"})
consumer.subscribe(list(READ))


def poll():
    for message in consumer.consume(500, 0.5):
        assert not message.error(), message.error()
        yield message.topic(), message.key(), message.headers(), message.value()


read(poll)
consumer.close()
