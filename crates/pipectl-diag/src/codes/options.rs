//! Options of sources, processors and sinks.

crate::codes::codes! {
    INVALID_OPTION = "PC0601", "invalid-option";
        cause: "An option has the right type but a value that its source, processor or sink cannot use.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/\", format: parquet, compression: bzip2 }\n";
        fix: "Write one of the values that the message names; `pipectl schema` and the editor's hover text list them.";
    OPTION_NOT_FOR_THIS = "PC0602", "option-not-for-this";
        cause: "An option exists, but not together with another option's value: it would have no effect.";
        example: "sources:\n  shop:\n    simulate: { model: orders, devices: 10 }\n    to: order_lines\n";
        fix: "Remove the option, or use the one that the message names.";

    PREFIX_PLACEHOLDER = "PC0620", "prefix-placeholder";
        cause: "A prefix holds a placeholder that does not exist, or one that is not complete.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/{arrival}/\" }\n";
        fix: "Write `{arrival:%Y/%m/%d}` for the time at which a record came in, `{event:%Y/%m/%d}` for its event time, `{name}` for the value of a column, or Firehose's `!{timestamp:yyyy/MM/dd}`.";
    PREFIX_BRACES = "PC0621", "prefix-braces";
        cause: "A brace in a prefix opens a placeholder that nothing closes, or closes one that nothing opened.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/{arrival:%Y/\" }\n";
        fix: "Close the placeholder: `{arrival:%Y}`. A brace that belongs to the name is written twice: `{{` or `}}`.";
    PREFIX_TIME_FORMAT = "PC0622", "prefix-time-format";
        cause: "A placeholder's time format holds a directive that does not exist or that no file name can hold.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/{arrival:%Y/%K}/\" }\n";
        fix: "`{…}` takes strftime's directives (`%Y %m %d %H %M %S`); `!{timestamp:…}` takes Java's letters (`yyyy MM dd HH mm ss`).";
    PREFIX_PATH = "PC0623", "prefix-path";
        cause: "A prefix, a file name or a path of an object store holds something that no object's name can hold in every store: a leading `/`, an empty step, `.` or `..`, a control character, or too many characters.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"../raw/\" }\n";
        fix: "Write a relative prefix of plain steps: `raw/`. Where the files are is said by the binding: `object_store: { directory: { path: … } }` in an Environment.";
    PREFIX_FIELD_TYPE = "PC0624", "prefix-field-type";
        cause: "A placeholder names a column whose type cannot stand in a file name, or gives a time format to a column that is not a time.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/{temperature:%Y}/\" }\n";
        fix: "Only columns of type timestamp or date take a format; bytes and json cannot be part of a prefix.";
    FLUSH_LIMIT = "PC0625", "flush-limit";
        cause: "A limit of `flush` is zero or larger than what is kept in memory.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/\", flush: { every: 0s } }\n";
        fix: "Write `every` of at least 1ms and `size` between 1B and 1GiB, such as `flush: { every: 60s, size: 5MiB }`.";
    TABLE_KEY = "PC0626", "table-key";
        cause: "A table has no key, or one that cannot name its rows. Every row of a table is found by its key, so that a restart writes the same rows again instead of adding them twice.";
        example: "sinks:\n  leaderboard:\n    from: per_minute\n    table: {}\n";
        fix: "Name the columns that tell one row from another: `key: [sensor_id, window_start]`. Without `key`, the key of the stream that comes in is taken, if it has one.";
    TABLE_NAME = "PC0627", "table-name";
        cause: "A name is not usable for a table or a column of the database.";
        example: "sinks:\n  leaderboard:\n    from: per_minute\n    table: { name: sqlite_leaders, key: [sensor_id] }\n";
        fix: "Choose a name that is not empty, does not begin with `sqlite_` or `_pipectl_`, and differs from the others by more than upper and lower case.";
}
