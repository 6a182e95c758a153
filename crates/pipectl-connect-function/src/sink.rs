//! A function as a sink: code that sends records somewhere, or that was written for AWS Lambda and returns none.

use async_trait::async_trait;
use pipectl_contract::{
    Checked, ConnectorError, ErrorKind, NodeContext, Parallelism, Rejection, Sink, SinkContext, SinkFacts, SinkWriter,
};
use pipectl_data::{Batch, Schema};
use pipectl_diag::{Diagnostic, Path, codes};
use pipectl_host::Host;

use crate::{
    call::{Answer, Call, Caller},
    launch::{Launch, StartError},
    options::{FunctionSinkOptions, SinkShape},
    plan::Plan,
    worker::Leash,
};

/// The sink `function`: at least once, since what code has done cannot be taken back.
#[derive(Debug)]
pub struct FunctionSink;

#[async_trait]
impl Sink for FunctionSink {
    type Options = FunctionSinkOptions;
    /// The code runs beside pipectl.
    type Binding = ();
    const KIND: &'static str = "function";

    fn check(&self, options: &FunctionSinkOptions, (): &(), node: NodeContext<'_>) -> Checked<SinkFacts> {
        let mut found = match Plan::new(&options.of_processor(), node.input, true) {
            Ok(_) => pipectl_diag::Diagnostics::new(),
            Err(found) => found,
        };
        if options.data.is_some() && options.shape != SinkShape::LambdaKinesis {
            let title = "`data` is for `shape: lambda_kinesis` only";
            let problem = Diagnostic::error(codes::options::OPTION_NOT_FOR_THIS, title).at(&Path::keys(["data"]), "");
            found.push(problem.help("leave it out: the function gets records with their columns"));
        }
        let facts = SinkFacts {
            needs: Vec::new(),
            needs_event_time: None,
            takes_payload: false,
            exclusive: Vec::new(),
            writes: Vec::new(),
            parallelism: Parallelism::PerPartition,
            idempotent: false,
            shareable: true,
        };
        Checked::new(facts, found)
    }

    async fn open(
        &self,
        options: FunctionSinkOptions,
        (): (),
        context: SinkContext,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let SinkContext { host, node, directory, schema, .. } = context;
        let (data, options) = (options.data.unwrap_or_default(), options.of_processor());
        let plan = Plan::new(&options, Some(&schema), true);
        let plan = plan.map_err(|_| ConnectorError::new(ErrorKind::Invalid, "the options cannot be used"))?;
        let launch = Launch::new(&options, &plan, &node, &schema, &directory, Some(data));
        let leash = Leash::default();
        let caller = Caller::new(launch.clone(), leash.clone());
        let with_places = options.shape.is_lambda();
        let mut writer = Writer { host, schema, launch, with_places, caller: Some(caller), leash };
        // A function that cannot be loaded is a fault before the first record.
        writer.with_caller(|caller| caller.start().map(|()| Answer::default())).await?;
        Ok(Box::new(writer))
    }

    fn describe(&self, options: &FunctionSinkOptions, (): &(), _output: &str, _node: &str) -> String {
        format!("calls of {}", options.file)
    }
}

struct Writer {
    host: Host,
    schema: Schema,
    launch: Launch,
    /// Whether the function gets where records come from.
    with_places: bool,
    caller: Option<Caller>,
    leash: Leash,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A call that is under way ends with it.
        if self.caller.is_none() {
            self.leash.kill();
        }
    }
}

impl Writer {
    async fn with_caller(
        &mut self,
        work: impl FnOnce(&mut Caller) -> Result<Answer, StartError> + Send + 'static,
    ) -> Result<Answer, ConnectorError> {
        let mut caller = self.caller.take().unwrap_or_else(|| Caller::new(self.launch.clone(), self.leash.clone()));
        let (caller, answer) = self
            .host
            .blocking(move || {
                let answer = work(&mut caller);
                (caller, answer)
            })
            .await;
        self.caller = Some(caller);
        answer.map_err(|error| ConnectorError::new(ErrorKind::Invalid, self.launch.refusal(&error)))
    }
}

#[async_trait]
impl SinkWriter for Writer {
    async fn write(&mut self, batch: &Batch) -> Result<Vec<Rejection>, ConnectorError> {
        let broken = |error: arrow_schema::ArrowError| ConnectorError::new(ErrorKind::Internal, error.to_string());
        let call = Call::of(batch, &self.schema, self.with_places).map_err(broken)?;
        let answer = self.with_caller(move |caller| caller.call(&call)).await?;
        let rejected = answer.failed.iter();
        let mut rejected: Vec<Rejection> =
            rejected.map(|(row, fault)| Rejection { row: *row as usize, reason: fault.text() }).collect();
        rejected.sort_by_key(|rejection| rejection.row);
        Ok(rejected)
    }

    async fn checkpoint(&mut self) -> Result<Vec<u8>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn committed(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), ConnectorError> {
        Ok(())
    }
}
