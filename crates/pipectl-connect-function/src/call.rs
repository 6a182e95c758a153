//! One call of a function: a block of records, whatever becomes of the worker meanwhile.
//!
//! A worker that is lost is started again and given the rest, one record at a time until the one is found that it is lost
//! at: that record is a dead letter, the others are called again. So a record can be called twice, which only side effects
//! of the function can tell; what it gave and what it kept of the first time is not used.

use std::collections::BTreeMap;

use arrow_array::Array as _;
use arrow_schema::ArrowError;
use pipectl_data::{Batch, Schema, encode::jsonl};
use serde::{Deserialize, Serialize};

use crate::{
    frame,
    launch::{Launch, StartError},
    worker::{Fault, Leash, Lost, Worker},
};

/// So many records in a row at which a worker was lost are no accident: the function cannot run.
const LOST_IN_A_ROW: u32 = 5;

/// What a function is called with.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The records as lines of JSON.
    pub(crate) rows: Vec<u8>,
    /// The end of each record in `rows`.
    pub(crate) ends: Vec<usize>,
    /// The key of each record, if the function keeps state.
    pub(crate) keys: Option<Vec<String>>,
    /// Where each record comes from, for functions that get this.
    pub(crate) places: Option<Vec<Place>>,
    /// The state of these keys.
    pub(crate) kept: Kept,
    /// No older record is expected.
    pub(crate) watermark: Option<i64>,
}

impl Call {
    /// With the records of a batch of these columns; `with_places` says whether the function gets where they come from.
    pub(crate) fn of(batch: &Batch, schema: &Schema, with_places: bool) -> Result<Self, ArrowError> {
        let columns = batch.columns.as_ref();
        let columns = columns.ok_or_else(|| ArrowError::SchemaError("a batch has no columns".to_owned()))?;
        // Several inputs may have them in another order.
        let indices = schema.names().map(|name| columns.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let columns = &columns.project(&indices)?;
        let mut call = Self::default();
        jsonl::write_rows(columns, schema, &mut call.rows, &mut call.ends)?;
        if with_places {
            let place = |row: usize| {
                let key = batch.keys.as_ref().filter(|keys| keys.is_valid(row));
                let key = key.map(|keys| String::from_utf8_lossy(keys.value(row)).into_owned());
                (batch.partition, batch.offsets.value(row), batch.arrival.value(row), key)
            };
            call.places = Some((0..batch.len()).map(place).collect());
        }
        Ok(call)
    }
}

/// The partition of a record, its position there, when it came (microseconds since 1970), and its key.
pub(crate) type Place = (u32, i64, i64, Option<String>);

/// What a function keeps for some keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Kept {
    /// The state of a key as JSON.
    #[serde(default)]
    pub(crate) states: BTreeMap<String, String>,
}

impl Kept {
    fn merge(&mut self, changed: Self) {
        self.states.extend(changed.states);
    }
}

/// What came of a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The rows of each record that is done, as lines of JSON: its number, then its rows.
    pub(crate) done: Vec<(u32, Vec<u8>)>,
    /// The records that failed.
    pub(crate) failed: Vec<(u32, Fault)>,
    /// What has changed of what the function keeps.
    pub(crate) kept: Kept,
}

/// How a call is written for the worker.
#[derive(Serialize)]
struct Head<'a> {
    first: usize,
    careful: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    places: Option<&'a [Place]>,
    states: BTreeMap<&'a str, &'a str>,
    watermark: Option<i64>,
}

#[derive(Deserialize)]
struct Commit {
    next: usize,
    #[serde(flatten)]
    kept: Kept,
}

/// Where a function is called.
#[derive(Debug)]
pub(crate) struct Caller {
    launch: Launch,
    leash: Leash,
    worker: Option<Worker>,
    lost_in_a_row: u32,
}

