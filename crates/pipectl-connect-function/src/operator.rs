//! The operator: hands records to the worker, a call at a time, and takes what it gives in their order.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use arrow_array::RecordBatch;
use pipectl_contract::{Calls, OpenContext, Operator, OperatorError, Output};
use pipectl_data::{Batch, END_OF_TIME, Micros, START_OF_TIME, Schema, Share, encode::jsonl};
use pipectl_host::Host;

use crate::{
    call::{Answer, Call, Caller},
    kept::KeyedState,
    launch::{Launch, StartError},
    options::FunctionOptions,
    plan::Plan,
    rows::{Rows, broken},
    worker::Leash,
};

/// Records of one call at most: what one write to the worker and its memory can take.
const ROWS: usize = 4096;
/// Records of the first call.
const FIRST_ROWS: usize = 64;
/// How long a call takes, about, in microseconds: what it gives goes on when it is done.
const CALL: Micros = 100_000;

/// The running form of a `function` processor.
pub struct FunctionOperator {
    launch: Launch,
    /// Whether the function gets where records come from.
    with_places: bool,
    host: Host,
    input: Schema,
    /// The columns whose values have a state of their own.
    key: Schema,
    rows: Rows,
    kept: KeyedState,
    /// What is to be done, in order.
    waiting: VecDeque<Job>,
    running: Option<Running>,
    /// Where calls are made, while none is.
    caller: Option<Caller>,
    leash: Leash,
    /// Records that one call takes, so that it takes about as long as [`CALL`].
    rows_per_call: usize,
    /// The newest watermark that came, and the newest that is done with.
    watermark: Micros,
    passed: Micros,
    /// Whether `passed` has grown since it was asked for.
    has_passed: bool,
}

enum Job {
    /// Load the function.
    Load,
    Records(Batch),
    Watermark(Micros),
}

struct Running {
    what: Task,
    /// When the call began.
    since: Micros,
    call: Pin<Box<dyn Future<Output = Called> + Send>>,
}

enum Task {
    Load,
    Records(Batch),
}

/// Where a call was made, and what came of it.
type Called = (Caller, Result<Answer, StartError>);

impl std::fmt::Debug for FunctionOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionOperator").field("launch", &self.launch).finish_non_exhaustive()
    }
}

impl FunctionOperator {
    /// An operator for an input of these columns. Its worker is started when the runtime first asks for answers.
    ///
    /// # Errors
    /// What `check` of the kind finds.
    pub fn new(options: &FunctionOptions, context: OpenContext) -> Result<Self, OperatorError> {
        let OpenContext { node, input, host, directory, .. } = context;
        let plan = Plan::new(options, Some(&input), false).map_err(|problems| {
            OperatorError(problems.iter().map(|problem| problem.title.as_str()).collect::<Vec<_>>().join("; "))
        })?;
        let launch = Launch::new(options, &plan, &node, &input, &directory, None);
        let leash = Leash::default();
        let key = input.project(|field| options.key.contains(&field.name));
        Ok(Self {
            caller: Some(Caller::new(launch.clone(), leash.clone())),
            leash,
            with_places: options.shape.is_lambda(),
            launch,
            host,
            rows: Rows::new(&plan, !key.fields().is_empty()),
            input,
            key,
            kept: KeyedState::default(),
            waiting: VecDeque::from([Job::Load]),
            running: None,
            rows_per_call: FIRST_ROWS,
            watermark: START_OF_TIME,
            passed: START_OF_TIME,
            has_passed: false,
        })
    }

    fn is_keyed(&self) -> bool {
        !self.key.fields().is_empty()
    }

    /// Begins what is next; answers whether something is under way.
    fn begin(&mut self) -> Result<bool, OperatorError> {
        while self.running.is_none() {
            match self.waiting.pop_front() {
                None => return Ok(false),
                Some(Job::Load) => self.run(Task::Load, None),
                Some(Job::Records(mut batch)) => {
                    if batch.len() > self.rows_per_call {
                        let rest = batch.slice(self.rows_per_call, batch.len() - self.rows_per_call);
                        self.waiting.push_front(Job::Records(rest.map_err(broken)?));
                        batch = batch.slice(0, self.rows_per_call).map_err(broken)?;
                    }
                    let call = self.call(&batch)?;
                    self.run(Task::Records(batch), Some(call));
                }
                Some(Job::Watermark(watermark)) => (self.passed, self.has_passed) = (watermark, true),
            }
        }
        Ok(true)
    }

    fn run(&mut self, what: Task, call: Option<Call>) {
        let (host, launch, leash) = (self.host.clone(), self.launch.clone(), self.leash.clone());
        let caller = self.caller.take();
        let future = async move {
            let work = move || {
                let mut caller = caller.unwrap_or_else(|| Caller::new(launch, leash));
                let answer = match call {
                    Some(call) => caller.call(&call),
                    None => caller.start().map(|()| Answer::default()),
                };
                (caller, answer)
            };
            host.blocking(work).await
        };
        self.running = Some(Running { what, since: self.host.now(), call: Box::pin(future) });
    }

