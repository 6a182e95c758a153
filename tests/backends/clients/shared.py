"""What the clients share: records come in on standard input, and what is read goes out, a line of JSON each.

A record is `{"key": text, "headers": [[name, value]…], "payload": text}`; a value is text, a list of bytes where it is no
text, or null.
"""

import json
import sys
import time

WRITTEN = "from_outside"
READ = ("to_outside", "copied")


def to_bytes(value):
    """A value as bytes; null stays null."""
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else bytes(value)


def from_bytes(value):
    """Bytes as a value; text stays text."""
    if value is None or isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return list(value)


def records():
    """What is to be written."""
    return [json.loads(line) for line in sys.stdin]


def read(poll):
    """Prints what `poll` gives, as (stream, key, headers, payload), until each stream had as many records as the
    arguments say (`stream=count`), and then a little longer, for what should not be there."""
    left = {name: int(count) for name, count in (argument.split("=") for argument in sys.argv[1:])}
    patience = time.monotonic() + 120
    surplus = None
    while time.monotonic() < (surplus or patience):
        for stream, key, headers, payload in poll():
            left[stream] -= 1
            headers = [[from_bytes(name), from_bytes(value)] for name, value in headers or ()]
            record = {"stream": stream, "key": from_bytes(key), "headers": headers, "payload": from_bytes(payload)}
            print(json.dumps(record))
        if surplus is None and max(left.values()) <= 0:
            surplus = time.monotonic() + 3
    sys.stdout.flush()
