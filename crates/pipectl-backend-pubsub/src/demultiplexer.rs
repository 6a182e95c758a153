//! One stream of deliveries for all subtasks of a consumer.
//!
//! A subscription has no partitions, so the subtasks share one streaming pull, and each record goes to the subtask of its key
//! by pipectl's fixed hash (a record without a key: by its id). Records of one key are therefore never on two subtasks, a
//! redelivery comes to the subtask that knows the record, and both stay so across restarts. Nobody is spawned for it:
//! whichever subtask waits reads for all.

mod ending;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::SeqCst},
    },
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use google_cloud_pubsub::{
    model::Message,
    subscriber::{MessageStream, ShutdownToken, handler::Handler},
};
use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::{Micros, key_hash};
use pipectl_host::Host;
use tokio::sync::Notify;

use crate::{active_time::ActiveTime, emulator::Way, errors, message::Record, names};

/// How many deliveries that are there already are taken at once.
const AT_ONCE: usize = 1_000;

/// `None` at the end of the stream.
type Delivered = Option<google_cloud_pubsub::Result<(Message, Handler)>>;
/// What is left to do when all subtasks are closed.
type Farewell = BoxFuture<'static, Result<(), ConnectorError>>;

/// A record on its way to a subtask.
pub(crate) struct Delivery {
    pub(crate) record: Record,
    pub(crate) size: usize,
    pub(crate) handler: Handler,
}

/// What all subtasks share.
pub(crate) struct Demultiplexer {
    pub(crate) host: Host,
    subscription: String,
    /// `None` when it is closed.
    stream: tokio::sync::Mutex<Option<BoxStream<'static, Delivered>>>,
    /// At an emulator.
    way: Option<Way>,
    /// Whether the stream has been read: it is opened by its first reader.
    begun: AtomicBool,
    shutdown: ShutdownToken,
    subtasks: Vec<(Mutex<VecDeque<Delivery>>, Notify)>,
    /// Told when acknowledgements make room.
    room: Notify,
    limits: (usize, usize),
    /// Records and bytes that came and are not acknowledged.
    outstanding: (AtomicUsize, AtomicUsize),
    /// Those of them that were handed on.
    handed: (AtomicUsize, AtomicUsize),
    /// When something came or was acknowledged last.
    last: AtomicI64,
    /// By which ids are kept.
    pub(crate) active_time: ActiveTime,
    failed: AtomicBool,
    open: AtomicUsize,
    /// What subtasks that are closed have handed on and cannot acknowledge any more.
    returned: Mutex<Vec<Handler>>,
    farewell: Mutex<Option<Farewell>>,
}

impl Demultiplexer {
    /// `limits`: records and bytes that may be outstanding. `farewell` is run when the last subtask is closed.
    pub(crate) fn new(
        host: &Host,
        subscription: &str,
        (stream, way): (MessageStream, Option<Way>),
        subtasks: u32,
        limits: (usize, usize),
        farewell: Option<Farewell>,
    ) -> Self {
        let shutdown = stream.shutdown_token();
        // At its end the client's stream must stay: dropped, it gives back everything at once and in no order.
        let stream = futures::stream::unfold(stream, |mut stream| async move {
            let delivered = stream.next().await;
            Some((delivered, stream))
        });
        Self {
            host: host.clone(),
            subscription: names::short(subscription).to_owned(),
            stream: tokio::sync::Mutex::new(Some(stream.boxed())),
            way,
            begun: AtomicBool::new(false),
            shutdown,
            subtasks: (0..subtasks).map(|_| (Mutex::default(), Notify::new())).collect(),
            room: Notify::new(),
            limits,
            outstanding: (AtomicUsize::new(0), AtomicUsize::new(0)),
            handed: (AtomicUsize::new(0), AtomicUsize::new(0)),
            last: AtomicI64::new(host.now()),
            active_time: ActiveTime::since(host.now()),
            failed: AtomicBool::new(false),
            open: AtomicUsize::new(subtasks as usize),
            returned: Mutex::default(),
            farewell: Mutex::new(farewell),
        }
    }

