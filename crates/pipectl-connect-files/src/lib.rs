//! Files as sources and sinks: file, tail, stdin, stdout.
