//! What can go wrong before a test begins: a tool that cannot be had, or a server that does not come up.

use std::{error::Error, fmt};

/// Set to anything but nothing, a peer that cannot be had fails the test instead of skipping it: for machines that
/// must run everything.
const REQUIRED: &str = "PIPECTL_PEERS_REQUIRED";

/// Why a test cannot run on this machine. Displays as `skipped: why`.
#[derive(Clone, Debug)]
pub struct Skip(String);

impl Skip {
    /// Names what cannot be had, and why.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "skipped: {}", self.0)
    }
}

impl Error for Skip {}

/// Why there is no peer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It cannot be had on this machine.
    Skip(Skip),
    /// It is there and does not work, which is never a reason to skip a test.
    Broken(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(skip) => skip.fmt(formatter),
            Self::Broken(why) => why.fmt(formatter),
        }
    }
}

impl Error for Fault {}

impl From<Skip> for Fault {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

/// Lets a test skip, unless this machine must run everything.
///
/// # Panics
///
/// If the server is broken, or it is missing and `PIPECTL_PEERS_REQUIRED` is set.
pub(crate) fn or_skip<T>(outcome: Result<T, Fault>) -> Result<T, Skip> {
    match outcome {
        Ok(value) => Ok(value),
        Err(Fault::Skip(skip)) => {
            let required = std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
            assert!(!required, "{REQUIRED} is set, and here a test would be {skip}");
            Err(skip)
        }
        Err(Fault::Broken(why)) => panic!("{why}"),
    }
}