    /// Takes the next delivery for a subtask, if one is there.
    pub(crate) fn pop(&self, subtask: u32) -> Option<Delivery> {
        let (queue, _) = self.subtasks.get(subtask as usize)?;
        queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits until deliveries for this subtask may be there, reading for all subtasks meanwhile. Cancel-safe: what is read is
    /// in a queue before anything is awaited.
    pub(crate) async fn wait(&self, subtask: u32) -> Result<(), ConnectorError> {
        let Some((_, mine)) = self.subtasks.get(subtask as usize) else { return Ok(()) };
        tokio::select! {
            biased;
            () = mine.notified() => Ok(()),
            read = self.read() => read,
        }
    }

    /// Reads what is there, at least one delivery.
    async fn read(&self) -> Result<(), ConnectorError> {
        let mut held = self.stream.lock().await;
        loop {
            let room = self.room.notified();
            if !self.is_full() {
                break;
            }
            room.await;
        }
        let Some(stream) = held.as_mut().filter(|_| !self.failed.load(SeqCst)) else { return Err(self.gone()) };
        self.begun.store(true, SeqCst);
        let mut delivered = stream.next().await.flatten();
        for _ in 0..AT_ONCE {
            match delivered {
                Some(Ok((message, handler))) => self.sort(message, handler),
                Some(Err(error)) => {
                    self.failed.store(true, SeqCst);
                    return Err(errors::call(format_args!("read subscription `{}`", self.subscription), error));
                }
                None => {
                    self.failed.store(true, SeqCst);
                    return Err(self.gone());
                }
            }
            if self.is_full() {
                break;
            }
            match stream.next().now_or_never() {
                Some(next) => delivered = next.flatten(),
                None => break,
            }
        }
        Ok(())
    }

    fn gone(&self) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Unavailable,
            format!("the stream of subscription `{}` has ended", self.subscription),
        )
    }

    fn sort(&self, message: Message, handler: Handler) {
        let now = self.host.now();
        let record = Record::of(message, now);
        let by = record.key.as_deref().unwrap_or(&record.id);
        let subtask = key_hash::partition(by.as_bytes(), self.subtasks.len() as u32) as usize;
        let size = record.size();
        self.last.store(now, SeqCst);
        self.active_time.note(now);
        self.outstanding.0.fetch_add(1, SeqCst);
        self.outstanding.1.fetch_add(size, SeqCst);
        if let Some((queue, reported)) = self.subtasks.get(subtask) {
            let delivery = Delivery { record, size, handler };
            queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(delivery);
            reported.notify_one();
        }
    }

    /// A delivery was handed on.
    pub(crate) fn hand(&self, size: usize) {
        self.handed.0.fetch_add(1, SeqCst);
        self.handed.1.fetch_add(size, SeqCst);
    }

    /// A delivery is acknowledged.
    pub(crate) fn settle(&self, size: usize, was_handed: bool) {
        let of = |counts: &(AtomicUsize, AtomicUsize)| {
            counts.0.fetch_sub(1, SeqCst);
            counts.1.fetch_sub(size, SeqCst);
        };
        of(&self.outstanding);
        if was_handed {
            of(&self.handed);
        }
        // What made room may bring more.
        self.last.store(self.host.now(), SeqCst);
        self.room.notify_waiters();
    }

    /// The service keeps to the limits itself; a server that does not is held here.
    fn is_full(&self) -> bool {
        self.outstanding.0.load(SeqCst) >= self.limits.0 || self.outstanding.1.load(SeqCst) >= self.limits.1
    }

    /// Whether half of what may be outstanding waits for a checkpoint.
    pub(crate) fn is_half_full(&self) -> bool {
        self.handed.0.load(SeqCst) * 2 >= self.limits.0 || self.handed.1.load(SeqCst) * 2 >= self.limits.1
    }

    /// Whether everything that came is acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.outstanding.0.load(SeqCst) == 0
    }

    /// When something came or was acknowledged last.
    pub(crate) fn last(&self) -> Micros {
        self.last.load(SeqCst)
    }
}
