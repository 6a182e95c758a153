//! Real servers for tests: installed by name, started on loopback, stopped by process id.
