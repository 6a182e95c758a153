//! What the options of a function mean for an input, and all that is wrong with them.

use std::path::Path as File;

use pipectl_contract::{ColumnNeed, PlaceBy, ProcessorFacts, ProcessorTraits, StateSignature};
use pipectl_data::{DataType, Field, Schema};
use pipectl_diag::{Diagnostic, Diagnostics, Path, codes};
use serde_json::{Value, json};

use crate::{
    language::Language,
    options::{Data, FunctionOptions, Shape},
};

/// The options, understood.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) language: &'static Language,
    pub(crate) handler: String,
    /// The columns that go out as they came in.
    pub(crate) keep: Vec<String>,
    /// The columns that the function makes.
    pub(crate) returns: Schema,
    /// All that go out: those that stay, then those that the function makes.
    pub(crate) output: Schema,
}

impl Plan {
    /// Without an input (an earlier error hides it) as far as possible. A column that the input lacks is not reported here:
    /// it is among the needs.
    ///
    /// # Errors
    /// Everything that is wrong, with paths relative to the options.
    pub(crate) fn new(options: &FunctionOptions, input: Option<&Schema>, is_sink: bool) -> Result<Self, Diagnostics> {
        let mut found = Diagnostics::new();
        let language = Language::of(File::new(&options.file));
        if language.is_none() {
            let title = format!("`{}` has no extension of a language that pipectl runs", options.file);
            let problem = Diagnostic::error(codes::options::INVALID_OPTION, title).at(&Path::keys(["file"]), "");
            found.push(problem.help(format!("the extensions are {}", Language::all_extensions())));
        }
        for (option, program) in options.programs() {
            let Some(language) = language.filter(|language| program.is_some() && language.option != option) else {
                continue;
            };
            let title = format!("`{option}` is not for `{}`, which is {}", options.file, language.name);
            let problem = Diagnostic::error(codes::options::OPTION_NOT_FOR_THIS, title);
            found.push(problem.at(&Path::keys([option]), "").help(format!("write `{}: …`", language.option)));
        }
        if options.returns.is_empty() && !is_sink {
            let problem = Diagnostic::error(codes::options::INVALID_OPTION, "`returns` names no column");
            let help = "name what the function returns, with its type: `returns: { score: float64 }`";
            found.push(problem.at(&Path::keys(["returns"]), "").help(help));
        }
        if options.shape == Shape::LambdaKinesis && !is_sink {
            let title = "a function of `shape: lambda_kinesis` returns no records, so nothing can read it";
            let problem = Diagnostic::error(codes::options::INVALID_OPTION, title).at(&Path::keys(["shape"]), "");
            found.push(problem.help("write the node under `sinks`"));
        }
        if options.shape == Shape::Record && options.batch_size.is_some() {
            let title = "`batch_size` is not for `shape: record`, which is called with one";
            let problem = Diagnostic::error(codes::options::OPTION_NOT_FOR_THIS, title);
            found.push(problem.at(&Path::keys(["batch_size"]), "").help("leave it out, or write `shape: batch`"));
        }
        if options.shape != Shape::Record && !options.key.is_empty() {
            let title = "`key` needs `shape: record`: a batch has records of many keys";
            let problem = Diagnostic::error(codes::options::INVALID_OPTION, title).at(&Path::keys(["shape"]), "");
            found.push(problem.help("leave out `shape`, or `key`"));
        }
        let mut keep = Vec::new();
        if let Some(input) = input {
            for (index, name) in options.key.iter().enumerate() {
                if let Some((_, field)) = input.find(name).filter(|(_, field)| field.data_type.is_nested()) {
                    let title = format!("column `{name}` is of type {}, which cannot be a key", field.data_type);
                    let problem = Diagnostic::error(codes::schema::BAD_KEY, title);
                    let help = "name a column of a plain type; a query can take one out of it";
                    found.push(problem.at(&Path::keys(["key"]).index(index), "").help(help));
                }
            }
            let stays = |name: &str| match &options.keep {
                Some(keep) => keep.iter().any(|kept| kept == name),
                None => !options.returns.contains_key(name),
            };
            keep = input.names().filter(|name| stays(name)).map(str::to_owned).collect();
            for (index, name) in options.keep.iter().flatten().enumerate() {
                let at = Path::keys(["keep"]).index(index);
                if options.returns.contains_key(name) {
                    let title = format!("`keep` and `returns` both name `{name}`");
                    let problem = Diagnostic::error(codes::options::INVALID_OPTION, title).at(&at, "");
                    found.push(problem.help("leave it out of `keep`: the function makes it"));
                }
            }
        }
        let (Some(language), false) = (language, found.has_errors()) else { return Err(found) };
        let returns = Schema::new(options.returns.iter().map(|(name, column)| column.field(name)));
        let kept = input.map(|input| input.project(|field| keep.contains(&field.name)));
        let kept = kept.iter().flat_map(Schema::fields);
        let output = kept.map(|field| Field { data_type: field.data_type.logical(), ..field.clone() });
        let output = Schema::new(output.chain(returns.fields().iter().cloned()));
        let handler = options.handler.clone().unwrap_or_else(|| options.shape.handler(language).to_owned());
        Ok(Self { language, handler, keep, returns, output })
    }

