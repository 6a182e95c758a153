//! Names and the graph.

crate::codes::codes! {
    DUPLICATE_NODE = "PC0301", "duplicate-node";
        cause: "Two nodes of a pipeline have the same name. Sources, streams, processors and sinks share one set of names, since a query can name any of them.";
        example: "sources:\n  sensors: { simulate: { model: sensors }, to: sensors }\nstreams:\n  sensors: {}\n";
        fix: "Give one of them another name, and change what refers to it.";
    UNKNOWN_NODE = "PC0302", "unknown-node";
        cause: "A node is named that does not exist in the pipeline.";
        example: "sinks:\n  raw:\n    from: sensor_dat\n    stdout: {}\n";
        fix: "Write the name of a source, stream or processor of the same pipeline; the message names the nearest one.";
    WRONG_ROLE = "PC0303", "wrong-role";
        cause: "A node exists but cannot stand there: `to` takes a stream, `from` takes a source, a stream or a processor.";
        example: "sources:\n  sensors:\n    simulate: { model: sensors }\n    to: raw        # a sink\n";
        fix: "Let a source or processor write `to` a stream, and let the sink read `from` it.";
    CYCLE = "PC0304", "cycle";
        cause: "Nodes feed each other in a circle, so no order exists in which records could pass them.";
        example: "processors:\n  a: { sql: \"SELECT * FROM b\" }\n  b: { sql: \"SELECT * FROM a\" }\n";
        fix: "Let one of the nodes on the path read from a node outside of the circle.";
    NO_SOURCE = "PC0305", "no-source";
        cause: "Nothing brings records in: the pipeline has no source, or none leads to this node.";
        example: "streams:\n  orders: {}\nsinks:\n  files: { from: orders, stdout: {} }\n";
        fix: "Add a source that writes `to` the stream, or remove the node.";
    DANGLING_NODE = "PC0306", "dangling-node";
        cause: "Nobody takes what this source or processor makes, so its work would be lost.";
        example: "sources:\n  sensors: { simulate: { model: sensors } }   # no `to`, and nobody reads from it\n";
        fix: "Add a sink that reads from it, let it write `to` a stream, or remove it.";
    UNREAD_STREAM = "PC0307", "unread-stream";
        cause: "Nobody in the pipeline reads this stream. On a broker that is right if the pipeline writes it, since others can read it there; in memory nobody else can.";
        example: "streams:\n  audit: {}   # written to, never read\n";
        fix: "Add a sink or processor that reads from it, or remove it. If others read it, choose with `--env` the Environment of their broker.";
    SHARED_OUTPUT = "PC0308", "shared-output";
        cause: "Two sinks write to the same place, where each would destroy what the other wrote.";
        example: "sinks:\n  a: { from: s, file: { path: out.jsonl } }\n  b: { from: s, file: { path: out.jsonl } }\n";
        fix: "Give each sink a place of its own.";
    NO_PIPELINE = "PC0309", "no-pipeline";
        cause: "The files hold no document of kind Pipeline.";
        example: "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: aws }\n";
        fix: "Name the file that holds the Pipeline too; `pipectl init` writes one to start from.";
    MEET_AGAIN = "PC0310", "meet-again";
        cause: "A stream is carried by a backend, and what comes before it and what comes after it both write to one memory stream. The two sides run and are checkpointed apart, so memory cannot join them.";
        example: "spec:\n  streams: { orders: {}, all: {} }   # `orders` on Kafka, `all` in memory, written from both sides of `orders`\n";
        fix: "Carry the joining stream by a backend too.";
    OUTPUT_IS_INPUT = "PC0311", "output-is-input";
        cause: "A sink writes a file that a source of the same run reads: the sink would destroy the input, or the source would read the output again and again.";
        example: "sources:\n  logs: { tail: { path: \"logs/*.log\" } }\nsinks:\n  out: { from: logs, file: { path: logs/out.log } }\n";
        fix: "Let the sink write to a place that no source reads, or narrow the source's pattern.";
}
