//! The rooms of the house as data: which crate stands on which layer, and what only one crate may know.
//!
//! A crate may depend on crates of lower layers only. `docs/architecture.md` says what each is for.

/// A crate, or with a `*` at its end all crates whose names begin so.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) layer: u8,
    /// Whether it stays away from clock, rng, disk and network, and so from `pipectl-host` and async runtimes.
    pub(crate) pure: bool,
}

const fn room(layer: u8, name: &'static str) -> Room {
    Room { name, layer, pure: false }
}

const fn pure(layer: u8, name: &'static str) -> Room {
    Room { name, layer, pure: true }
}

/// Every crate of the workspace; the first that fits a name counts.
pub(crate) const ROOMS: &[Room] = &[
    pure(0, "pipectl-diag"),
    room(0, "pipectl-host"),
    pure(1, "pipectl-data"),
    pure(2, "pipectl-ir"),
    pure(2, "pipectl-spec"),
    pure(3, "pipectl-sql"),
    room(3, "pipectl-contract"),
    room(3, "pipectl-telemetry"),
    pure(4, "pipectl-process"),
    pure(4, "pipectl-compile"),
    room(4, "pipectl-plan"),
    room(4, "pipectl-runtime"),
    pure(4, "pipectl-compare"),
    room(4, "pipectl-backend-*"),
    room(4, "pipectl-connect-*"),
    room(4, "pipectl-engine-*"),
    room(4, "pipectl-conformance"),
    room(4, "pipectl-peers"),
    room(5, "pipectl"),
    room(6, "xtask"),
    room(6, "pipectl-bench"),
];

/// Arrows within a layer that are allowed: the runtime is what drives the operators.
pub(crate) const ACROSS: &[(&str, &str)] = &[("pipectl-runtime", "pipectl-process")];

/// Arrows within a layer that tests may have: every backend, connector and engine proves itself by the same suite,
/// and against the same servers.
pub(crate) const ACROSS_IN_TESTS: &[(&str, &str)] = &[
    ("pipectl-backend-*", "pipectl-conformance"),
    ("pipectl-connect-*", "pipectl-conformance"),
    ("pipectl-engine-*", "pipectl-conformance"),
    ("pipectl-backend-*", "pipectl-peers"),
    ("pipectl-connect-*", "pipectl-peers"),
    ("pipectl-engine-*", "pipectl-peers"),
    ("pipectl-conformance", "pipectl-peers"),
];

/// What pure rooms must not depend on, outside of tests.
pub(crate) const IMPURE: &[&str] = &["pipectl-host", "tokio"];

/// Libraries that one room hides from all others, so that they can be replaced.
pub(crate) const HIDDEN: &[(&str, &str)] = &[
    ("annotate-snippets", "pipectl-diag"),
    ("granit-parser", "pipectl-spec"),
    ("petgraph", "pipectl-ir"),
    ("pretty_yaml", "pipectl-spec"),
    ("datafusion*", "pipectl-process"),
    ("rand*", "pipectl-host"),
    ("uuid", "pipectl-host"),
    ("clap*", "pipectl"),
    ("axum*", "pipectl-telemetry"),
    ("prometheus-client*", "pipectl-telemetry"),
];
