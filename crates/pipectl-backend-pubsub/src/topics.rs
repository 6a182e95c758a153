//! Topics: looked up, made, changed, removed, listed.

use google_cloud_pubsub::model::Topic;
use google_cloud_wkt::FieldMask;
use pipectl_contract::{ConnectorError, Difference, ErrorKind};
use pipectl_data::units;

use crate::{
    clients::Clients,
    errors, names,
    settings::{Stream, plain},
};

/// How many names a page of a list has; the most that the service gives.
const PAGE: i32 = 1_000;

/// A topic, if there is one.
pub(crate) async fn get(clients: &Clients, stream: &Stream) -> Result<Option<Topic>, ConnectorError> {
    absent(clients.topics.get_topic().set_topic(&stream.topic).send().await)
        .map_err(|error| errors::call(format_args!("describe topic `{}`", stream.name), error))
}

/// No error if there is none.
pub(crate) fn absent<T>(answer: google_cloud_pubsub::Result<T>) -> google_cloud_pubsub::Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if errors::kind(&error) == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// No error if it exists already (a try whose answer was lost may have made it). Answers whether it was made now.
pub(crate) fn made<T>(answer: google_cloud_pubsub::Result<T>) -> google_cloud_pubsub::Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if is_there(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_there(error: &google_cloud_pubsub::Error) -> bool {
    use google_cloud_gax::error::rpc::Code;
    error.status().map_or_else(|| error.http_status_code() == Some(409), |status| status.code == Code::AlreadyExists)
}

/// Makes a topic unless there is one.
pub(crate) async fn create(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    made(clients.topics.create_topic().with_request(stream.topic()).send().await)
        .map_err(|error| errors::call(format_args!("create topic `{}`", stream.name), error))?;
    Ok(())
}

/// What differs in a topic that is there.
pub(crate) async fn differences(clients: &Clients, stream: &Stream) -> Result<Vec<Difference>, ConnectorError> {
    let Some(is) = get(clients, stream).await? else { return Ok(Vec::new()) };
    let wanted = stream.topic();
    let key = |topic: &Topic| match topic.kms_key_name.as_str() {
        "" => "Google's own keys".to_owned(),
        key => key.to_owned(),
    };
    let kept = |topic: &Topic| {
        plain(topic.message_retention_duration)
            .map_or_else(|| "nothing".to_owned(), |kept| units::Duration(kept).to_string())
    };
    let place = |topic: &Topic| {
        let regions = topic.message_storage_policy.as_ref().map(|policy| policy.allowed_persistence_regions.join(", "));
        regions.unwrap_or_else(|| "anywhere".to_owned())
    };
    let text = String::clone;
    let encryption = stream
        .options
        .kms_key
        .as_ref()
        .and_then(|_| Difference::of("kms_key", &key(&is), &key(&wanted), text).map(Difference::blocking));
    let retention = stream.retention.and_then(|_| Difference::of("retention", &kept(&is), &kept(&wanted), text));
    let region =
        stream.options.region.as_ref().and_then(|_| Difference::of("region", &place(&is), &place(&wanted), text));
    Ok([encryption, retention, region].into_iter().flatten().collect())
}

/// Brings a topic to what it should be.
pub(crate) async fn update(clients: &Clients, stream: &Stream) -> Result<(), ConnectorError> {
    let Some(is) = get(clients, stream).await? else {
        let message = format!("there is no topic `{}` to change; create it first", stream.name);
        return Err(ConnectorError::new(ErrorKind::NotFound, message));
    };
    let wanted = stream.topic();
    if stream.options.kms_key.is_some() && is.kms_key_name != wanted.kms_key_name {
        let message = format!(
            "the KMS key of topic `{}` cannot be changed: delete the topic and create it again, or write `kms_key: {}`",
            stream.name, is.kms_key_name
        );
        return Err(ConnectorError::new(ErrorKind::Conflict, message));
    }
    let mut paths = Vec::new();
    if stream.retention.is_some() && plain(is.message_retention_duration) != plain(wanted.message_retention_duration) {
        paths.push("message_retention_duration");
    }
    let regions =
        |topic: &Topic| topic.message_storage_policy.as_ref().map(|policy| policy.allowed_persistence_regions.clone());
    if stream.options.region.is_some() && regions(&is) != regions(&wanted) {
        paths.push("message_storage_policy");
    }
    if paths.is_empty() {
        return Ok(());
    }
    let mask = FieldMask::default().set_paths(paths);
    let call = clients.topics.update_topic().set_topic(wanted).set_update_mask(mask);
    call.send().await.map_err(|error| errors::call(format_args!("change topic `{}`", stream.name), error))?;
    Ok(())
}

/// Removes a topic; answers whether there was one.
pub(crate) async fn delete(clients: &Clients, stream: &Stream) -> Result<bool, ConnectorError> {
    let answer = absent(clients.topics.delete_topic().set_topic(&stream.topic).send().await);
    let there = answer.map_err(|error| errors::call(format_args!("delete topic `{}`", stream.name), error))?;
    Ok(there.is_some())
}

/// The short names of all topics of the project, sorted.
pub(crate) async fn list(clients: &Clients) -> Result<Vec<String>, ConnectorError> {
    let project = format!("projects/{}", clients.project);
    let mut found = Vec::new();
    let mut page = String::new();
    loop {
        let call = clients.topics.list_topics().set_project(&project).set_page_size(PAGE).set_page_token(&page);
        let answer = call.send().await;
        let answer = answer.map_err(|error| errors::call(format_args!("list topics of {project}"), error))?;
        found.extend(answer.topics.iter().map(|topic| names::short(&topic.name).to_owned()));
        if answer.next_page_token.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
        page = answer.next_page_token;
    }
}

/// The paths of all subscriptions of a topic, sorted.
pub(crate) async fn subscriptions(clients: &Clients, stream: &Stream) -> Result<Vec<String>, ConnectorError> {
    let mut found = Vec::new();
    let mut page = String::new();
    loop {
        let call = clients.topics.list_topic_subscriptions();
        let answer = absent(call.set_topic(&stream.topic).set_page_size(PAGE).set_page_token(&page).send().await);
        let answer = answer
            .map_err(|error| errors::call(format_args!("list subscriptions of topic `{}`", stream.name), error))?;
        let Some(answer) = answer else { return Ok(Vec::new()) };
        found.extend(answer.subscriptions);
        if answer.next_page_token.is_empty() {
            found.sort_unstable();
            return Ok(found);
        }
        page = answer.next_page_token;
    }
}
