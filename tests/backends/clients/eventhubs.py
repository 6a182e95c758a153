"""Microsoft's client, which speaks without TLS to an emulator alone (`UseDevelopmentEmulator`)."""

import os
import queue
import threading
import urllib.parse
from datetime import datetime

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from shared import READ, WRITTEN, from_bytes, read, records, to_bytes

host = urllib.parse.urlsplit(os.environ["EVENTHUBS_ENDPOINT"]).netloc
connection = (
    f"Endpoint=sb://{host};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;"
    "UseDevelopmentEmulator=true;"
)
TYPES = {"at": datetime.fromisoformat, "count": int, "ratio": float, "urgent": "true".__eq__}


def value(name, given):
    """A property as a program would set it: numbers and truths as such."""
    if name in TYPES:
        return TYPES[name](given)
    return given if isinstance(given, str) else to_bytes(given)


producer = EventHubProducerClient.from_connection_string(connection, eventhub_name=WRITTEN)
everything = records()
with producer:
    # A batch holds events of one key.
    for start in range(0, len(everything), 50):
        batches = {}
        for record in everything[start : start + 50]:
            key = record["key"]
            batch = batches.setdefault(key, None) or producer.create_batch(partition_key=key)
            batches[key] = batch
            event = EventData(to_bytes(record["payload"]))
            event.properties = {name: value(name, given) for name, given in record["headers"]}
            batch.add(event)
        for batch in batches.values():
            producer.send_batch(batch)

arrived = queue.Queue()
consumers = {
    stream: EventHubConsumerClient.from_connection_string(connection, consumer_group="$Default", eventhub_name=stream)
    for stream in READ
}


def receive(stream, consumer):
    def take(_partition, events):
        for event in events:
            properties = sorted((from_bytes(name), given) for name, given in (event.properties or {}).items())
            arrived.put((stream, event.partition_key, properties, b"".join(event.body)))

    consumer.receive_batch(on_event_batch=take, starting_position="-1", max_wait_time=1)


threads = [threading.Thread(target=receive, args=pair, daemon=True) for pair in consumers.items()]
for thread in threads:
    thread.start()


def poll():
    try:
        yield arrived.get(timeout=0.5)
    except queue.Empty:
        return


read(poll)
for consumer in consumers.values():
    consumer.close()
