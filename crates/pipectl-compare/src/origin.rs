//! Of which records of the input a sink's rows are made: found in the graph, so that a differing row can be shown with them.

use std::collections::BTreeMap;

use pipectl_data::{DataType, Micros, timestamp};
use pipectl_ir::{
    Dag, NodeKind,
    dag::{NodeId, ProcessorStep, TO_STREAM},
    query::{ExprKind, OutputColumn, Query, Shape},
};
use serde_json::Value;

use crate::Row;

/// The ways from a sink back to the sources that feed it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    pub(crate) ways: Vec<Way>,
}

/// The way from a sink back to one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Way {
    /// The source's name.
    pub(crate) source: String,
    /// The columns of the row that come unchanged from the input.
    pub(crate) columns: BTreeMap<String, From>,
    /// The window that the row is of, where its start or its end is a column.
    pub(crate) window: Option<Windowed>,
    /// The column of the row that reports when what it is of happened.
    pub(crate) time: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    /// A field of the record.
    Field(String, DataType),
    /// Somewhere in the record, out of which a processor took it.
    Text,
}

/// A window as a row shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Windowed {
    /// The column that holds its start, or its end.
    pub(crate) column: String,
    is_start: bool,
    size: Micros,
    /// The field of the record that reports when it happened.
    pub(crate) time: Time,
}

/// Which field reports the event time, on the way from a window back to the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Time {
    /// That of the next stream which has one.
    Open,
    /// This field.
    Field(String, DataType),
    /// No field of the input.
    Lost,
}

impl Origin {
    /// Those of all sinks of a pipeline, by name.
    pub fn of_sinks(dag: &Dag) -> Vec<(String, Self)> {
        let sinks =
            dag.nodes().filter(|(_, node)| matches!(&node.kind, NodeKind::Sink(sink) if sink.kind != TO_STREAM));
        let of_sink = |(id, node): (NodeId, &pipectl_ir::Node)| {
            let field = |field: &pipectl_data::Field| {
                (field.name.clone(), From::Field(field.name.clone(), field.data_type.clone()))
            };
            let way = Way { columns: node.schema.fields().iter().map(field).collect(), ..Way::default() };
            let mut origin = Self::default();
            origin.follow(dag, id, &way);
            (node.name.clone(), origin)
        };
        sinks.map(of_sink).collect()
    }

    fn follow(&mut self, dag: &Dag, from: NodeId, way: &Way) {
        for (id, _) in dag.producers(from) {
            let node = dag.node(id);
            let mut way = way.clone();
            match &node.kind {
                NodeKind::Source(_) => {
                    way.source.clone_from(&node.name);
                    way.forget_strangers(&node.schema);
                    self.ways.push(way);
                    continue;
                }
                NodeKind::Stream(stream) => {
                    if let Some(time) = &stream.time {
                        way.time_is(&time.field, &node.schema);
                    }
                }
                NodeKind::Processor(processor) => match &processor.step {
                    ProcessorStep::Sql(query) => way.before_query(query),
                    ProcessorStep::Other { .. } => {
                        let before = dag.producers(id).first().map(|(id, _)| dag.node(*id).schema.clone());
                        way.before_other(&before.unwrap_or_else(|| node.schema.clone()));
                    }
                },
                NodeKind::Sink(_) => {}
            }
            self.follow(dag, id, &way);
        }
    }

    /// What rows are put in order by before the first differences are shown: key, time, and the rest.
    pub(crate) fn order_of(&self, row: &Row) -> (String, Option<Micros>, String) {
        let value: Option<Value> = serde_json::from_str(&row.text).ok();
        let way = self.ways.first();
        let of_row = |column: &String| value.as_ref().and_then(|value| value.get(column));
        let key = row.key.clone().or_else(|| {
            let way = way.filter(|way| way.window.is_some())?;
            Some(way.columns.keys().map(|column| of_row(column).map(ToString::to_string).unwrap_or_default()).collect())
        });
        let time = way.and_then(Way::time).and_then(of_row).and_then(|time| moment(time, &DataType::Timestamp));
        (key.unwrap_or_default(), time, row.text.clone())
    }

    /// Whether two rows are of one window and one group, and so one row with other values.
    pub(crate) fn same_group(&self, one: &Row, other: &Row) -> bool {
        let Some(way) = self.ways.first() else { return false };
        let Some(window) = &way.window else { return false };
        let parsed = |row: &Row| serde_json::from_str::<Value>(&row.text).ok();
        let (Some(one), Some(other)) = (parsed(one), parsed(other)) else { return false };
        way.columns.keys().chain([&window.column]).all(|column| one.get(column) == other.get(column))
    }
}

impl Way {
    fn time(&self) -> Option<&String> {
        self.window.as_ref().map(|window| &window.column).or(self.time.as_ref())
    }

    /// Whether rows can be traced along it.
    pub(crate) fn shows_fields(&self) -> bool {
        !self.columns.is_empty() || self.window.as_ref().is_some_and(|window| matches!(window.time, Time::Field(..)))
    }

