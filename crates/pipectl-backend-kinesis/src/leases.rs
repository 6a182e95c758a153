//! The lease table: which worker reads a shard, and how far a group is. Every write is conditional on the owner and its
//! fencing token, which changes with each owner, so that nobody who has lost a shard can move its position.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ReturnValue, ScalarAttributeType,
        TableStatus,
    },
};
use pipectl_contract::{ConnectorError, ErrorKind};

use crate::{
    api::Api,
    error::CallError,
    position::{At, Beginning, Mark},
    shards,
};

const CONDITION_FAILED: &str = "ConditionalCheckFailedException";
const LOOK_EVERY: Duration = Duration::from_millis(200);
const TABLE_MOST: Duration = Duration::from_mins(3);

type Item = HashMap<String, AttributeValue>;

/// A row: one shard of one consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) shard: u32,
    pub(crate) id: String,
    pub(crate) owner: Option<String>,
    /// The fencing token: grows with each change of the owner.
    pub(crate) fence: u64,
    /// Grows with each renewal.
    pub(crate) beat: u64,
    pub(crate) at: At,
    pub(crate) count: i64,
    /// A worker that would like to have it.
    pub(crate) claim: Option<String>,
    /// Where its group began.
    pub(crate) beginning: Option<Beginning>,
}

impl Row {
    pub(crate) fn mark(&self) -> Mark {
        Mark { at: self.at.clone(), count: self.count, fence: Some(self.fence) }
    }

    fn read(item: &Item) -> Option<Self> {
        let text = |name: &str| item.get(name)?.as_s().ok().cloned();
        let number = |name: &str| item.get(name)?.as_n().ok()?.parse::<u64>().ok();
        let id = text("shardId")?;
        Some(Self {
            shard: shards::number(&id)?,
            id,
            owner: text("leaseOwner"),
            fence: number("leaseCounter")?,
            beat: number("leaseBeat").unwrap_or_default(),
            at: text("checkpoint")?.parse().ok()?,
            count: number("recordCount").unwrap_or_default() as i64,
            claim: text("claimedBy"),
            beginning: number("groupNewest").and_then(|newest| {
                let at = text("groupStart").and_then(|at| at.parse().ok());
                Some(Beginning { at, newest: u32::try_from(newest).ok()? })
            }),
        })
    }
}

/// The leases of one group on one stream.
#[derive(Debug)]
pub(crate) struct Leases {
    /// `group/stream`; streams' names have no `/`.
    key: String,
    stream: String,
    what: String,
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

impl Leases {
    pub(crate) fn new(api: &Api, group: &str, stream: &str) -> Self {
        let what = format!("reach the leases of stream `{stream}` in table `{}`", api.options.lease_table);
        Self { key: format!("{group}/{stream}"), stream: stream.to_owned(), what }
    }

    /// Makes the table if it is missing.
    pub(crate) async fn prepare(&self, api: &Api) -> Result<(), ConnectorError> {
        let table = &api.options.lease_table;
        let what = format!("prepare the lease table `{table}`");
        let until = api.host.now() + TABLE_MOST.as_micros() as i64;
        loop {
            let described =
                api.call("DescribeTable", &what, || api.dynamo.describe_table().table_name(table).send()).await;
            match described {
                Ok(answer) => {
                    let status = answer.table().and_then(|table| table.table_status().cloned());
                    if matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
                        return Ok(());
                    }
                }
                Err(failed) if failed.is_missing() => create(api, table, &what).await?,
                Err(failed) => return Err(failed.error),
            }
            if api.host.now() > until {
                let message = format!("the lease table `{table}` has not become active within 3 minutes");
                return Err(ConnectorError::new(ErrorKind::Unavailable, message));
            }
            api.host.sleep(LOOK_EVERY).await;
        }
    }

    /// All rows, by shard.
    pub(crate) async fn read(&self, api: &Api) -> Result<BTreeMap<u32, Row>, ConnectorError> {
        let mut rows = BTreeMap::new();
        let mut from: Option<Item> = None;
        loop {
            let answer = api
                .call("Query", &self.what, || {
                    api.dynamo
                        .query()
                        .table_name(&api.options.lease_table)
                        .consistent_read(true)
                        .key_condition_expression("leaseGroup = :group")
                        .expression_attribute_values(":group", text(&self.key))
                        .set_exclusive_start_key(from.clone())
                        .send()
                })
                .await?;
            for item in answer.items() {
                let Some(row) = Row::read(item) else {
                    let message = format!(
                        "the lease table `{}` holds a row for stream `{}` that pipectl cannot read; another program may have written it",
                        api.options.lease_table, self.stream
                    );
                    return Err(ConnectorError::new(ErrorKind::Invalid, message));
                };
                rows.insert(row.shard, row);
            }
            from = answer.last_evaluated_key().cloned();
            if from.is_none() {
                return Ok(rows);
            }
        }
    }

