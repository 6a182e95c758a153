"""Amazon's client, and its library for aggregated records, which writes some so and takes
apart what it reads."""

import base64
import hashlib
import os
import time

import boto3
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import iter_deaggregate_records
from shared import READ, WRITTEN, read, records

client = boto3.client(
    "kinesis",
    region_name="us-east-1",
    endpoint_url=os.environ["KINESIS_ENDPOINT"],
    aws_access_key_id="outside",
    aws_secret_access_key="outside",
)


def shards(stream):
    return client.list_shards(StreamName=stream)["Shards"]


def shard_of(key, ranges):
    """An aggregated record holds records of one shard only, as those of Amazon's producer library do."""
    place = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
    return next(name for name, start, end in ranges if start <= place <= end)


def put(aggregated):
    if aggregated and aggregated.get_num_user_records():
        key, _, data = aggregated.get_contents()
        client.put_record(StreamName=WRITTEN, PartitionKey=key, Data=data)


ranges = [
    (shard["ShardId"], int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"]))
    for shard in shards(WRITTEN)
]
everything = records()
# Stretches of plain records and of aggregated ones by turns; each stretch is out before the next one begins.
for start in range(0, len(everything), 20):
    stretch = everything[start : start + 20]
    if start // 20 % 2 == 0:
        for record in stretch:
            client.put_record(StreamName=WRITTEN, PartitionKey=record["key"], Data=record["payload"].encode())
        continue
    aggregators = {name: RecordAggregator() for name, _, _ in ranges}
    for record in stretch:
        aggregators[shard_of(record["key"], ranges)].add_user_record(record["key"], record["payload"].encode())
    for aggregator in aggregators.values():
        put(aggregator.clear_and_get())

iterators = {
    (stream, shard["ShardId"]): client.get_shard_iterator(
        StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    for stream in READ
    for shard in shards(stream)
}


def poll():
    time.sleep(0.2)
    for shard, iterator in iterators.items():
        answer = client.get_records(ShardIterator=iterator)
        iterators[shard] = answer["NextShardIterator"]
        for record in iter_deaggregate_records(answer["Records"], data_format="Boto3"):
            parts = record["kinesis"]
            data = base64.b64decode(parts["data"]) if parts.get("aggregated") else parts["data"]
            packed[shard[0]] += bool(parts.get("aggregated"))
            yield shard[0], parts["partitionKey"], None, data


packed = dict.fromkeys(READ, 0)
read(poll)
assert packed["copied"] and not packed["to_outside"], f"records that came packed: {packed}"
