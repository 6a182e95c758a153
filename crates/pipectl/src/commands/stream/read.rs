//! `pipectl stream read`: records as they stand in a stream, without leaving a trace.

use std::{collections::BTreeMap, time::Duration};

use base64::Engine as _;
use pipectl_contract::{ConnectorError, ConsumerContext, Ownership, Read, StartAt, StreamState, StreamTarget};
use pipectl_data::{Batch, timestamp};
use pipectl_diag::{Diagnostic, codes};
use pipectl_host::Host;
use serde_json::{Map, Value, json};

use crate::{
    cli::{Global, ReadArguments, RecordFormat},
    exit::Exit,
    reach::{Line, Reach, failed},
    stop::Signals,
    view,
};

/// Bytes that may be fetched ahead.
const MEMORY: u64 = 16 << 20;

pub(super) async fn run(reach: &Reach, arguments: &ReadArguments, global: &Global, signals: &mut Signals) -> Exit {
    let host = Host::real();
    let start = match start(arguments, &host) {
        Ok(start) => start,
        Err(problem) => {
            view::problem(problem, global);
            return Exit::Wrong;
        }
    };
    match signals.race(read(reach, arguments, start, &host, global)).await {
        Ok(exit) => exit,
        // Who follows a stream ends it like this.
        Err(_) if arguments.follow => Exit::Fine,
        Err(signal) => {
            view::note(&format!("{signal}: ended before all was read"));
            Exit::Interrupted
        }
    }
}

