//! Opens the subtasks of a consumer: which group it reads with, where each partition begins, who owns it.

use std::collections::BTreeMap;

use pipectl_contract::{ConnectorError, ConsumerContext, ErrorKind, Ownership, SourceReader, StartAt, StreamTarget};
use pipectl_data::Micros;

use crate::{
    blobs::Blobs,
    error::Failure,
    event,
    group::Group,
    hubs::{Hubs, hub_options},
    limits,
    mirror::Mirror,
    options::{EventHubsOptions, HubOptions, Tier},
    position::{Mark, Position},
    pump::Start,
    reader::{Common, Membership, Subtask},
    retry::repeated,
};

/// The consumer group that every hub has.
const DEFAULT_GROUP: &str = "$Default";
/// Events asked for in advance, at most: what the SDK takes by default.
const PREFETCH: u64 = 300;
/// What an event is guessed to have when memory is divided.
const ASSUMED_RECORD_BYTES: u64 = 4 << 10;
/// The owner level of workers that share a stream, as the official processors use it.
const SHARED_LEVEL: i64 = 0;

/// The consumer group's name at the service.
pub(crate) fn group_name(options: &EventHubsOptions, hub: &HubOptions, group: &str) -> String {
    if let Some(name) = &hub.consumer_group {
        return name.clone();
    }
    if options.tier == Tier::Basic {
        return DEFAULT_GROUP.into();
    }
    // Letters, digits, `.`, `-` and `_`, and a letter or digit first.
    let mut name: String = group
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' })
        .collect();
    if !name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        name.insert(0, 'g');
    }
    if name.len() > limits::GROUP {
        // Two long names that begin alike must stay two.
        let tail = format!("-{:08x}", fold(group));
        name.truncate(limits::GROUP - tail.len());
        name.push_str(&tail);
    }
    name
}

