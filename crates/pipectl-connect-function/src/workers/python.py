# Runs a user's function for pipectl: reads calls from the pipe that was standard input, answers on the one that was
# standard output. Each message is a length (4 bytes, little endian), one letter, and that many bytes. Python 3.8 and later.
import base64
import copy
import datetime
import decimal
import importlib.util
import inspect
import io
import json
import os
import signal
import struct
import sys
import threading
import time
import traceback
import types
import uuid

UTC = datetime.timezone.utc
# Answers are sent when a record has taken longer than this since the last time, in seconds: the runtime then knows which
# record is slow, and fast ones share a write.
PATIENCE = 0.05
# Bytes of answers that are sent together.
ENOUGH = 1 << 18


class Pipes:
    """The way to the runtime, out of the way of what the function prints and reads."""

    def __init__(self):
        self.source = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
        self.target = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # What the function prints is a log.
        os.dup2(2, 1)
        sys.stdout = io.TextIOWrapper(os.fdopen(os.dup(1), "wb", buffering=0), errors="replace", line_buffering=True)
        self.waiting = []
        self.size = 0
        self.process = os.getpid()

    def read(self):
        """The next message; nothing when the runtime has gone."""
        head = self.source.read(5)
        if len(head) < 5:
            return None
        size, letter = struct.unpack("<IB", head)
        body = self.source.read(size)
        return (chr(letter), body) if len(body) == size else None

    def put(self, letter, *parts):
        size = sum(map(len, parts))
        self.waiting.append(struct.pack("<IB", size, ord(letter)))
        self.waiting.extend(parts)
        self.size += size + 5

    def flush(self):
        data = memoryview(b"".join(self.waiting))
        self.waiting, self.size = [], 0
        while data:
            data = data[os.write(self.target, data):]


def stay_with_the_runtime():
    """Ends when the runtime is gone, also where the function hangs."""
    parent = os.getppid()

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        # With the processes that the function has started: the worker leads a group of its own.
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


# --- values

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


# Whether numbers with a fraction are read as they are written.
EXACT = False


def instant_of_old_pythons(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


# Since 3.11 it knows the letter for UTC.
instant = datetime.datetime.fromisoformat if sys.version_info >= (3, 11) else instant_of_old_pythons


def reader(kind):
    """What makes the value of a column from JSON; nothing where JSON's own is right."""
    word = kind["type"]
    if word == "timestamp":
        return instant
    if word == "date":
        return datetime.date.fromisoformat
    if word == "bytes":
        return base64.b64decode
    if word == "decimal":
        return exact
    if word == "float64":
        return float if EXACT else None
    if word == "list":
        inner = reader(kind["of"])
        return inner and (lambda values: [None if value is None else inner(value) for value in values])
    if word == "struct":
        inner = readers(kind["fields"])
        return inner and (lambda value: read_fields(value, inner))
    return None


def readers(columns):
    found = [(column["name"], reader(column)) for column in columns]
    return [(name, make) for name, make in found if make]


def read_fields(record, made):
    for name, make in made:
        value = record[name]
        if value is not None:
            record[name] = make(value)
    return record


def other(value):
    """A value that JSON lacks, as the runtime reads it."""
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise TypeError(f"the time {value} has no time zone; make it with datetime.timezone.utc")
        value = value.astimezone(UTC)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    for method in ("to_pydatetime", "tolist", "item"):
        # Times of pandas, arrays and numbers of numpy.
        convert = getattr(value, method, None)
        if callable(convert):
            return convert()
    raise TypeError(f"a value of type {type(value).__name__} cannot be passed on")


STATE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=other)


class Written(float):
    """A number with a fraction that knows how it was written, for columns of exact numbers."""

    __slots__ = ("text",)

    def __new__(cls, text):
        made = super().__new__(cls, text)
        made.text = text
        return made


def exact(value):
    return decimal.Decimal(value.text if isinstance(value, Written) else value)


load = json.loads
load_exact = json.JSONDecoder(parse_float=Written).decode


def has_decimals(columns):
    def is_exact(kind):
        inner = [kind["of"]] if "of" in kind else kind.get("fields", [])
        return kind["type"] == "decimal" or any(map(is_exact, inner))

    return any(map(is_exact, columns))


