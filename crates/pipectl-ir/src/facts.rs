//! What the plan must know of a processor, whatever its kind.

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
    /// Whether it keeps anything from one record to the next.
    pub stateful: bool,
    /// Whether others do its work, a worker process or a service: its operators then have
    /// calls under way beside the task, and a stage of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub calls: bool,
    /// The columns that go out as they came in: the name in the input, the name in the output.
    pub keeps: Vec<(String, String)>,
}

impl ProcessorTraits {
    /// What a column of the input is called in the output, if it goes out as it is.
    pub fn kept(&self, column: &str) -> Option<&str> {
        self.keeps.iter().find(|(from, _)| from == column).map(|(_, to)| to.as_str())
    }
}