async fn read(reach: &Reach, arguments: &ReadArguments, start: StartAt, host: &Host, global: &Global) -> Exit {
    let line = match reach.connect(Some(&arguments.stream), host, global).await {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    let target = reach.target(&arguments.stream);
    let state = match reach.find(&line, &target, None).await {
        Ok(state) => state,
        Err(exit) => return exit,
    };
    if let Some(problem) = arguments.partition.and_then(|partition| no_partition(partition, &state)) {
        view::problem(problem, global);
        return Exit::Wrong;
    }
    let mut shown = Exit::Fine;
    let mut left = arguments.limit;
    let work = take(&line, &target, start, !arguments.follow, |batch| {
        let wanted = arguments.partition.is_none_or(|partition| partition == batch.partition);
        for row in (0..batch.len()).take_while(|_| wanted) {
            if left == 0 {
                return false;
            }
            left -= 1;
            shown = view::print(&record(batch, row, arguments.format));
            if shown != Exit::Fine {
                return false;
            }
        }
        left > 0
    });
    match work.await {
        Ok(()) => shown,
        Err(error) => failed(&error),
    }
}

/// A partition that there is not would be waited for, or read to its end at once: nothing comes of it.
fn no_partition(partition: u32, state: &StreamState) -> Option<Diagnostic> {
    let numbers: Vec<u32> = state.partitions.iter().map(|partition| partition.number).collect();
    if numbers.contains(&partition) {
        return None;
    }
    let title = format!("stream `{}` has no partition {partition}", state.name);
    let problem = Diagnostic::error(codes::command::BAD_ARGUMENT, title);
    Some(match (numbers.as_slice(), numbers.last()) {
        ([only], _) => problem.help(format!("its only partition is {only}")),
        ([first, ..], Some(last)) if *last as usize - *first as usize + 1 == numbers.len() => {
            problem.help(format!("it has the partitions {first} to {last}"))
        }
        ([], _) => problem.help("its backend has no partitions to choose from; leave out `--partition`"),
        _ => problem.help(format!(
            "it has the partitions {}",
            numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
        )),
    })
}

/// Reads a stream from a start and hands on its batches, until nothing is left (where it ends) or `on_batch` answers
/// false.
pub(in crate::commands) async fn take(
    line: &Line,
    target: &StreamTarget,
    start: StartAt,
    ends: bool,
    mut on_batch: impl FnMut(&Batch) -> bool,
) -> Result<(), ConnectorError> {
    let context = ConsumerContext {
        node: target.name.clone(),
        group: "pipectl.by-hand".to_owned(),
        subtasks: 1,
        ownership: Ownership::Look,
        start,
        memory: MEMORY,
        checkpoint_every: Duration::from_secs(10),
    };
    let reading = format!("reading `{}`", target.name);
    let mut readers = line.patience.answer(&reading, line.connection.consumer(target, context)).await?;
    let Some(reader) = readers.first_mut() else { return Ok(()) };
    if ends {
        line.patience.answer(&reading, reader.writers_finished()).await?;
    }
    loop {
        // Who follows a stream waits for records that nobody may write.
        let next = if ends { line.patience.answer(&reading, reader.next()).await } else { reader.next().await };
        match next {
            Ok(Read::End) => break,
            Ok(Read::Records(batch)) if !on_batch(&batch) => break,
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    line.patience.answer(&reading, reader.close()).await
}

fn start(arguments: &ReadArguments, host: &Host) -> Result<StartAt, Diagnostic> {
    let from = arguments.from.as_str();
    match (from, timestamp::parse(from), arguments.partition) {
        ("earliest", ..) => Ok(StartAt::Earliest),
        ("latest", ..) => Ok(StartAt::Latest),
        (_, Some(moment), _) if moment > host.now() => {
            let title = format!("`--from {from}` is in the future: it is {} now", timestamp::format(host.now()));
            Err(Diagnostic::error(codes::command::BAD_ARGUMENT, title)
                .help("`--from latest --follow` waits for new records"))
        }
        (_, Some(moment), _) => Ok(StartAt::Time(moment)),
        (position, None, Some(partition)) => Ok(StartAt::Positions(BTreeMap::from([(partition, position.to_owned())]))),
        (_, None, None) => {
            let title = format!("`--from {from}` is neither `earliest`, `latest` nor a timestamp");
            Err(Diagnostic::error(codes::command::BAD_ARGUMENT, title)
                .help("a position belongs to a partition: add `--partition N`"))
        }
    }
}

fn record(batch: &Batch, row: usize, format: RecordFormat) -> String {
    use arrow_array::Array as _;
    let bytes = |array: &Option<arrow_array::BinaryViewArray>| {
        array.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row).to_vec())
    };
    let (payload, key) = (bytes(&batch.payload), bytes(&batch.keys));
    let position = match &batch.positions {
        Some(positions) => positions.value(row).to_owned(),
        None => batch.offsets.value(row).to_string(),
    };
    let arrival = timestamp::format(batch.arrival.value(row));
    let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    match format {
        RecordFormat::Payload => text(&payload).unwrap_or_default() + "\n",
        RecordFormat::Text => {
            let key = text(&key).unwrap_or_else(|| "-".to_owned());
            let payload = text(&payload).unwrap_or_else(|| "(no payload)".to_owned());
            format!("{}:{position}  {arrival}  {key}  {payload}\n", batch.partition)
        }
        RecordFormat::Json => {
            let headers: Vec<Value> = batch
                .headers
                .iter()
                .flat_map(|headers| headers.of(row))
                .map(|(name, value)| json!({ "name": name, "value": value.map(String::from_utf8_lossy) }))
                .collect();
            let mut object = Map::new();
            object.insert("partition".to_owned(), json!(batch.partition));
            object.insert("position".to_owned(), json!(position));
            object.insert("arrival_time".to_owned(), json!(arrival));
            put(&mut object, "key", key.as_deref());
            if !headers.is_empty() {
                object.insert("headers".to_owned(), Value::Array(headers));
            }
            put(&mut object, "payload", payload.as_deref());
            Value::Object(object).to_string() + "\n"
        }
    }
}

/// Bytes as text where they are one, otherwise as base64 under a name that says so.
fn put(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(std::str::from_utf8) {
        None => object.insert(name.to_owned(), Value::Null),
        Some(Ok(text)) => object.insert(name.to_owned(), json!(text)),
        Some(Err(_)) => {
            let text = base64::engine::general_purpose::STANDARD.encode(bytes.unwrap_or_default());
            object.insert(format!("{name}_base64"), json!(text))
        }
    };
}
