//! What is started for a function, and why that fails.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use pipectl_data::{Schema, units};

use crate::{
    language::Language,
    options::{Data, FunctionOptions},
    plan::Plan,
    worker::{Fault, LOAD, Lost},
};

/// What to start, and what it may do.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The name of the node, for the log.
    pub(crate) node: String,
    /// The file as messages name it.
    file: PathBuf,
    pub(crate) language: &'static Language,
    /// The interpreter.
    pub(crate) program: String,
    /// What the worker gets first (JSON).
    pub(crate) hello: Vec<u8>,
    /// How long it may take for one record.
    pub(crate) timeout: Duration,
    /// Bytes of resident memory that it may have.
    pub(crate) memory: u64,
}

/// Why a function cannot be run at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartError {
    /// There is no such program, or it may not be run.
    Program(String),
    /// The function cannot be loaded.
    Unloaded(Fault),
    /// The worker was lost before it was ready.
    NotReady(Lost),
    /// The worker was lost at one record after another.
    Lost(Lost),
}

impl Launch {
    /// For the node of this name; `sink` says how a sink gives payloads.
    pub(crate) fn new(
        options: &FunctionOptions,
        plan: &Plan,
        node: &str,
        input: &Schema,
        directory: &Path,
        sink: Option<Data>,
    ) -> Self {
        let file = directory.join(&options.file);
        let whole = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
        let named = options.programs().into_iter().find(|(option, _)| *option == plan.language.option);
        Self {
            node: node.to_owned(),
            file,
            language: plan.language,
            program: match named {
                Some((_, Some(program))) => program.clone(),
                _ => plan.language.program.to_owned(),
            },
            hello: plan.hello(options, node, input, &whole, sink),
            timeout: options.timeout.0,
            memory: options.memory.0,
        }
    }

    /// Why the function cannot be run, for people.
    pub(crate) fn refusal(&self, error: &StartError) -> String {
        let Self { program, language, .. } = self;
        let file = self.file.display();
        match error {
            StartError::Program(_) | StartError::Unloaded(_) if !self.file.is_file() => {
                format!("there is no file `{file}`")
            }
            StartError::Program(reason) => {
                let option = language.option;
                let name = language.name;
                format!("cannot start `{program}`, which runs {name}: {reason}; name another one with `{option}`")
            }
            StartError::Unloaded(fault) if fault.trace.is_empty() => fault.error.clone(),
            StartError::Unloaded(fault) => format!("cannot load `{file}`: {}\n{}", fault.error, fault.trace.trim_end()),
            StartError::NotReady(Lost::TimedOut) => {
                let limit = units::Duration(self.timeout.max(LOAD));
                format!("cannot load `{file}`: it takes longer than {limit}; a longer `timeout` waits longer")
            }
            StartError::NotReady(lost) => {
                format!("cannot load `{file}`: the worker {}; what it printed is in the log", self.describe(lost))
            }
            StartError::Lost(lost) => {
                format!("cannot run `{file}`: the worker {} at several records in a row", self.describe(lost))
            }
        }
    }

    /// What happened, after "the worker".
    pub(crate) fn describe(&self, lost: &Lost) -> String {
        match lost {
            Lost::Exited(how) => how.clone(),
            Lost::TimedOut => format!("took longer than `timeout: {}`", units::Duration(self.timeout)),
            Lost::OutOfMemory => format!("used more than `memory: {}`", units::Size(self.memory)),
        }
    }
}