    /// A stream has its event time in this field.
    fn time_is(&mut self, field: &str, schema: &pipectl_data::Schema) {
        let data_type = schema.find(field).map_or(DataType::Timestamp, |(_, field)| field.data_type.clone());
        match &mut self.window {
            Some(window) if window.time == Time::Open => window.time = Time::Field(field.to_owned(), data_type),
            _ => {}
        }
        if self.time.is_none() {
            let holds = |from: &From| matches!(from, From::Field(name, _) if name == field);
            self.time = self.columns.iter().find(|(_, from)| holds(from)).map(|(column, _)| column.clone());
        }
    }

    /// The same way, seen from before a query.
    fn before_query(&mut self, query: &Query) {
        let (columns, aggregate) = match &query.shape {
            Shape::Project { columns } => (columns, None),
            Shape::Window(aggregate) => (&aggregate.columns, Some(aggregate)),
        };
        let find = |name: &str| columns.iter().find(|column: &&OutputColumn| column.name == name);
        let expr = |name: &str| {
            let expr = &find(name)?.expr;
            match (&expr.kind, aggregate) {
                (ExprKind::GroupKey(key), Some(aggregate)) => Some(&aggregate.keys.get(*key)?.expr),
                _ => Some(expr),
            }
        };
        let input = |name: &str| match &expr(name)?.kind {
            ExprKind::Column(column) => Some((column.clone(), expr(name)?.data_type.clone())),
            _ => None,
        };
        let is_bound = |name: &str| match find(name).map(|column| &column.expr.kind) {
            Some(ExprKind::WindowStart) => Some(true),
            Some(ExprKind::WindowEnd) => Some(false),
            _ => None,
        };
        let field = |from: &From| if let From::Field(name, _) = from { Some(name.clone()) } else { None };
        if let (None, Some(aggregate)) = (&self.window, aggregate) {
            let mut bounds =
                self.columns.iter().filter_map(|(column, from)| Some((column.clone(), is_bound(&field(from)?)?)));
            self.window = bounds.next().map(|(column, is_start)| Windowed {
                column,
                is_start,
                size: aggregate.window.size(),
                time: Time::Open,
            });
        } else if let (Some(window), Some(aggregate)) = (&mut self.window, aggregate) {
            // A window of windows: what is in the inner ones that begin in the outer one.
            window.size = window.size.saturating_add(aggregate.window.size());
            window.time = Time::Open;
        } else if let Some(window) = &mut self.window
            && let Time::Field(name, _) = &window.time
        {
            window.time = input(name).map_or(Time::Lost, |(name, data_type)| Time::Field(name, data_type));
        }
        self.columns = std::mem::take(&mut self.columns)
            .into_iter()
            .filter_map(|(column, from)| match field(&from) {
                None => Some((column, from)),
                Some(name) => input(&name).map(|(name, data_type)| (column, From::Field(name, data_type))),
            })
            .collect();
    }

    /// The same way, seen from before a processor that takes records apart: what it made stands somewhere in them.
    fn before_other(&mut self, before: &pipectl_data::Schema) {
        let passes = |name: &str| before.find(name).is_some();
        for from in self.columns.values_mut() {
            if matches!(from, From::Field(name, _) if !passes(name)) {
                *from = From::Text;
            }
        }
        self.lose_time_unless(passes);
    }

    /// At the source: only what its records have.
    fn forget_strangers(&mut self, schema: &pipectl_data::Schema) {
        let passes = |name: &str| schema.find(name).is_some();
        self.columns.retain(|_, from| !matches!(from, From::Field(name, _) if !passes(name)));
        self.lose_time_unless(passes);
    }

    fn lose_time_unless(&mut self, passes: impl Fn(&str) -> bool) {
        if let Some(window) = &mut self.window
            && matches!(&window.time, Time::Field(name, _) if !passes(name))
        {
            window.time = Time::Lost;
        }
    }
}

impl Windowed {
    /// One that a column reports the start of.
    #[cfg(test)]
    pub(crate) fn starting(column: &str, size: Micros, time: Time) -> Self {
        Self { column: column.to_owned(), is_start: true, size, time }
    }

    /// Whether something that happened then is in the window of this row.
    pub(crate) fn holds(&self, row: &Value, at: Micros) -> bool {
        let Some(bound) = row.get(&self.column).and_then(|bound| moment(bound, &DataType::Timestamp)) else {
            return false;
        };
        let start = if self.is_start { bound } else { bound.saturating_sub(self.size) };
        (start..start.saturating_add(self.size)).contains(&at)
    }
}

/// A time as JSON has it.
pub(crate) fn moment(value: &Value, data_type: &DataType) -> Option<Micros> {
    match (value, data_type) {
        (Value::String(text), _) => timestamp::parse(text),
        (Value::Number(number), DataType::EpochMillis) => Some(number.as_i64()?.saturating_mul(1_000)),
        (Value::Number(number), DataType::EpochSeconds) => Some((number.as_f64()? * 1e6).round() as Micros),
        _ => None,
    }
}
