//! Reads a stream: as many subtasks as were asked for, over shards that split, merge, and may belong to other workers.

mod alarm;
mod beginning;
mod decode;
mod fetch;
mod group;
mod keeper;
pub(crate) mod lag;
mod subtask;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pipectl_contract::{
    ConnectorError, ConsumerContext, ErrorKind, Ownership, Read, SourceReader, StartAt, StreamTarget,
};
use pipectl_host::JoinHandle;
use serde_json::Value;
use tokio::sync::Notify;

use self::{
    group::{Group, Mode, State, first_marks},
    subtask::Subtask,
};
use crate::{
    admin,
    api::Api,
    leases::Leases,
    options::KinesisStreamOptions,
    position::{At, Mark, SubtaskPosition},
    summary,
};

/// Ends the keeper with the last subtask.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Reader {
    subtask: Subtask,
    _keeper: Option<Arc<Keeper>>,
}

pub(crate) async fn open(
    api: Arc<Api>,
    stream: &StreamTarget,
    options: KinesisStreamOptions,
    context: ConsumerContext,
) -> Result<Vec<Box<dyn SourceReader>>, ConnectorError> {
    summary::existing(&api, &stream.name).await?;
    let looks = context.ownership == Ownership::Look;
    let fan_out = if options.fan_out && !looks {
        Some(admin::register(&api, &stream.name, &admin::consumer_name(&context.group)).await?.into())
    } else {
        None
    };
    let mode = match &context.ownership {
        Ownership::Owned { .. } => Mode::Owned,
        Ownership::Look => Mode::Look,
        Ownership::Shared => {
            let leases = Leases::new(&api, &context.group, &stream.name);
            leases.prepare(&api).await?;
            Mode::Shared { leases, me: api.host.id("kinesis worker") }
        }
    };
    let group = Arc::new(Group {
        stream: stream.name.as_str().into(),
        node: context.node.clone(),
        options,
        subtasks: context.subtasks.max(1),
        memory: context.memory,
        mode,
        fan_out,
        state: Mutex::new(State::default()),
        changed: Notify::new(),
        api,
    });
    Arc::clone(&group).list().await?;
    let (mut marks, keeper) = match &context.ownership {
        Ownership::Shared => {
            if context.start == StartAt::Latest {
                pin(&group).await?;
            }
            let task = group.api.host.spawn(keeper::run(Arc::clone(&group), context.start));
            (BTreeMap::new(), Some(Arc::new(Keeper(task))))
        }
        Ownership::Owned { positions } if !positions.is_empty() => (restore(&group, positions)?, None),
        Ownership::Owned { .. } | Ownership::Look => {
            if context.start == StartAt::Latest {
                pin(&group).await?;
            }
            let shards = group.state().shards.clone();
            (first_marks(&shards, &context.start, group.api.host.now(), &group.node)?, None)
        }
    };
    let ended: BTreeSet<u32> = marks.iter().filter(|(_, mark)| mark.at == At::End).map(|(shard, _)| *shard).collect();
    group.state().done = ended;
    let subtasks = (0..group.subtasks).map(|index| {
        let mine = marks.extract_if(.., |shard, _| shard % group.subtasks == index).collect();
        let subtask = Subtask::new(Arc::clone(&group), index, mine);
        Box::new(Reader { subtask, _keeper: keeper.clone() }) as Box<dyn SourceReader>
    });
    Ok(subtasks.collect())
}

/// Takes iterators at the end of all open shards, so that what is written from this moment on is read.
async fn pin(group: &Group) -> Result<(), ConnectorError> {
    let shards: Vec<_> = group.state().shards.values().filter(|shard| shard.open).cloned().collect();
    for shard in shards {
        let iterator = fetch::newest(&group.api, &group.stream, &shard).await?;
        group.state().pinned.insert(shard.number, iterator);
    }
    Ok(())
}

/// The marks of a checkpoint, compared with the shards that there are: one that is gone before it was read to its end is
/// a data loss, never a reason to forget the checkpoint.
fn restore(group: &Group, positions: &[Value]) -> Result<BTreeMap<u32, Mark>, ConnectorError> {
    let mut marks = BTreeMap::new();
    for position in positions {
        marks.extend(read_position(&group.node, position)?.shards);
    }
    let listed: BTreeSet<u32> = group.state().shards.keys().copied().collect();
    for (shard, mark) in marks.extract_if(.., |shard, _| !listed.contains(shard)) {
        if mark.at != At::End {
            group.data_loss(shard, &mark.at, "the stream no longer has this shard")?;
        }
    }
    Ok(marks)
}

fn read_position(node: &str, position: &Value) -> Result<SubtaskPosition, ConnectorError> {
    serde_json::from_value(position.clone()).map_err(|error| {
        let message = format!("the position of stream `{node}` in the checkpoint cannot be read: {error}");
        ConnectorError::new(ErrorKind::Invalid, message)
    })
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        self.subtask.next().await
    }

    fn position(&self) -> Value {
        let position = SubtaskPosition { shards: self.subtask.marks.clone() };
        serde_json::to_value(position).unwrap_or_default()
    }

    fn wants_checkpoint(&self) -> bool {
        let state = self.subtask.group.state();
        let held_back = |shard: &u32| !state.done.contains(shard) && state.children(*shard).next().is_some();
        let ended = self.subtask.marks.iter().filter(|(_, mark)| mark.at == At::End).map(|(shard, _)| shard);
        !self.subtask.leaving.is_empty() || ended.into_iter().any(held_back)
    }

    async fn writers_finished(&mut self) -> Result<(), ConnectorError> {
        self.subtask.finish();
        Ok(())
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        self.subtask.group.state().closing = true;
        let mine: Vec<u32> = self.subtask.marks.keys().copied().collect();
        keeper::release(&self.subtask.group, &mine).await
    }

    async fn committed(&mut self, position: &Value) -> Result<(), ConnectorError> {
        let group = Arc::clone(&self.subtask.group);
        let position = read_position(&group.node, position)?;
        match group.mode {
            Mode::Look => {}
            Mode::Owned => {
                let ended = position.shards.iter().filter(|(_, mark)| mark.at == At::End);
                group.state().done.extend(ended.map(|(shard, _)| *shard));
                group.changed.notify_waiters();
            }
            Mode::Shared { .. } => {
                for lost in keeper::commit(&group, &position.shards).await? {
                    self.subtask.lose(lost);
                }
                let finished: Vec<u32> = {
                    let state = group.state();
                    let ended =
                        position.shards.iter().filter(|(shard, mark)| mark.at == At::End && state.done.contains(shard));
                    ended.map(|(shard, _)| *shard).collect()
                };
                for shard in finished {
                    self.subtask.marks.remove(&shard);
                }
                // What was asked for goes when all that was handed on of it is written down.
                let leaves = |shard: &u32| position.shards.get(shard) == self.subtask.marks.get(shard);
                let leaving: Vec<u32> = self.subtask.leaving.iter().copied().filter(leaves).collect();
                keeper::release(&group, &leaving).await?;
                for shard in leaving {
                    self.subtask.lose(shard);
                }
            }
        }
        Ok(())
    }
}
