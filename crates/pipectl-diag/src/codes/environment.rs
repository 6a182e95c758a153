//! Environments and bindings.

crate::codes::codes! {
    UNKNOWN_ENVIRONMENT = "PC0701", "unknown-environment";
        cause: "The files hold several Environments and none of the given name, or none was chosen.";
        example: "pipectl apply pipeline.yaml --env prod   # no Environment is named prod\n";
        fix: "Name one that exists with `--env NAME`, or give the file that holds it with `--env FILE`.";
    UNKNOWN_BACKEND = "PC0702", "unknown-backend";
        cause: "A stream is pinned to a backend that the Environment does not declare.";
        example: "spec:\n  backends: { default: { memory: {} } }\n  streams: { orders: { backend: east } }\n";
        fix: "Declare the backend under `backends`, or name a declared one.";
    UNUSED_BINDING = "PC0703", "unused-binding";
        cause: "The Environment binds a stream or sink that the pipeline does not have. That is fine when the Environment serves several pipelines; it may also be a slip.";
        example: "streams: { sensr_data: { name: prod.sensors } }\n";
        fix: "Correct the name, or ignore the warning.";
    BINDING_NOT_FOR_BACKEND = "PC0704", "binding-not-for-backend";
        cause: "A stream's binding asks for something that its backend cannot do: a memory stream does not exist before the run and has no other name.";
        example: "spec:\n  backends: { default: { memory: {} } }\n  streams: { orders: { existing: true } }\n";
        fix: "Remove the key, or bind the stream to a backend that has it.";
    SERVICE_NOT_FOR_SINK = "PC0705", "service-not-for-sink";
        cause: "The Environment gives a sink a service that does not offer what the sink needs: a database to a sink of files.";
        example: "spec:\n  sinks: { raw: { sqlite: { path: lake.db } } }   # `raw` is an object_store\n";
        fix: "Name one of the services that the message lists.";
    BACKEND_NOT_BUILT = "PC0706", "backend-not-built";
        cause: "The Environment names a backend that this pipectl was built without. Each is a feature of the build, since the official clients take longer to build than all the rest.";
        example: "spec:\n  backends: { default: { kafka: { brokers: [\"127.0.0.1:9092\"] } } }\n";
        fix: "Build with `--features KIND`, with `--features all-backends`, or take a release, which has all.";
}
