//! Azure's management interface: makes, changes, lists and removes hubs and consumer groups
//! (learn.microsoft.com/rest/api/eventhub, version 2024-01-01).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use azure_core::http::{HttpClient, Method, Request, Url, headers::HeaderName, new_http_client};
use pipectl_contract::ErrorKind;
use serde_json::{Value, json};

use crate::{error::Failure, namespace::Namespace, options::Management, retry::repeated};

const VERSION: &str = "2024-01-01";
const PUBLIC: &str = "https://management.azure.com";

/// A hub as the management interface tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hub {
    pub(crate) partitions: u32,
    pub(crate) retention: Option<Duration>,
    pub(crate) active: bool,
    pub(crate) status: String,
}

/// The management interface of one namespace.
pub(crate) struct Arm {
    namespace: Namespace,
    http: Arc<dyn HttpClient>,
    endpoint: String,
    base: String,
    /// The date of the last answer.
    date: Mutex<Option<String>>,
}

impl Arm {
    pub(crate) fn new(namespace: &Namespace, management: &Management) -> Self {
        let endpoint = management.endpoint.as_deref().unwrap_or(PUBLIC).trim_end_matches('/').to_owned();
        let base = format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.EventHub/namespaces/{}/eventhubs",
            management.subscription,
            management.resource_group,
            namespace.short_name()
        );
        Self { namespace: namespace.clone(), http: new_http_client(None), endpoint, base, date: Mutex::default() }
    }

    /// When the interface answered last, by its own clock.
    pub(crate) fn date(&self) -> Option<String> {
        self.date.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) async fn hub(&self, name: &str) -> Result<Option<Hub>, Failure> {
        match self.call(Method::Get, &format!("{}/{name}", self.base), None).await {
            Ok((_, body)) => Ok(Some(hub(&body))),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn put_hub(
        &self,
        name: &str,
        partitions: Option<u32>,
        keep: Option<Duration>,
    ) -> Result<(), Failure> {
        let mut properties = serde_json::Map::new();
        if let Some(partitions) = partitions {
            properties.insert("partitionCount".into(), json!(partitions));
        }
        if let Some(keep) = keep {
            let hours = keep.as_secs().div_ceil(3600);
            properties.insert(
                "retentionDescription".into(),
                json!({ "cleanupPolicy": "Delete", "retentionTimeInHours": hours }),
            );
        }
        let body = json!({ "properties": properties });
        self.call(Method::Put, &format!("{}/{name}", self.base), Some(body)).await.map(drop)
    }

    /// Whether there was one.
    pub(crate) async fn delete_hub(&self, name: &str) -> Result<bool, Failure> {
        match self.call(Method::Delete, &format!("{}/{name}", self.base), None).await {
            Ok((status, _)) => Ok(status != 204),
            Err(failure) if failure.kind == ErrorKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn hubs(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut path = Some(self.base.clone());
        while let Some(next) = path.take() {
            let (_, body) = self.call(Method::Get, &next, None).await?;
            let found = body["value"].as_array().into_iter().flatten();
            names.extend(found.filter_map(|hub| hub["name"].as_str().map(str::to_owned)));
            path = body["nextLink"].as_str().map(str::to_owned);
        }
        names.sort();
        Ok(names)
    }

    pub(crate) async fn put_group(&self, hub: &str, group: &str) -> Result<(), Failure> {
        let path = format!("{}/{hub}/consumergroups/{group}", self.base);
        self.call(Method::Put, &path, Some(json!({ "properties": {} }))).await.map(drop)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value), Failure> {
        let retry = self.namespace.options.retry;
        repeated(&self.namespace.host, retry, || self.once(method, path, body.as_ref())).await
    }

    async fn once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value), Failure> {
        // A next page is a whole address; a token must go nowhere else than to the interface.
        let address = match path.strip_prefix(&self.endpoint) {
            Some(rest) => format!("{}{rest}", self.endpoint),
            None if path.starts_with('/') => format!("{}{path}?api-version={VERSION}", self.endpoint),
            None => return Err(Failure::new(ErrorKind::Internal, format!("the next page is elsewhere: {path}"))),
        };
        let url = Url::parse(&address)
            .map_err(|error| Failure::new(ErrorKind::Invalid, format!("`management.endpoint`: {error}")))?;
        let scope = format!("{}/.default", self.endpoint);
        let token = self.namespace.credential()?.get_token(&[&scope], None).await?;
        let mut request = Request::new(url, method);
        request.insert_header(HeaderName::from_static("authorization"), format!("Bearer {}", token.token.secret()));
        if let Some(body) = body {
            request.insert_header(HeaderName::from_static("content-type"), "application/json".to_owned());
            request.set_body(body.to_string());
        }
        let asked = async { self.http.execute_request(&request).await?.try_into_raw_response().await };
        let response = asked.await.map_err(|error| {
            let failure = Failure::from(error);
            Failure { text: format!("{} does not respond: {}", self.endpoint, failure.text), ..failure }
        })?;
        let status = u16::from(response.status());
        let date = response.headers().get_optional_str(&HeaderName::from_static("date")).map(str::to_owned);
        *self.date.lock().unwrap_or_else(PoisonError::into_inner) = date;
        let after = response.headers().get_optional_str(&HeaderName::from_static("retry-after")).map(str::to_owned);
        let body: Value = serde_json::from_slice(response.body().as_ref()).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            return Ok((status, body));
        }
        let text = body["error"]["message"]
            .as_str()
            .map_or_else(|| format!("the management API returned {status}"), str::to_owned);
        let kind = match status {
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            429 => ErrorKind::Throttled,
            408 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        };
        let retry_after = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Err(Failure { kind, text, retry_after, stolen: false })
    }
}

fn hub(body: &Value) -> Hub {
    let properties = &body["properties"];
    let hours = properties["retentionDescription"]["retentionTimeInHours"].as_u64();
    let days = properties["messageRetentionInDays"].as_u64();
    let status = properties["status"].as_str().unwrap_or("Active");
    Hub {
        partitions: properties["partitionCount"].as_u64().unwrap_or_default() as u32,
        retention: hours.or(days.map(|days| 24 * days)).map(Duration::from_hours),
        active: status == "Active",
        status: status.to_owned(),
    }
}
