//! What a person has decided about state that does not fit the spec any more.

use std::collections::BTreeSet;

/// Nodes whose state may go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateEdits {
    /// Nodes that are no longer in the spec.
    pub drop: BTreeSet<String>,
    /// Nodes that begin anew.
    pub reset: BTreeSet<String>,
}

impl StateEdits {
    /// Whether nothing may go.
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.reset.is_empty()
    }

    /// Whether the state of a node that is gone is forgotten.
    pub(super) fn drops(&self, node: &str) -> bool {
        self.drop.contains(node)
    }

    /// Whether a node begins anew.
    pub(super) fn resets(&self, node: &str) -> bool {
        self.reset.contains(node)
    }
}