    /// Adds a row for a shard; answers whether there was none.
    pub(crate) async fn add(
        &self,
        api: &Api,
        id: &str,
        mark: &Mark,
        beginning: &Beginning,
    ) -> Result<bool, ConnectorError> {
        let start = beginning.at.as_ref().map(|at| ("groupStart".to_owned(), text(at.to_string())));
        let item: Item = [
            ("leaseGroup", text(&self.key)),
            ("shardId", text(id)),
            ("streamName", text(&self.stream)),
            ("leaseCounter", number(0)),
            ("leaseBeat", number(0)),
            ("checkpoint", text(mark.at.to_string())),
            ("recordCount", number(mark.count)),
            ("groupNewest", number(beginning.newest)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(start)
        .collect();
        let added = api
            .call("PutItem", &self.what, || {
                api.dynamo
                    .put_item()
                    .table_name(&api.options.lease_table)
                    .set_item(Some(item.clone()))
                    .condition_expression("attribute_not_exists(shardId)")
                    .send()
            })
            .await;
        Ok(held(added)?.is_some())
    }

    /// Makes a row this worker's, if it is still as it was seen; answers it as it is then.
    pub(crate) async fn take(&self, api: &Api, row: &Row, me: &str) -> Result<Option<Row>, ConnectorError> {
        self.update(api, &row.id, |call| {
            call.update_expression(
                "SET leaseOwner = :me, leaseCounter = leaseCounter + :one, leaseBeat = leaseBeat + :one REMOVE claimedBy",
            )
            .condition_expression("leaseCounter = :fence AND leaseBeat = :beat")
            .expression_attribute_values(":me", text(me))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":fence", number(row.fence))
            .expression_attribute_values(":beat", number(row.beat))
        })
        .await
    }

    /// Shows that this worker lives; `None` if the row is not its any more.
    pub(crate) async fn renew(&self, api: &Api, id: &str, me: &str, fence: u64) -> Result<Option<Row>, ConnectorError> {
        self.update(api, id, |call| {
            owned(call, me, fence)
                .update_expression("SET leaseBeat = leaseBeat + :one")
                .expression_attribute_values(":one", number(1))
        })
        .await
    }

    /// Asks the owner to hand a shard over.
    pub(crate) async fn claim(&self, api: &Api, row: &Row, me: &str) -> Result<bool, ConnectorError> {
        let claimed = self
            .update(api, &row.id, |call| {
                call.update_expression("SET claimedBy = :me")
                    .condition_expression("leaseCounter = :fence AND attribute_not_exists(claimedBy)")
                    .expression_attribute_values(":me", text(me))
                    .expression_attribute_values(":fence", number(row.fence))
            })
            .await?;
        Ok(claimed.is_some())
    }

    /// Writes how far the group is; answers whether the shard is still this worker's. With `release` it is not after it.
    pub(crate) async fn checkpoint(
        &self,
        api: &Api,
        id: &str,
        me: &str,
        fence: u64,
        mark: &Mark,
        release: bool,
    ) -> Result<bool, ConnectorError> {
        let set = "SET checkpoint = :at, recordCount = :count, leaseBeat = leaseBeat + :one";
        let expression = if release { format!("{set} REMOVE leaseOwner") } else { set.to_owned() };
        let written = self
            .update(api, id, |call| {
                owned(call, me, fence)
                    .update_expression(&expression)
                    .expression_attribute_values(":at", text(mark.at.to_string()))
                    .expression_attribute_values(":count", number(mark.count))
                    .expression_attribute_values(":one", number(1))
            })
            .await?;
        Ok(written.is_some())
    }

    /// Gives a shard up without a word about its position.
    pub(crate) async fn release(&self, api: &Api, id: &str, me: &str, fence: u64) -> Result<(), ConnectorError> {
        self.update(api, id, |call| {
            owned(call, me, fence)
                .update_expression("SET leaseBeat = leaseBeat + :one REMOVE leaseOwner")
                .expression_attribute_values(":one", number(1))
        })
        .await
        .map(drop)
    }

    /// Notes that a shard is gone from the stream: it counts as read.
    pub(crate) async fn end(&self, api: &Api, row: &Row) -> Result<(), ConnectorError> {
        self.update(api, &row.id, |call| {
            call.update_expression("SET checkpoint = :end, leaseCounter = leaseCounter + :one REMOVE leaseOwner")
                .condition_expression("leaseCounter = :fence")
                .expression_attribute_values(":end", text(At::End.to_string()))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":fence", number(row.fence))
        })
        .await
        .map(drop)
    }

