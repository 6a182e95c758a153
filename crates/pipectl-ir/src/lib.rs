//! Plain data of every stage after parsing: no input, no output, no async.