    /// The facts of a node with these options.
    pub(crate) fn facts(&self, options: &FunctionOptions, input: Option<&Schema>) -> ProcessorFacts {
        let need = |list: &'static str, names: &[String]| {
            let names = names.iter().enumerate();
            let need = |(index, name): (usize, &String)| ColumnNeed::new(name.clone(), Path::keys([list]).index(index));
            names.map(need).collect::<Vec<_>>()
        };
        let mut needs = need("key", &options.key);
        needs.extend(need("keep", options.keep.as_deref().unwrap_or_default()));
        let is_keyed = !options.key.is_empty();
        ProcessorFacts {
            needs,
            output: self.output.clone(),
            traits: ProcessorTraits {
                reads: None,
                place_by: if is_keyed { PlaceBy::Columns(options.key.clone()) } else { PlaceBy::Anywhere },
                state: is_keyed.then(|| state_signature(&options.key, input)),
                calls: true,
                keeps: self.keep.iter().map(|name| (name.clone(), name.clone())).collect(),
            },
            needs_event_time: false,
        }
    }

    /// What a worker gets first. `file` is the way to the file, `data` how a payload is given.
    pub(crate) fn hello(
        &self,
        options: &FunctionOptions,
        node: &str,
        input: &Schema,
        file: &File,
        sink: Option<Data>,
    ) -> Vec<u8> {
        let hello = json!({
            "node": node,
            "sink": sink.is_some(),
            "data": match sink {
                Some(Data::Text) => "text",
                _ => "base64",
            },
            "batch_size": options.batch_size.unwrap_or_else(|| options.shape.batch_size()),
            "memory": options.memory.0,
            "timeout": options.timeout.0.as_secs_f64(),
            "file": file,
            "handler": self.handler,
            "shape": options.shape.word(),
            "columns": columns(input),
            "returns": columns(&self.returns),
            "key": options.key,
        });
        hello.to_string().into_bytes()
    }
}

fn columns(schema: &Schema) -> Vec<Value> {
    let column = |field: &Field| {
        let mut column = kind(&field.data_type);
        column["name"] = json!(field.name);
        column
    };
    schema.fields().iter().map(column).collect()
}

fn kind(data_type: &DataType) -> Value {
    let data_type = data_type.logical();
    match &data_type {
        DataType::List(of) => json!({ "type": "list", "of": kind(of) }),
        DataType::Struct(fields) => json!({ "type": "struct", "fields": columns(fields) }),
        plain => json!({ "type": plain.word() }),
    }
}

/// What the state of a function depends on: the keys that it is kept by. The code may change.
fn state_signature(key: &[String], input: Option<&Schema>) -> StateSignature {
    let data_type = |name: &str| input?.find(name).map(|(_, field)| field.data_type.to_string());
    StateSignature::fixed([("key", key.iter().map(|name| json!({ name.as_str(): data_type(name) })).collect())])
}
