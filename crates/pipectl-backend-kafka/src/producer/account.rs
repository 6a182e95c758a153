//! What is on its way: how much, what it was, and what became of it. The client's thread tells, the writer asks.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use arrow_array::UInt32Array;
use pipectl_contract::Refused;
use pipectl_data::Batch;
use rdkafka::{
    ClientContext,
    client::OAuthToken,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{DeliveryResult, ProducerContext},
    types::RDKafkaErrorCode as Code,
};
use tokio::sync::Notify;

use crate::watch::Watch;

/// Bits of a record's number that tell its row, and those that tell its batch; the others tell its producer.
const ROW_BITS: u32 = 24;
const BATCH_BITS: u32 = 32;
/// What the client keeps beside a record's bytes, and we beside a row's: measured, rounded up.
const RECORD: u64 = 256;

/// The producers of one client, by the number that is part of the numbers of their records.
pub(super) type Accounts = Arc<RwLock<Vec<Arc<Account>>>>;

/// The unconfirmed records of one producer.
#[derive(Default)]
pub(crate) struct Account {
    producer: usize,
    bytes: AtomicU64,
    records: AtomicU64,
    wake_below: AtomicU64,
    wake: Notify,
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    batches: VecDeque<Outstanding>,
    next: usize,
    refused: Vec<Refused>,
    failed: Option<Code>,
}

struct Outstanding {
    id: usize,
    batch: Batch,
    left: usize,
    each: u64,
}

/// A batch that is being sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slip {
    producer: usize,
    id: usize,
    /// Bytes that each record counts for.
    pub(crate) each: u64,
}

impl Slip {
    /// What distinguishes a record from all others.
    pub(crate) fn number(self, row: usize) -> usize {
        self.producer << (BATCH_BITS + ROW_BITS) | self.id << ROW_BITS | row
    }
}

impl Account {
    /// The most rows that a batch may have.
    pub(crate) const MAX_ROWS: usize = 1 << ROW_BITS;

    /// The most producers that a client may have.
    pub(crate) const MAX_PRODUCERS: usize = 1 << (usize::BITS - BATCH_BITS - ROW_BITS);

    /// Of one of several producers.
    pub(crate) fn numbered(producer: usize) -> Self {
        Self { producer, ..Self::default() }
    }

    /// Takes a batch in. Its rows are charged one by one.
    pub(crate) fn open(&self, batch: &Batch) -> Slip {
        let mut sent = self.sent();
        let id = sent.next;
        sent.next = (id + 1) & ((1 << BATCH_BITS) - 1);
        let rows = batch.len().max(1) as u64;
        // Twice: the client copies what it gets, and we keep the batch for the case that a record is refused.
        let each = 2 * (batch.byte_size() as u64).div_ceil(rows) + RECORD;
        sent.batches.push_back(Outstanding { id, batch: batch.clone(), left: batch.len(), each });
        Slip { producer: self.producer, id, each }
    }

    /// Charges a record, before it is sent.
    pub(crate) fn charge(&self, slip: Slip) {
        self.bytes.fetch_add(slip.each, SeqCst);
        self.records.fetch_add(1, SeqCst);
    }

    /// A record was charged and not sent after all.
    pub(crate) fn withdraw(&self, slip: Slip, row: usize) {
        self.settle(slip.number(row), None);
    }

    /// Waits until there is room for a record within `memory`, or something has failed.
    pub(crate) async fn room(&self, each: u64, memory: u64) {
        let full = || {
            let bytes = self.bytes.load(SeqCst);
            bytes > 0 && bytes + each > memory
        };
        if !full() {
            return;
        }
        self.wake_below.store(memory / 2, SeqCst);
        while full() && !self.has_failed() {
            self.wake.notified().await;
        }
        self.wake_below.store(0, SeqCst);
    }

    /// Waits until the brokers have confirmed everything, or something has failed.
    pub(crate) async fn settled(&self) {
        while self.records.load(SeqCst) > 0 && !self.has_failed() {
            self.wake.notified().await;
        }
    }

    /// Waits for any confirmation.
    pub(crate) async fn progress(&self) {
        self.wake_below.store(u64::MAX, SeqCst);
        if self.records.load(SeqCst) > 0 && !self.has_failed() {
            self.wake.notified().await;
        }
        self.wake_below.store(0, SeqCst);
    }

    /// Why records were not delivered.
    pub(crate) fn failure(&self) -> Option<Code> {
        self.sent().failed
    }

    fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// Records that were refused since the last call.
    pub(crate) fn refused(&self) -> Vec<Refused> {
        std::mem::take(&mut self.sent().refused)
    }

    fn sent(&self) -> std::sync::MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record has met its fate: delivered (`None`), refused for good, or not delivered.
    fn settle(&self, number: usize, fate: Option<Code>) {
        let (id, row) = (number >> ROW_BITS & ((1 << BATCH_BITS) - 1), number & (Self::MAX_ROWS - 1));
        let mut sent = self.sent();
        let Some(index) = sent.batches.iter().position(|outstanding| outstanding.id == id) else { return };
        let outstanding = &mut sent.batches[index];
        outstanding.left = outstanding.left.saturating_sub(1);
        let each = outstanding.each;
        match fate {
            None => {}
            Some(code @ (Code::MessageSizeTooLarge | Code::InvalidRecord)) => {
                let taken = sent.batches[index].batch.take(&UInt32Array::from(vec![row as u32]));
                match taken {
                    Ok(batch) => sent.refused.push(Refused { batch, reason: reason(code) }),
                    Err(_) => sent.failed = Some(code),
                }
            }
            Some(code) => sent.failed = sent.failed.or(Some(code)),
        }
        if sent.batches[index].left == 0 {
            sent.batches.remove(index);
        }
        let failed = sent.failed.is_some();
        drop(sent);
        let bytes = self.bytes.fetch_sub(each, SeqCst) - each;
        let records = self.records.fetch_sub(1, SeqCst) - 1;
        if failed || records == 0 || bytes <= self.wake_below.load(SeqCst) {
            self.wake.notify_one();
        }
    }
}

/// Why a record will never be taken, in one line.
pub(crate) fn reason(code: Code) -> String {
    match code {
        Code::MessageSizeTooLarge => "the record is larger than the topic's max.message.bytes".to_owned(),
        Code::InvalidRecord => "the brokers say that the record is not valid for the topic".to_owned(),
        code => code.to_string(),
    }
}

/// The client's view of a producer.
pub(crate) struct Deliveries {
    watch: Watch,
    accounts: Accounts,
}

impl Deliveries {
    /// For the producers of one client.
    pub(super) fn new(watch: Watch, accounts: Accounts) -> Self {
        Self { watch, accounts }
    }
}

impl ClientContext for Deliveries {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.watch.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.watch.generate_oauth_token(config)
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let fate = match result {
            Ok(_) => None,
            Err((error, _)) => Some(error.rdkafka_error_code().unwrap_or(Code::Fail)),
        };
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(number >> (BATCH_BITS + ROW_BITS)) {
            account.settle(number, fate);
        }
    }
}
