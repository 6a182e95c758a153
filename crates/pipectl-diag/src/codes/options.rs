//! Options of sources, processors and sinks.

crate::codes::codes! {
    INVALID_OPTION = "PC0601", "invalid-option";
        cause: "An option has the right type but a value that its source, processor or sink cannot use.";
        example: "sinks:\n  raw:\n    from: sensor_data\n    object_store: { prefix: \"raw/\", format: parquet, compression: bzip2 }\n";
        fix: "Write one of the values that the message names; `pipectl schema` and the editor's hover text list them.";
}