def fast_encoder():
    """The encoder beneath `json.dumps`, made once: to make it takes as long as to encode a record."""
    try:
        basic = json.encoder.c_make_encoder(None, other, json.encoder.encode_basestring, None, ":", ",", False, False, False)
        return (lambda value: "".join(basic(value, 0))) if basic({"a": 1}, 0) else ENCODER.encode
    except Exception:  # Not part of the documented interface, so it may be another one.
        return ENCODER.encode


encode = fast_encoder()


def dump(value):
    return encode(value).encode()


def name_of(value):
    return type(value).__name__


# --- the function


def time_of(micros):
    """A time as Python has it; nothing where it has none, before year 1."""
    try:
        return None if micros is None else EPOCH + datetime.timedelta(microseconds=micros)
    except OverflowError:
        return None


class Context:
    """What a function may ask for as its second argument."""

    def __init__(self):
        #: What the function keeps for the key of this record; a dict that is saved in checkpoints.
        self.state = None
        #: The values of the node's `key` in this record.
        self.key = ()
        #: No record older than this is expected any more; None while nothing is known.
        self.watermark = None


HERE = name_of.__code__.co_filename


class Misuse(Exception):
    """The function returned what it must not."""


class Function:
    def __init__(self, hello):
        self.hello = hello
        path, name = hello["file"], hello["handler"]
        # As if the file had been started.
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        self.call = getattr(module, name, None)
        if not callable(self.call):
            known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")
                     and getattr(value, "__module__", None) == spec.name]
            raise Misuse(f"{os.path.basename(path)} has no function `{name}`"
                         + (f"; it has {', '.join(f'`{one}`' for one in known)}" if known else ""))
        if inspect.iscoroutinefunction(self.call):
            raise Misuse(f"`{name}` is an async function, which is not supported: write `def {name}`, and `asyncio.run` inside")
        self.takes_context = self.wants_context(self.call)
        global EXACT
        EXACT = has_decimals(hello["columns"])
        self.load = (lambda text: load_exact(text.decode())) if EXACT else load
        self.columns = readers(hello["columns"])
        self.mutable = [column["name"] for column in hello["columns"] if column["type"] in ("list", "struct", "json")]
        self.returned = frozenset(column["name"] for column in hello["returns"])
        self.key = hello["key"]
        self.shape = hello["shape"]
        self.is_sink = hello["sink"]
        self.context = Context()

    def records(self, rows):
        """The records of these lines; one that Python cannot hold is the exception."""
        try:
            records = self.load(b"[" + b",".join(rows) + b"]")
            if self.columns:
                for record in records:
                    read_fields(record, self.columns)
            return records
        except Exception:
            return [self.record(row) for row in rows]

    def record(self, row):
        try:
            return read_fields(self.load(row), self.columns)
        except Exception as error:
            return Misuse(f"the record has a value that Python does not take: {error}")

    def before(self, record):
        """What the columns of a record are before the function sees it."""
        given = dict(record)
        for name in self.mutable:
            given[name] = copy.deepcopy(given[name])
        return given

    @staticmethod
    def wants_context(call):
        try:
            kinds = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):
            return False
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        wanted = [kind for kind in kinds if kind.kind in positional]
        return len(wanted) > 1 and (wanted[1].default is inspect.Parameter.empty or wanted[1].name == "context")

    def row(self, result, given):
        """One result as JSON, if it is what the node says that it returns."""
        if not isinstance(result, dict):
            raise Misuse(f"`{self.hello['handler']}` returned a value of type {name_of(result)}; "
                         "it must return a dict, a list of dicts, or None")
        if result.keys() != self.returned:
            slim = {}
            for name, value in result.items():
                if name in self.returned:
                    slim[name] = value
                elif name in given:
                    # A column of the record that comes back as it was.
                    if value is not given[name] and (value != given[name] or type(value) is not type(given[name])):
                        raise Misuse(f"the function changes `{name}`, which `returns` does not name")
                else:
                    raise Misuse(f"the function returned a field {name!r}, which `returns` does not name")
            result = slim
        return dump(result)

    def rows(self, result, given):
        if result is None or self.is_sink:
            return []
        if isinstance(result, (list, tuple, types.GeneratorType)):
            return [self.row(one, given) for one in result]
        return [self.row(result, given)]


