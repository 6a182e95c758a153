//! Asks from time to time how many partitions a hub has, in tiers where their number grows.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::{error::Failure, namespace::Namespace};

/// How often it is asked. Until a new partition is found it holds back no watermark, so its first records may be late.
const EVERY: Duration = Duration::from_secs(10);

type Counting = Pin<Box<dyn Future<Output = Result<u32, Failure>> + Send>>;

pub(crate) struct Growth {
    namespace: Namespace,
    hub: String,
    group: String,
    counting: Option<Counting>,
}

impl Growth {
    /// `None` where the number is fixed for good.
    pub(crate) fn new(namespace: &Namespace, hub: &str, group: &str) -> Option<Self> {
        namespace.options.tier.grows().then(|| Self {
            namespace: namespace.clone(),
            hub: hub.to_owned(),
            group: group.to_owned(),
            counting: None,
        })
    }

    /// How many there are, once it is time to know. What fails is asked again later.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Option<u32> {
        let counting = self.counting.get_or_insert_with(|| {
            let (namespace, hub, group) = (self.namespace.clone(), self.hub.clone(), self.group.clone());
            Box::pin(async move {
                namespace.host.sleep(EVERY).await;
                let client = namespace.consumer(&hub, &group).await?;
                namespace.turn().await;
                let found = client.get_eventhub_properties().await;
                // Given back in good order; if not, it breaks by itself.
                client.close().await.unwrap_or_default();
                Ok(found?.partition_ids.len() as u32)
            })
        });
        let Poll::Ready(found) = counting.as_mut().poll(context) else { return None };
        self.counting = None;
        // The next question begins to wait.
        context.waker().wake_by_ref();
        found.ok()
    }
}