    /// Removes the row of a shard that is read to its end and gone from the stream.
    pub(crate) async fn remove(&self, api: &Api, row: &Row) -> Result<(), ConnectorError> {
        remove(api, &self.what, &self.key, &row.id).await
    }

    async fn update(
        &self,
        api: &Api,
        id: &str,
        build: impl Fn(UpdateItemFluentBuilder) -> UpdateItemFluentBuilder,
    ) -> Result<Option<Row>, ConnectorError> {
        let answer = api
            .call("UpdateItem", &self.what, || {
                let call = api
                    .dynamo
                    .update_item()
                    .table_name(&api.options.lease_table)
                    .key("leaseGroup", text(&self.key))
                    .key("shardId", text(id))
                    .return_values(ReturnValue::AllNew);
                build(call).send()
            })
            .await;
        Ok(held(answer)?.and_then(|answer| Row::read(answer.attributes()?)))
    }
}

fn owned(call: UpdateItemFluentBuilder, me: &str, fence: u64) -> UpdateItemFluentBuilder {
    call.condition_expression("leaseOwner = :me AND leaseCounter = :fence")
        .expression_attribute_values(":me", text(me))
        .expression_attribute_values(":fence", number(fence))
}

/// A condition that did not hold is an answer, not an error.
fn held<T>(answer: Result<T, CallError>) -> Result<Option<T>, ConnectorError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failed) if failed.is(CONDITION_FAILED) => Ok(None),
        Err(failed) => Err(failed.error),
    }
}

async fn create(api: &Api, table: &str, what: &str) -> Result<(), ConnectorError> {
    let build = |error: aws_sdk_dynamodb::error::BuildError| {
        ConnectorError::new(ErrorKind::Internal, format!("cannot {what}: {error}"))
    };
    let mut call = api.dynamo.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in [("leaseGroup", KeyType::Hash), ("shardId", KeyType::Range)] {
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
        call = call.attribute_definitions(attribute.build().map_err(build)?).key_schema(key.build().map_err(build)?);
    }
    match api.call("CreateTable", what, || call.clone().send()).await {
        Err(failed) if !failed.is("ResourceInUseException") => Err(failed.error),
        _ => Ok(()),
    }
}

async fn remove(api: &Api, what: &str, key: &str, id: &str) -> Result<(), ConnectorError> {
    api.call("DeleteItem", what, || {
        api.dynamo
            .delete_item()
            .table_name(&api.options.lease_table)
            .key("leaseGroup", text(key))
            .key("shardId", text(id))
            .send()
    })
    .await?;
    Ok(())
}

/// Removes all groups' rows of a stream that was deleted. Where there is no table, or no way to it, there is nothing
/// that could stand in the way of a new stream: its shards' positions are refused as a data loss.
pub(crate) async fn forget(api: &Api, stream: &str) -> Result<(), ConnectorError> {
    remove_rows(api, stream, |_| true).await
}

/// Removes the rows of one group of a stream.
pub(crate) async fn forget_group(api: &Api, stream: &str, group: &str) -> Result<(), ConnectorError> {
    let wanted = Leases::new(api, group, stream).key;
    remove_rows(api, stream, |key| key == wanted).await
}

async fn remove_rows(api: &Api, stream: &str, wanted: impl Fn(&str) -> bool) -> Result<(), ConnectorError> {
    let what = format!("remove the leases of stream `{stream}` from table `{}`", api.options.lease_table);
    let mut from: Option<Item> = None;
    loop {
        let answer = api
            .call("Scan", &what, || {
                api.dynamo
                    .scan()
                    .table_name(&api.options.lease_table)
                    .filter_expression("streamName = :stream")
                    .expression_attribute_values(":stream", text(stream))
                    .set_exclusive_start_key(from.clone())
                    .send()
            })
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(failed) if failed.is_missing() => return Ok(()),
            Err(failed) if api.options.dynamodb_endpoint.is_none() && failed.error.kind == ErrorKind::Denied => {
                tracing::debug!(stream, error = %failed.error, "left the leases of a deleted stream");
                return Ok(());
            }
            Err(failed) => return Err(failed.error),
        };
        for item in answer.items() {
            let value = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            if let (Some(key), Some(id)) = (value("leaseGroup").filter(|key| wanted(key)), value("shardId")) {
                remove(api, &what, key, id).await?;
            }
        }
        from = answer.last_evaluated_key().cloned();
        if from.is_none() {
            return Ok(());
        }
    }
}
