//! Environments and bindings.

crate::codes::codes! {
    UNKNOWN_ENVIRONMENT = "PC0701", "unknown-environment";
        cause: "The files contain several Environments, and `--env` is missing or names none of them.";
        example: "pipectl apply pipeline.yaml --env prod   # no Environment is named prod\n";
        fix: "Choose an existing Environment with `--env NAME`, or its file with `--env FILE`.";
    UNKNOWN_BACKEND = "PC0702", "unknown-backend";
        cause: "A stream names a backend that the Environment does not declare.";
        example: "spec:\n  backends: { default: { memory: {} } }\n  streams: { orders: { backend: east } }\n";
        fix: "Declare the backend under `backends`, or name a declared backend.";
    UNUSED_BINDING = "PC0703", "unused-binding";
        cause: "The Environment binds a stream or sink that the pipeline does not have. This is fine if several pipelines use the Environment; otherwise it may be a typo.";
        example: "streams: { sensr_data: { name: prod.sensors } }\n";
        fix: "Correct the name, or ignore the warning.";
    BINDING_NOT_FOR_BACKEND = "PC0704", "binding-not-for-backend";
        cause: "The binding of a stream has a key that its backend does not support. For example, a memory stream cannot exist before the run and cannot have another name.";
        example: "spec:\n  backends: { default: { memory: {} } }\n  streams: { orders: { existing: true } }\n";
        fix: "Remove the key, or bind the stream to a backend that supports it.";
    SERVICE_NOT_FOR_SINK = "PC0705", "service-not-for-sink";
        cause: "The Environment binds a sink to a service that does not fit it, such as a database for a sink that writes files.";
        example: "spec:\n  sinks: { raw: { sqlite: { path: lake.db } } }   # `raw` is an object_store\n";
        fix: "Use one of the services that the message lists.";
    BACKEND_NOT_BUILT = "PC0706", "backend-not-built";
        cause: "This build of pipectl does not include the backend that the Environment names. Each backend is a Cargo feature, because the official clients take longer to build than everything else.";
        example: "spec:\n  backends: { default: { kafka: { brokers: [\"127.0.0.1:9092\"] } } }\n";
        fix: "Build with `--features KIND` or `--features all-backends`, or use a release, which includes all backends.";
}
