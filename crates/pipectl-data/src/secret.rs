//! A value that no log line, error or debug print may show.

use std::fmt;

/// Wraps a secret; printing it prints `<secret>`.
#[derive(Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
#[schemars(extend("x-secret" = true))]
pub struct Secret<T = String>(T);

impl<T> Secret<T> {
    /// Wraps.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: to hand to a client, never to print.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