    /// A batch as the worker reads it.
    fn call(&self, batch: &Batch) -> Result<Call, OperatorError> {
        let mut call = Call::of(batch, &self.input, self.with_places).map_err(broken)?;
        call.watermark = known(self.passed);
        if let (true, Some(columns)) = (self.is_keyed(), &batch.columns) {
            let keys = self.keys(columns)?;
            call.kept = self.kept.of(keys.iter().map(String::as_str));
            call.keys = Some(keys);
        }
        Ok(call)
    }

    /// The key of each row: the JSON of its columns.
    fn keys(&self, columns: &RecordBatch) -> Result<Vec<String>, OperatorError> {
        let schema = &self.key;
        let indices = schema.names().map(|name| columns.schema_ref().index_of(name)).collect::<Result<Vec<_>, _>>();
        let columns = columns.project(&indices.map_err(broken)?).map_err(broken)?;
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        jsonl::write_rows(&columns, schema, &mut text, &mut ends).map_err(broken)?;
        let mut start = 0;
        let keys = ends.into_iter().map(|end| {
            let key = String::from_utf8_lossy(&text[start..end]).trim_end().to_owned();
            start = end;
            key
        });
        Ok(keys.collect())
    }

    fn take(&mut self, what: &Task, answer: Answer, out: &mut Output) -> Result<(), OperatorError> {
        if let Task::Records(batch) = what {
            self.rows.records(batch, &answer, out)?;
        }
        self.kept.change(answer.kept);
        Ok(())
    }
}

/// How many records the next call takes after one of so many took so long.
fn rows_per_call(rows: usize, took: Micros) -> usize {
    // No more than four times as many: the first records of a block may be others than the rest.
    let fitting = i64::try_from(rows).unwrap_or(i64::MAX).saturating_mul(CALL) / took.max(1);
    usize::try_from(fitting).unwrap_or(1).clamp(1, (4 * rows).min(ROWS))
}

impl Drop for FunctionOperator {
    fn drop(&mut self) {
        // A call that is under way ends with it.
        if self.running.is_some() {
            self.leash.kill();
        }
    }
}

/// The watermark as a function sees it.
fn known(watermark: Micros) -> Option<Micros> {
    (watermark > START_OF_TIME && watermark < END_OF_TIME).then_some(watermark)
}

impl Operator for FunctionOperator {
    fn on_batch(&mut self, batch: Batch, _out: &mut Output) -> Result<(), OperatorError> {
        if !batch.is_empty() {
            self.waiting.push_back(Job::Records(batch));
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Micros, _out: &mut Output) -> Result<(), OperatorError> {
        if watermark <= self.watermark {
            return Ok(());
        }
        self.watermark = watermark;
        match self.waiting.back_mut() {
            // Nothing came between them.
            Some(Job::Watermark(before)) => *before = watermark,
            None if self.running.is_none() => (self.passed, self.has_passed) = (watermark, true),
            _ => self.waiting.push_back(Job::Watermark(watermark)),
        }
        Ok(())
    }

    fn calls(&mut self) -> Option<&mut dyn Calls> {
        Some(self)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, OperatorError> {
        self.kept.write()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), OperatorError> {
        if snapshot.is_empty() { Ok(()) } else { self.kept.read(snapshot, None) }
    }

    fn restore_share(&mut self, snapshot: &[u8], share: &Share) -> Result<(), OperatorError> {
        self.kept.read(snapshot, Some((&self.key, share)))
    }

    fn state_bytes(&self) -> usize {
        self.kept.bytes()
    }
}

impl Calls for FunctionOperator {
    fn has_room(&self) -> bool {
        !self.waiting.iter().any(|job| matches!(job, Job::Records(_)))
    }

    fn is_waiting(&self) -> bool {
        self.running.is_some() || !self.waiting.is_empty()
    }

    fn poll_answer(&mut self, context: &mut Context<'_>, out: &mut Output) -> Poll<Result<(), OperatorError>> {
        match self.begin() {
            Ok(true) => {}
            // The watermark may have passed.
            Ok(false) => return if self.has_passed { Poll::Ready(Ok(())) } else { Poll::Pending },
            Err(error) => return Poll::Ready(Err(error)),
        }
        let Some(running) = &mut self.running else { return Poll::Pending };
        let Poll::Ready((caller, answer)) = running.call.as_mut().poll(context) else { return Poll::Pending };
        let since = running.since;
        let what = self.running.take().map(|running| running.what);
        if let Some(Task::Records(batch)) = &what {
            self.rows_per_call = rows_per_call(batch.len(), self.host.now().saturating_sub(since));
        }
        self.caller = Some(caller);
        let taken = match (what, answer) {
            (Some(what), Ok(answer)) => self.take(&what, answer, out),
            (_, Err(error)) => Err(OperatorError(self.launch.refusal(&error))),
            (None, Ok(_)) => Ok(()),
        };
        // What needs no call is done now, so that a watermark leaves with the answers before it.
        Poll::Ready(taken.and_then(|()| self.begin().map(drop)))
    }

    fn take_watermark(&mut self) -> Option<Micros> {
        std::mem::take(&mut self.has_passed).then_some(self.passed)
    }
}
