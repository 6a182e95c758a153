//! The end of a consumer: the last acknowledgements go out, and everything else is given back.

use std::{
    sync::{PoisonError, atomic::Ordering::SeqCst},
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use google_cloud_pubsub::subscriber::handler::Handler;
use pipectl_contract::ConnectorError;

use super::{Delivered, Demultiplexer};
use crate::emulator::Way;

/// How long the end may take: the last acknowledgements are sent, everything else is given back.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// And how much of it an emulator may take to end the stream.
const READ_OUT: Duration = Duration::from_secs(2);
/// The client gives back a thousand records in a call as soon as it has them, and fewer every 100 ms.
const ONE_CALL: usize = 900;
const FLUSH: Duration = Duration::from_millis(150);

impl Demultiplexer {
    /// A subtask is closed and gives back what it can no longer acknowledge, in the order of its records. With the last one
    /// the stream ends: acknowledgements that wait are sent, and everything else is given back, so that others get it at
    /// once.
    pub(crate) async fn close(&self, handlers: Vec<Handler>) -> Result<(), ConnectorError> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).extend(handlers);
        if self.open.fetch_sub(1, SeqCst) != 1 {
            return Ok(());
        }
        let farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = self
            .bounded(async {
                let mut stream = self.stream.lock().await.take();
                if let (Some(stream), Some(way)) = (&mut stream, &self.way) {
                    self.read_out(stream, way).await;
                    self.give_back_in_order().await;
                }
                // First the stream: what is given back while it is open would come down the same way, to nobody.
                drop(stream);
                self.shutdown.shutdown().await;
            })
            .await;
        drop(self.all());
        if ended.is_none() {
            tracing::warn!(
                subscription = self.subscription,
                "the service did not confirm the last acknowledgements in time; it will deliver their records again"
            );
        }
        match farewell {
            Some(farewell) => self.bounded(farewell).await.unwrap_or_else(|| Err(self.gone())),
            None => Ok(()),
        }
    }

    /// Lets an emulator end the stream, and reads what it has leased to us until then.
    async fn read_out(&self, stream: &mut BoxStream<'static, Delivered>, way: &Way) {
        if !self.begun.load(SeqCst) || self.failed.load(SeqCst) {
            return;
        }
        way.end();
        let rest = async {
            while let Some(Ok((message, handler))) = stream.next().await.flatten() {
                self.sort(message, handler);
            }
        };
        tokio::select! {
            biased;
            () = rest => {}
            () = self.host.sleep(READ_OUT) => tracing::warn!(
                subscription = self.subscription,
                "the emulator has not ended the stream; it may hold back the records of some keys until it restarts"
            ),
        }
    }

    /// Gives back all that is not acknowledged, the records of each key in their order: the service knows it, an emulator
    /// delivers again as it is given back. The client sends its calls side by side, so one must be sent before there is
    /// anything for the next.
    async fn give_back_in_order(&self) {
        let mut all = self.all().into_iter();
        while !all.as_slice().is_empty() {
            all.by_ref().take(ONE_CALL).for_each(drop);
            self.host.sleep(FLUSH).await;
        }
    }

    /// Takes what is not acknowledged.
    fn all(&self) -> Vec<Handler> {
        let mut all = std::mem::take(&mut *self.returned.lock().unwrap_or_else(PoisonError::into_inner));
        for (queue, _) in &self.subtasks {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(queue.drain(..).map(|delivery| delivery.handler));
        }
        all
    }

    async fn bounded<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = what => Some(done),
            () = self.host.sleep(SHUTDOWN) => None,
        }
    }
}