/// A short number of a text (FNV-1a), fixed because names at the service are made of it.
fn fold(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

pub(crate) async fn open(
    hubs: &Hubs,
    stream: &StreamTarget,
    context: ConsumerContext,
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    let namespace = &hubs.namespace;
    let options = &namespace.options;
    let hub_options = hub_options(stream)?;
    // Somebody who only looks must not compete with the pipeline's owner levels.
    let group = match context.ownership {
        Ownership::Look => DEFAULT_GROUP.to_owned(),
        Ownership::Owned { .. } | Ownership::Shared => group_name(options, &hub_options, &context.group),
    };
    let at = |failure: Failure| {
        failure
            .at(format_args!("read stream `{}` from hub `{}` with consumer group `{group}`", context.node, stream.name))
    };
    let known = hubs.known(&stream.name).await.map_err(at)?.ok_or_else(|| {
        at(Failure::new(ErrorKind::NotFound, format!("there is no hub `{}` in `{}`", stream.name, namespace.name)))
    })?;
    if group != DEFAULT_GROUP
        && hub_options.consumer_group.is_none()
        // Beside a hub of others too: the group is ours, and the hub stays as it is.
        && let Some(arm) = hubs.arm()
    {
        arm.put_group(&stream.name, &group).await.map_err(at)?;
    }
    let partitions = known.partitions.len() as u32;
    let share = context.memory / u64::from(partitions.max(1));
    let common = Common {
        namespace: namespace.clone(),
        stream: context.node.clone(),
        hub: stream.name.clone(),
        group: group.clone(),
        subtasks: context.subtasks.max(1),
        level: match context.ownership {
            Ownership::Look => None,
            Ownership::Shared => Some(SHARED_LEVEL),
            // Whoever starts later has the higher level, and the former owner is cut off.
            Ownership::Owned { .. } => Some(namespace.host.now() / 1000),
        },
        prefetch: options.prefetch.unwrap_or_else(|| (share / 2 / ASSUMED_RECORD_BYTES).clamp(1, PREFETCH) as u32),
        limit: (share / 2).max(1) as usize,
        created: known.created.map(event::micros),
        on_data_loss: hub_options.on_data_loss,
        partitions,
    };
    let numbers: Vec<u32> = (0..partitions).collect();
    let mut subtasks = match &context.ownership {
        Ownership::Shared => shared(hubs, &common, &context, at).await?,
        Ownership::Owned { positions } => {
            let mut marks = BTreeMap::new();
            for position in positions {
                marks.extend(Position::parse(position, &context.node)?.partitions);
            }
            let blobs =
                options.checkpoints.as_ref().map(|it| Blobs::open(namespace, it, &stream.name, &group)).transpose();
            alone(hubs, &common, &context, &marks, &numbers, blobs.map_err(at)?).await.map_err(at)?
        }
        Ownership::Look => alone(hubs, &common, &context, &BTreeMap::new(), &numbers, None).await.map_err(at)?,
    };
    Ok(subtasks.drain(..).map(|subtask| Box::new(subtask) as Box<dyn SourceReader>).collect())
}

async fn alone(
    hubs: &Hubs,
    common: &Common,
    context: &ConsumerContext,
    marks: &BTreeMap<u32, Mark>,
    numbers: &[u32],
    blobs: Option<Blobs>,
) -> Result<Vec<Subtask>, Failure> {
    let fresh = marks.is_empty();
    let ends = if fresh && context.start == StartAt::Latest { ends(hubs, common).await? } else { BTreeMap::new() };
    let mut subtasks: Vec<Subtask> = (0..common.subtasks)
        .map(|number| Subtask::new(common.clone(), number, Membership::Alone(blobs.clone().map(Mirror::new))))
        .collect();
    for number in numbers {
        let start = match marks.get(number) {
            Some(mark) => Start::After(mark.clone()),
            // One that came to be since the checkpoint, or had nothing yet from the moment on where reading began.
            None if !fresh => match &context.start {
                StartAt::Time(from) => Start::Time(*from),
                _ => Start::Earliest,
            },
            None => match ends.get(number) {
                Some(mark) => Start::After(mark.clone()),
                None => first(&context.start, *number, common.created)?,
            },
        };
        if let Some(subtask) = subtasks.get_mut((number % common.subtasks) as usize) {
            subtask.add(*number, start);
        }
    }
    Ok(subtasks)
}

fn first(start: &StartAt, partition: u32, created: Option<Micros>) -> Result<Start, Failure> {
    Ok(match start {
        StartAt::Earliest => Start::Earliest,
        StartAt::Latest => Start::Latest,
        StartAt::Time(from) => Start::Time(*from),
        StartAt::Positions(positions) => match positions.get(&partition) {
            Some(text) => given(text, partition, created)?,
            None => Start::Earliest,
        },
    })
}

/// A position that a person has written.
fn given(text: &str, partition: u32, created: Option<Micros>) -> Result<Start, Failure> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(offset) = text.strip_prefix("offset:").filter(|offset| digits(offset)) {
        return Ok(Start::Offset(offset.to_owned()));
    }
    match text.parse::<i64>().ok().filter(|_| digits(text)) {
        Some(0) => Ok(Start::Earliest),
        Some(sequence) => Ok(Start::After(Mark { offset: None, sequence: sequence - 1, created })),
        None => Err(Failure::new(
            ErrorKind::Invalid,
            format!(
                "`{text}` is not a position in partition {partition}: write the sequence number of a record, or `offset:N` with its offset"
            ),
        )),
    }
}

/// The newest event of each partition at this moment.
async fn ends(hubs: &Hubs, common: &Common) -> Result<BTreeMap<u32, Mark>, Failure> {
    let namespace = &hubs.namespace;
    repeated(&namespace.host, namespace.options.retry, || async {
        let client = namespace.consumer(&common.hub, &common.group).await?;
        let mut ends = BTreeMap::new();
        for number in 0..common.partitions {
            namespace.turn().await;
            let known = client.get_partition_properties(&number.to_string()).await?;
            let sequence = known.last_enqueued_sequence_number;
            let offset = (sequence >= 0).then_some(known.last_enqueued_offset);
            ends.insert(number, Mark { offset, sequence, created: common.created });
        }
        client.close().await.unwrap_or_default();
        Ok(ends)
    })
    .await
}

