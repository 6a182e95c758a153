//! Schemas, keys, time.

crate::codes::codes! {
    UNKNOWN_FIELD = "PC0401", "unknown-field";
        cause: "A key, an event time or an option names a column that the records do not have.";
        example: "streams:\n  s:\n    key: sensor\n    schema: { sensor_id: string, temperature: float64 }\n";
        fix: "Write a column of the schema; the message names the nearest one.";
    MISSING_SCHEMA = "PC0402", "missing-schema";
        cause: "A query, a key or a format with columns needs the columns of the records, but no schema defines them.";
        example: "sources:\n  lines: { file: { path: in.jsonl }, to: s }\nstreams:\n  s: { key: id }   # which fields are there?\n";
        fix: "Give the stream a `schema`; `pipectl infer FILE` prints one from sample records.";
    SCHEMA_MISMATCH = "PC0403", "schema-mismatch";
        cause: "The records that are written to a stream do not match its declared schema: a column is missing or has another type.";
        example: "streams:\n  out:\n    schema: { total: int64 }\nprocessors:\n  sums: { sql: \"SELECT x AS sum FROM s\", to: out }\n";
        fix: "Make the query produce the declared columns (`AS`, `CAST`), or change the stream's schema.";
    BAD_EVENT_TIME = "PC0404", "bad-event-time";
        cause: "The event time must come from a column of type timestamp, epoch_ms or epoch_s.";
        example: "streams:\n  s:\n    time: { field: name }\n    schema: { name: string, at: timestamp }\n";
        fix: "Name a column that holds a time, or give the column one of those types.";
    ORDER_WITHOUT_KEY = "PC0405", "order-without-key";
        cause: "The stream has `ordering: key` but no key.";
        example: "streams:\n  s: { ordering: key }\n";
        fix: "Give the stream a `key`, or write `ordering: none`.";
    NO_EVENT_TIME = "PC0406", "missing-event-time";
        cause: "A sink uses the event time in a prefix or a name, but its input has no event time. (For a window of a query, see PC0513.)";
        example: "sinks:\n  files: { from: s, object_store: { prefix: \"{event:%Y/%m/%d}/\" } }   # `s` has no `time`\n";
        fix: "Give the stream, source or processor that the sink reads `time: { field: NAME, lateness: 5s }`, or use the arrival time.";
    BAD_KEY = "PC0407", "unsuitable-key";
        cause: "A key must have a type with exact equality: string, int64, bool, bytes, timestamp or date.";
        example: "streams:\n  s:\n    key: temperature\n    schema: { temperature: float64 }\n";
        fix: "Use another column as the key, or cast the column in a query before the stream.";
    WINDOWS_NEVER_CLOSE = "PC0408", "windows-never-close";
        cause: "With `at_end: keep`, windows close only when the watermark passes their end, but there is no watermark before the input ends.";
        example: "streams:\n  s: { time: { field: at } }   # written by a file\nprocessors:\n  daily:\n    sql: SELECT count(*) AS n FROM s GROUP BY tumble(INTERVAL '1 day')\n    at_end: keep\n";
        fix: "Set a `lateness` where the event time is set, as in `time: { field: at, lateness: 1h }`, or remove `at_end`.";
    TIME_BELONGS_TO_STREAM = "PC0409", "time-belongs-to-stream";
        cause: "A source or processor can set `time` only if other nodes read from it by its name. If it writes to a stream, the stream sets the event time, so that it is the same on every backend.";
        example: "sources:\n  r: { tail: { path: app.log }, to: s, time: { field: at } }\nstreams:\n  s: {}\n";
        fix: "Move `time` to the stream, or remove `to` and read from the node by its name.";
}
