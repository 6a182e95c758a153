//! Columns with names: the shape of records.

use std::sync::Arc;

use crate::DataType;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// Its name, case-sensitive.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it can be null. A record without a value for a field that cannot is a dead letter.
    pub nullable: bool,
}

impl Field {
    /// A field that can be null.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true }
    }

    /// The field of a column in memory, see [`DataType::of_arrow`].
    pub fn of_arrow(column: &arrow_schema::Field) -> Self {
        let data_type = DataType::of_arrow(column.data_type());
        Self { name: column.name().clone(), data_type, nullable: column.is_nullable() }
    }

    /// A field that cannot be null.
    pub fn required(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: false }
    }
}

/// Columns in order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Schema {
    fields: Arc<[Field]>,
}

impl Schema {
    /// A schema of these fields; names must differ (the spec's check sees to it).
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    /// The fields in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The position and the field of this name.
    pub fn find(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// Only the fields that `keep` accepts, in order.
    #[must_use]
    pub fn project(&self, keep: impl Fn(&Field) -> bool) -> Self {
        Self::new(self.fields.iter().filter(|field| keep(field)).cloned())
    }

    /// The schema of columns in memory, see [`DataType::of_arrow`].
    pub fn of_arrow(columns: &arrow_schema::Schema) -> Self {
        Self::new(columns.fields().iter().map(|field| Field::of_arrow(field)))
    }

    /// What it is in memory.
    pub fn arrow(&self) -> arrow_schema::SchemaRef {
        let field = |field: &Field| arrow_schema::Field::new(&field.name, field.data_type.arrow(), field.nullable);
        Arc::new(arrow_schema::Schema::new(self.fields.iter().map(field).collect::<Vec<_>>()))
    }
}
