//! Names and the graph.

crate::codes::codes! {
    DUPLICATE_NODE = "PC0301", "duplicate-node";
        cause: "Two nodes of a pipeline have the same name. Sources, streams, processors and sinks share one namespace, because a query can name any of them.";
        example: "sources:\n  sensors: { simulate: { model: sensors }, to: sensors }\nstreams:\n  sensors: {}\n";
        fix: "Rename one of them and update all references to it.";
    UNKNOWN_NODE = "PC0302", "unknown-node";
        cause: "A key names a node that does not exist in the pipeline.";
        example: "sinks:\n  raw:\n    from: sensor_dat\n    stdout: {}\n";
        fix: "Write the name of a source, stream or processor of the same pipeline; the message names the nearest one.";
    WRONG_ROLE = "PC0303", "wrong-role";
        cause: "The node exists but has the wrong role: `to` takes a stream; `from` takes a source, a stream or a processor.";
        example: "sources:\n  sensors:\n    simulate: { model: sensors }\n    to: raw        # a sink\n";
        fix: "Let the source or processor write `to` a stream, and let the sink read `from` this stream.";
    CYCLE = "PC0304", "cycle";
        cause: "Nodes form a cycle, so records have no order in which to pass through them.";
        example: "processors:\n  a: { sql: \"SELECT * FROM b\" }\n  b: { sql: \"SELECT * FROM a\" }\n";
        fix: "Let one of the nodes read from a node outside the cycle.";
    NO_SOURCE = "PC0305", "no-source";
        cause: "No records arrive: the pipeline has no source, or no source leads to this node.";
        example: "streams:\n  orders: {}\nsinks:\n  files: { from: orders, stdout: {} }\n";
        fix: "Add a source that writes `to` the stream, or remove the node.";
    DANGLING_NODE = "PC0306", "dangling-node";
        cause: "No node reads the output of this source or processor, so its output would be lost.";
        example: "sources:\n  sensors: { simulate: { model: sensors } }   # no `to`, and no node reads from it\n";
        fix: "Add a sink that reads from it, let it write `to` a stream, or remove it.";
    UNREAD_STREAM = "PC0307", "unread-stream";
        cause: "No node of the pipeline reads this stream. On a broker, other programs can read a stream that the pipeline writes; in memory, they cannot.";
        example: "streams:\n  audit: {}   # written to, never read\n";
        fix: "Add a sink or processor that reads from it, or remove it. If other programs read it, choose the Environment of their broker with `--env`.";
    SHARED_OUTPUT = "PC0308", "shared-output";
        cause: "Two sinks write to the same location and would overwrite each other's output.";
        example: "sinks:\n  a: { from: s, file: { path: out.jsonl } }\n  b: { from: s, file: { path: out.jsonl } }\n";
        fix: "Give each sink its own location.";
    NO_PIPELINE = "PC0309", "no-pipeline";
        cause: "The files contain no document of kind Pipeline.";
        example: "apiVersion: pipectl/v1\nkind: Environment\nmetadata: { name: aws }\n";
        fix: "Pass the file of the Pipeline too. `pipectl init` creates one from a template.";
    MEET_AGAIN = "PC0310", "meet-again";
        cause: "A backend carries a stream, and nodes before it and nodes after it write to the same memory stream. The two sides run separately and have separate checkpoints, so a memory stream cannot join them.";
        example: "spec:\n  streams: { orders: {}, all: {} }   # `orders` on Kafka, `all` in memory, written from both sides of `orders`\n";
        fix: "Let a backend carry the joining stream too.";
    OUTPUT_IS_INPUT = "PC0311", "output-is-input";
        cause: "A sink writes a file that a source of the same run reads: the sink would destroy the input, or the source would read the output in an endless loop.";
        example: "sources:\n  logs: { tail: { path: \"logs/*.log\" } }\nsinks:\n  out: { from: logs, file: { path: logs/out.log } }\n";
        fix: "Let the sink write to a location that no source reads, or narrow the pattern of the source.";
}