def fault(error):
    """What a dead letter says of an exception: only the user's own lines."""
    kind = type(error)
    if isinstance(error, Misuse):
        return said({"error": str(error), "trace": ""})
    lines = error.__traceback__
    while lines is not None and lines.tb_frame.f_code.co_filename == HERE:
        lines = lines.tb_next
    text = "".join(traceback.format_exception(kind, error, lines))
    one = "".join(traceback.format_exception_only(kind, error)).strip().split("\n")[-1]
    return said({"error": one, "trace": text[-8000:] if lines is not None else ""})


def said(value):
    """Text for people, whatever is in it."""
    return encode(value).encode("utf-8", "backslashreplace")


# What a user's code may raise for one record. SystemExit among it: a function that ends the process is restarted, but one
# that calls exit() has said so in good order.
def guarded(pipes, number, call, says=True):
    try:
        outcome = call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: B902
        outcome = None
        if says:
            pipes.put("f", struct.pack("<I", number), fault(error))
    if os.getpid() != pipes.process:
        # A copy of this process, made by the function, that has come back: it has nothing to say here.
        os._exit(0)
    return outcome


# --- AWS Lambda, as its service calls it (docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html and
# docs.aws.amazon.com/firehose/latest/dev/data-transformation.html).

REGION, ACCOUNT = "us-east-1", "000000000000"
# Bytes of one event: the service takes 6 MiB, in base64.
LARGEST_EVENT = 4 << 20


class LambdaContext:
    def __init__(self, hello):
        self.function_name = hello["node"]
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{hello['node']}"
        self.memory_limit_in_mb = str(hello["memory"] >> 20)
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{hello['node']}"
        self.log_stream_name = "pipectl"
        self.identity = None
        self.client_context = None
        self._ends = time.monotonic() + hello["timeout"]

    def get_remaining_time_in_millis(self):
        return max(0, int((self._ends - time.monotonic()) * 1000))


class Kinesis:
    """Records as a stream hands them to a function; it answers at most which of them have failed."""

    def __init__(self, hello):
        self.text = hello["data"] == "text"
        self.source = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{hello['node']}"

    def event(self, rows, places):
        return {"Records": [self.record(*one) for one in zip(rows, places)]}

    def record(self, row, place):
        partition, offset, arrival, key = place
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": key if key is not None else str(partition),
                "sequenceNumber": str(offset),
                "data": row.decode() if self.text else base64.b64encode(row).decode(),
                "approximateArrivalTimestamp": arrival / 1e6,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-{partition:012}:{offset}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/pipectl",
            "awsRegion": REGION,
            "eventSourceARN": self.source,
        }

    def outcomes(self, result, event):
        """An outcome for each record that is done, in order: its rows, or an exception. What follows is called again."""
        done = [[] for _ in event["Records"]]
        failures = result.get("batchItemFailures") if isinstance(result, dict) else None
        if not failures:
            return done
        numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]
        named = [failure.get("itemIdentifier") for failure in failures if isinstance(failure, dict)]
        # As the service has it: everything from the lowest on has failed; all, if one is not known.
        known = len(named) == len(failures) and all(name in numbers for name in named)
        lowest = min(map(numbers.index, named)) if known else 0
        return done[:lowest]