impl Caller {
    /// `leash` is for who must end the worker while it is called.
    pub(crate) fn new(launch: Launch, leash: Leash) -> Self {
        Self { launch, leash, worker: None, lost_in_a_row: 0 }
    }

    /// Starts the worker, if there is none.
    pub(crate) fn start(&mut self) -> Result<(), StartError> {
        if self.worker.is_none() {
            self.worker = Some(Worker::start(&self.launch, &self.leash)?);
        }
        Ok(())
    }

    /// Calls the function.
    ///
    /// # Errors
    /// If it cannot be loaded, or its worker is lost at one record after another.
    pub(crate) fn call(&mut self, call: &Call) -> Result<Answer, StartError> {
        let mut answer = Answer::default();
        let (mut next, mut careful) = (0, false);
        let count = call.ends.len();
        while next < count {
            self.start()?;
            let Some(worker) = &mut self.worker else { continue };
            let before = next;
            worker.send(frame::CALL, &written(call, &answer.kept, next, careful));
            let Err(lost) = receive(worker, &mut answer, &mut next) else { break };
            self.worker = None;
            if next > before {
                self.lost_in_a_row = 0;
            }
            // Memory that records before it have left behind is not the fault of this one.
            let is_elsewhere = lost == Lost::OutOfMemory && next > before;
            if !careful || is_elsewhere || next >= count {
                careful = true;
                continue;
            }
            self.lost_in_a_row += 1;
            if self.lost_in_a_row >= LOST_IN_A_ROW {
                return Err(StartError::Lost(lost));
            }
            answer.failed.push((next as u32, self.fault(&lost)));
            next += 1;
            careful = false;
        }
        if !answer.done.is_empty() {
            self.lost_in_a_row = 0;
        }
        Ok(answer)
    }

    /// What a dead letter says of a record at which the worker was lost.
    fn fault(&self, lost: &Lost) -> Fault {
        Fault { error: format!("the worker {} at this record", self.launch.describe(lost)), trace: String::new() }
    }
}

/// A call from record `first` on; `changed` is what the records before it have changed.
fn written(call: &Call, changed: &Kept, first: usize, careful: bool) -> Vec<u8> {
    let mut states: BTreeMap<&str, &str> = BTreeMap::new();
    for kept in [&call.kept, changed] {
        states.extend(kept.states.iter().map(|(key, state)| (key.as_str(), state.as_str())));
    }
    let head = Head {
        first,
        careful,
        keys: call.keys.as_ref().and_then(|keys| keys.get(first..)),
        places: call.places.as_ref().and_then(|places| places.get(first..)),
        states,
        watermark: call.watermark,
    };
    let mut body = serde_json::to_vec(&head).unwrap_or_default();
    body.push(b'\n');
    let start = if first == 0 { 0 } else { call.ends.get(first - 1).copied().unwrap_or(call.rows.len()) };
    body.extend_from_slice(call.rows.get(start..).unwrap_or_default());
    body
}

/// Takes answers until the call is done. Only what has been committed counts.
fn receive(worker: &mut Worker, answer: &mut Answer, next: &mut usize) -> Result<(), Lost> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let garbage = || Lost::Exited("sent an answer that cannot be read".to_owned());
    loop {
        let frame = worker.next()?;
        match frame.letter {
            frame::DONE => {
                let (number, rows) = frame.numbered().ok_or_else(garbage)?;
                done.push((number, rows.to_vec()));
            }
            frame::FAULT => {
                let (number, fault) = frame.numbered().ok_or_else(garbage)?;
                failed.push((number, serde_json::from_slice(fault).map_err(|_| garbage())?));
            }
            frame::COMMIT => {
                let commit: Commit = serde_json::from_slice(&frame.body).map_err(|_| garbage())?;
                answer.done.append(&mut done);
                answer.failed.append(&mut failed);
                answer.kept.merge(commit.kept);
                *next = commit.next;
            }
            frame::END => return Ok(()),
            _ => return Err(garbage()),
        }
    }
}
