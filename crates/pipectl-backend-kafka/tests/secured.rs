//! TLS, certificates of our own, and passwords.