class Firehose:
    """Records as a delivery stream has them transformed."""

    def __init__(self, hello):
        self.stream = f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{hello['node']}"
        self.handler = hello["handler"]

    def event(self, rows, places):
        records = [{
            "recordId": f"{number:020}{partition:06}{offset:020}",
            "approximateArrivalTimestamp": arrival // 1000,
            "data": base64.b64encode(row).decode(),
        } for number, (row, (partition, offset, arrival, _)) in enumerate(zip(rows, places))]
        return {"invocationId": str(uuid.uuid4()), "deliveryStreamArn": self.stream, "region": REGION, "records": records}

    def outcomes(self, result, event):
        records = result.get("records") if isinstance(result, dict) else None
        if not isinstance(records, list):
            raise Misuse(f"`{self.handler}` returned no `records`")
        found = {}
        for record in records:
            name = record.get("recordId")
            if name in found:
                raise Misuse(f"`{self.handler}` returned the recordId {name!r} twice")
            found[name] = record
        wanted = [record["recordId"] for record in event["records"]]
        if len(found) != len(wanted) or any(name not in found for name in wanted):
            raise Misuse(f"`{self.handler}` did not return each recordId once")
        return [self.outcome(found[name]) for name in wanted]

    def outcome(self, record):
        result = record.get("result")
        if result == "Dropped":
            return []
        if result == "ProcessingFailed":
            return Misuse("the function answered ProcessingFailed")
        if result != "Ok":
            return Misuse(f"the function answered the result {result!r}; it must be Ok, Dropped or ProcessingFailed")
        try:
            data = base64.b64decode(record.get("data"), validate=True)
        except (TypeError, ValueError):
            return Misuse("the function answered data that is not base64")
        return [line for line in data.split(b"\n") if line.strip()]


LAMBDA = {"lambda_kinesis": Kinesis, "lambda_firehose": Firehose}
# How often a record that `batchItemFailures` names is called in all.
ATTEMPTS = 3


def parts(first, rows, most):
    """Records in parts that one call can take, as a stack: the first on top."""
    made, start, size = [], 0, 0
    for place, row in enumerate(rows):
        if place > start and (place - start >= most or size + len(row) > LARGEST_EVENT):
            made.append((first + start, rows[start:place]))
            start, size = place, 0
        size += len(row)
    made.append((first + start, rows[start:]))
    return made[::-1]


