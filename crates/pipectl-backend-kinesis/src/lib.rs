//! The Amazon Kinesis backend.
