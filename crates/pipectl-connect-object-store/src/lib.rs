//! Delivery to an object store: prefix, flush, format, compression; bound to a local directory.
