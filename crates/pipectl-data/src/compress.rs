//! Compression of whole streams of bytes.