async fn shared(
    hubs: &Hubs,
    common: &Common,
    context: &ConsumerContext,
    at: impl Fn(Failure) -> ConnectorError,
) -> Result<Vec<Subtask>, ConnectorError> {
    let namespace = &hubs.namespace;
    let Some(checkpoints) = &namespace.options.checkpoints else {
        let text = format!(
            "workers cannot share stream `{}`: the backend has no `checkpoints` with a Blob storage container for the ownership of partitions; add it",
            context.node
        );
        return Err(ConnectorError::new(ErrorKind::Invalid, text));
    };
    let blobs = Blobs::open(namespace, checkpoints, &common.hub, &common.group).map_err(&at)?;
    if !matches!(context.start, StartAt::Earliest | StartAt::Time(_)) {
        pin(hubs, common, context, &blobs).await.map_err(&at)?;
    }
    let start = match &context.start {
        StartAt::Time(from) => Start::Time(*from),
        _ => Start::Earliest,
    };
    let group =
        Group::join(&namespace.host, blobs, common.partitions, start, checkpoints.lease.0).await.map_err(&at)?;
    Ok((0..common.subtasks)
        .map(|number| Subtask::new(common.clone(), number, Membership::Shared(group.clone())))
        .collect())
}

/// Writes down where partitions begin that nobody has read yet: another worker that takes one over later must not skip
/// what came in between.
async fn pin(hubs: &Hubs, common: &Common, context: &ConsumerContext, blobs: &Blobs) -> Result<(), Failure> {
    let mut ends = match context.start {
        StartAt::Latest => ends(hubs, common).await?,
        _ => BTreeMap::new(),
    };
    for number in 0..common.partitions {
        let start = match ends.remove(&number) {
            Some(mark) => Start::After(mark),
            None => first(&context.start, number, common.created)?,
        };
        let mark = match start {
            Start::After(mark) => mark,
            Start::Offset(offset) => {
                let text = format!(
                    "workers that share a stream cannot start at `offset:{offset}`: write the sequence number of the record"
                );
                return Err(Failure::new(ErrorKind::Invalid, text));
            }
            Start::Earliest | Start::Latest | Start::Time(_) => continue,
        };
        match blobs.mark(number).await? {
            Some((Some(_), _)) => {}
            // Whoever was quicker has written where it began.
            Some((None, version)) => drop(blobs.put_mark(number, Some(&mark), Some(&version)).await?),
            None => drop(blobs.put_mark(number, Some(&mark), None).await?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::group_name;
    use crate::options::{EventHubsOptions, HubOptions, Tier};

    #[test]
    fn groups_get_names_that_the_service_takes() {
        let name = |group: &str| group_name(&EventHubsOptions::default(), &HubOptions::default(), group);
        assert_eq!(name("orders.prod.clicks"), "orders.prod.clicks");
        assert_eq!(name("a b/c"), "a-b-c");
        assert_eq!(name("-x"), "g-x");
        let (one, two) = (name(&format!("{}1", "long-".repeat(20))), name(&format!("{}2", "long-".repeat(20))));
        assert!(one.len() == 50 && two.len() == 50 && one != two, "{one} {two}");
        let basic = EventHubsOptions { tier: Tier::Basic, ..Default::default() };
        assert_eq!(group_name(&basic, &HubOptions::default(), "x"), "$Default");
        let chosen = HubOptions { consumer_group: Some("mine".into()), ..Default::default() };
        assert_eq!(group_name(&basic, &chosen, "x"), "mine");
    }
}
