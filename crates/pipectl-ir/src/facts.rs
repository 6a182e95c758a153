//! What the plan must know of a processor, whatever its kind.

use serde_json::Value;

/// Which task gets which records of a processor.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceBy {
    /// Any: each record is processed by itself, where it is.
    #[default]
    Anywhere,
    /// Records with equal values in these columns of the input go to the same task.
    Columns(Vec<String>),
    /// One task gets all.
    One,
}

/// What a processor does with columns and records. The default is that of a processor that takes each record by itself
/// and makes a new one of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessorTraits {
    /// The columns of the input that it reads; `None` for all of them.
    pub reads: Option<Vec<String>>,
    /// Where its records must be.
    pub place_by: PlaceBy,
    /// What its state depends on; `None` if it keeps nothing from one record to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateSignature>,
    /// Whether others do its work, a worker process or a service: its operators then have
    /// calls under way beside the task, and a stage of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls: bool,
    /// The columns that go out as they came in: the name in the input, the name in the output.
    pub keeps: Vec<(String, String)>,
}

/// What the state of an operator depends on. A checkpoint holds it beside the state, so that a run with another spec knows
/// whether it can continue with that state, and can name what is different.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StateSignature {
    /// What must be the same, by names that a person knows from the spec.
    pub fixed: serde_json::Map<String, Value>,
    /// What the state has of its own for each part of the node, such as an aggregate. State that has more parts than
    /// needed, or has them in another order, still fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<StatePart>,
}

/// A part of a node that has state of its own.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StatePart {
    /// What a person calls it: `sum(price)`.
    pub name: String,
    /// What it is, without places in a text.
    pub meaning: Value,
}

impl StateSignature {
    /// That of state which depends on these alone.
    pub fn fixed(parts: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let fixed = parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { fixed, parts: Vec::new() }
    }
}

impl ProcessorTraits {
    /// Whether it keeps anything from one record to the next.
    pub fn is_stateful(&self) -> bool {
        self.state.is_some()
    }

    /// What a column of the input is called in the output, if it goes out as it is.
    pub fn kept(&self, column: &str) -> Option<&str> {
        self.keeps.iter().find(|(from, _)| from == column).map(|(_, to)| to.as_str())
    }
}
