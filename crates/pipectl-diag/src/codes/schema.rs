//! Schemas, keys, time.

crate::codes::codes! {
    UNKNOWN_FIELD = "PC0401", "unknown-field";
        cause: "A key, an event time or an option names a column that the records do not have.";
        example: "streams:\n  s:\n    key: sensor\n    schema: { sensor_id: string, temperature: float64 }\n";
        fix: "Write a column of the schema; the message names the nearest one.";
    MISSING_SCHEMA = "PC0402", "missing-schema";
        cause: "Columns are needed (a query, a key, a format with columns) but nothing says which columns the records have.";
        example: "sources:\n  lines: { file: { path: in.jsonl }, to: s }\nstreams:\n  s: { key: id }   # which fields are there?\n";
        fix: "Give the stream a `schema`; `pipectl infer FILE` prints one from sample records.";
    SCHEMA_MISMATCH = "PC0403", "schema-mismatch";
        cause: "What is written to a stream differs from the schema that the stream declares: a column is missing or has another type.";
        example: "streams:\n  out:\n    schema: { total: int64 }\nprocessors:\n  sums: { sql: \"SELECT x AS sum FROM s\", to: out }\n";
        fix: "Make the query produce the declared columns (`AS`, `CAST`), or change the stream's schema.";
    BAD_EVENT_TIME = "PC0404", "bad-event-time";
        cause: "The event time must come from a column of type timestamp, epoch_ms or epoch_s.";
        example: "streams:\n  s:\n    time: { field: name }\n    schema: { name: string, at: timestamp }\n";
        fix: "Name a column that holds a time, or give the column one of those types.";
    ORDER_WITHOUT_KEY = "PC0405", "order-without-key";
        cause: "Order by key is asked of a stream that has no key, so there is nothing to keep in order.";
        example: "streams:\n  s: { ordering: key }\n";
        fix: "Give the stream a `key`, or ask for `ordering: none`.";
    NO_EVENT_TIME = "PC0406", "missing-event-time";
        cause: "A sink sorts records by event time, in a prefix or a name, but what it reads from has none. (A window of a query that finds none is PC0513.)";
        example: "sinks:\n  files: { from: s, object_store: { prefix: \"{event:%Y/%m/%d}/\" } }   # `s` has no `time`\n";
        fix: "Give the stream `time: { field: NAME, lateness: 5s }`, or use the arrival time.";
    BAD_KEY = "PC0407", "unsuitable-key";
        cause: "A key must be of a type whose equality is plain: string, int64, bool, bytes, timestamp or date.";
        example: "streams:\n  s:\n    key: temperature\n    schema: { temperature: float64 }\n";
        fix: "Use another column as key, or cast it in a query before the stream.";
    WINDOWS_NEVER_CLOSE = "PC0408", "windows-never-close";
        cause: "With `at_end: keep`, windows close only when the watermark passes their end, but the stream has no watermark before its input ends.";
        example: "streams:\n  s: { time: { field: at } }   # written by a file\nprocessors:\n  daily:\n    sql: SELECT count(*) AS n FROM s GROUP BY tumble(INTERVAL '1 day')\n    at_end: keep\n";
        fix: "Give the stream a lateness, as in `time: { field: at, lateness: 1h }`, or leave `at_end` out.";
}