class Worker:
    def __init__(self, pipes, function):
        self.pipes = pipes
        self.function = function
        self.sent = 0.0
        self.changed = set()
        # The state of each key as JSON.
        self.states = {}

    def commit(self, number):
        """Everything before the record of this number is done."""
        body = {"next": number}
        if self.function.key:
            body["states"] = {key: self.states.get(key, "{}") for key in self.changed}
        self.pipes.put("c", dump(body))
        self.pipes.flush()
        self.changed.clear()
        self.sent = time.monotonic()

    def enter(self, key):
        """Makes the state of this key what the function sees, as it would be after a restart."""
        context = self.function.context
        context.state = load(self.states.get(key, "{}"))

    def leave(self, key):
        """Keeps what the function has made of the state."""
        context = self.function.context
        if not isinstance(context.state, dict):
            raise Misuse(f"`context.state` is a value of type {name_of(context.state)}; it must stay a dict")
        try:
            text = STATE.encode(context.state)
            text.encode()
            again = load(text)
        except (TypeError, ValueError) as error:
            raise Misuse(f"`context.state` holds what JSON cannot: {error}") from None
        if again != context.state:
            raise Misuse("`context.state` would not be the same after a restart: JSON has texts as keys, and lists for tuples")
        self.states[key] = text
        self.changed.add(key)

    def attempt(self, number, key, call):
        """Calls and answers; a call that fails changes no state."""
        def whole():
            made = call()
            if key is not None:
                self.leave(key)
            return made

        made = guarded(self.pipes, number, whole)
        if made is not None:
            self.pipes.put("d", struct.pack("<I", number), b"\n".join(made))

    def records(self, head, rows):
        function, context = self.function, self.function.context
        careful, number, keys = head["careful"], head["first"], head.get("keys")
        for place, record in enumerate(function.records(rows)):
            key = None
            if isinstance(record, Misuse):
                self.pipes.put("f", struct.pack("<I", number), fault(record))
                number += 1
                continue
            given = function.before(record)
            if keys is not None:
                key = keys[place]
                self.enter(key)
                context.key = tuple(given[name] for name in function.key)
            if function.takes_context:
                self.attempt(number, key, lambda: function.rows(function.call(record, context), given))
            else:
                self.attempt(number, key, lambda: function.rows(function.call(record), given))
            number += 1
            if careful or self.pipes.size > ENOUGH or time.monotonic() - self.sent > PATIENCE:
                self.commit(number)
        self.commit(number)

    def batches(self, head, rows):
        """Calls with all records; where that fails with ever fewer, until the ones at fault stand alone."""
        todo = parts(head["first"], rows, 1 if head["careful"] else self.function.hello["batch_size"])
        while todo:
            first, part = todo.pop()
            if not self.part(first, part):
                half = len(part) // 2
                todo += [(first + half, part[half:]), (first, part[:half])]
                continue
            self.commit(first + len(part))

    def part(self, first, rows):
        """Answers whether these records are answered."""
        function = self.function
        records = function.records(rows)
        unread = next((record for record in records if isinstance(record, Misuse)), None)
        if unread is not None:
            if len(rows) == 1:
                self.pipes.put("f", struct.pack("<I", first), fault(unread))
            return len(rows) == 1
        given = [function.before(record) for record in records]

        def whole():
            results = function.call(records, function.context) if function.takes_context else function.call(records)
            if function.is_sink:
                return [[]] * len(rows)
            if not isinstance(results, (list, tuple)) or len(results) != len(rows):
                found = f"{len(results)} results" if isinstance(results, (list, tuple)) else f"a value of type {name_of(results)}"
                raise Misuse(f"`{function.hello['handler']}` returned {found} for {len(rows)} records; "
                             "it must return a list with one for each")
            return [function.rows(*one) for one in zip(results, given)]

        made = guarded(self.pipes, first, whole, len(rows) == 1)
        if made is None:
            return len(rows) == 1
        for place, one in enumerate(made):
            self.pipes.put("d", struct.pack("<I", first + place), b"\n".join(one))
        return True

    def events(self, head, rows):
        """Calls a handler of AWS Lambda."""
        function = self.function
        shape = LAMBDA[function.shape](function.hello)
        most = 1 if head["careful"] else function.hello["batch_size"]
        places, begin, tries = head["places"], head["first"], {}
        todo = parts(begin, rows, most)
        while todo:
            first, part = todo.pop()
            of_part = places[first - begin:first - begin + len(part)]

            def whole():
                event = shape.event(part, of_part)
                # What the function changes of its event is its own.
                return shape.outcomes(function.call(copy.deepcopy(event), LambdaContext(function.hello)), event)

            made = guarded(self.pipes, first, whole, len(part) == 1)
            if made is None and len(part) > 1:
                half = len(part) // 2
                todo += [(first + half, part[half:]), (first, part[:half])]
                continue
            for place, rows_of_one in enumerate(made or []):
                if isinstance(rows_of_one, Misuse):
                    self.pipes.put("f", struct.pack("<I", first + place), fault(rows_of_one))
                else:
                    self.pipes.put("d", struct.pack("<I", first + place), b"\n".join(rows_of_one))
            done = len(part) if made is None else len(made)
            if done < len(part):
                at = first + done
                tries[at] = tries.get(at, 0) + 1
                if tries[at] >= ATTEMPTS:
                    error = Misuse(f"the function named this record in batchItemFailures {ATTEMPTS} times")
                    self.pipes.put("f", struct.pack("<I", at), fault(error))
                    done += 1
                if done < len(part):
                    todo.append((first + done, part[done:]))
            self.commit(first + done)

    def call(self, body):
        lines = body.split(b"\n")
        head = load(lines[0])
        function = self.function
        at = head.get("watermark")
        function.context.watermark = time_of(at)
        self.states = head.get("states", {})
        self.changed = set()
        self.sent = time.monotonic()
        if function.shape in LAMBDA:
            self.events(head, lines[1:-1])
        elif function.shape == "batch":
            self.batches(head, lines[1:-1])
        else:
            self.records(head, lines[1:-1])
        self.pipes.put("e")
        self.pipes.flush()


def main():
    pipes = Pipes()
    stay_with_the_runtime()
    while True:
        message = pipes.read()
        if message is None:
            return
        letter, body = message
        if letter == "h":
            try:
                function = Function(load(body))
                if os.getpid() != pipes.process:
                    os._exit(0)
            except BaseException as error:  # noqa: B902
                pipes.put("x", fault(error))
                pipes.flush()
                return
            worker = Worker(pipes, function)
            version = ".".join(map(str, sys.version_info[:3]))
            pipes.put("r", dump({"version": version}))
            pipes.flush()
        elif letter == "b":
            worker.call(body)


main()
