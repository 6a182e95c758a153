//! From texts to documents: every file is read, every document checked, and every problem reported.

use std::collections::{BTreeMap, BTreeSet};

use pipectl_diag::{Diagnostic, Diagnostics, FileId, Part, Path, Place, SourceMap, codes::shape, nearest};
use serde_json::{Value, json};

use crate::{
    Kinds, Loaded, Resolver,
    interpolate::interpolate,
    lower::Document,
    schema::{ENVIRONMENT, METADATA, PIPELINE, spec_schema},
    tree::{self, Kind, Node, Origin},
    walk::{Findings, Walker, heading, shown},
};

/// A text to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// As the user named it: a path, or `<stdin>`.
    pub name: String,
    /// Its bytes, which may be anything.
    pub bytes: Vec<u8>,
}

/// The version that this build reads.
const VERSION: &str = "pipectl/v1";

/// Reads all inputs. What could not be read is left out of what is loaded, and why is reported, all of it; the places of
/// every key and value go to `map`. Documents are numbered through all inputs.
///
/// Time and memory are bounded, whatever the bytes: by the size of a file, and by how much aliases may repeat.
pub fn load(inputs: &[Input], kinds: &Kinds, resolver: &Resolver<'_>, map: &mut SourceMap) -> (Loaded, Diagnostics) {
    let schema = spec_schema(kinds);
    let mut problems = Diagnostics::new();
    let mut loaded = Loaded::default();
    let mut number = 0;
    for input in inputs {
        let file = tree::parse(&input.name, &input.bytes, map, &mut problems);
        for mut document in file.documents {
            let path = Path::document(number);
            number += 1;
            interpolate(&mut document, &path, resolver, &mut problems);
            document.record(&path, None, file.id, map);
            let mut reading = Reading { schema: &schema, kinds, file: file.id, problems: &mut problems };
            reading.document(&document, &path, &mut loaded);
        }
    }
    duplicates(&loaded, &mut problems);
    (loaded, once(problems, map))
}

struct Reading<'a> {
    schema: &'a Value,
    kinds: &'a Kinds,
    file: FileId,
    problems: &'a mut Diagnostics,
}

impl Reading<'_> {
    fn document(&mut self, document: &Node, path: &Path, loaded: &mut Loaded) {
        if !matches!(document.kind, Kind::Map(_)) {
            if document.kind != Kind::Broken {
                let title = format!("a document is a mapping, not {}", document.kind.noun());
                let problem = Diagnostic::error(shape::WRONG_TYPE, title).at(path, "");
                self.problems.push(problem.help("start with `apiVersion: pipectl/v1` and `kind: Pipeline`"));
            }
            return;
        }
        self.version(document, path);
        let (pipeline, certain) = self.which(document, path);
        let mut findings = Findings::default();
        let reference = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
        let envelope = json!({
            "type": "object",
            "properties": {
                "apiVersion": {},
                "kind": {},
                "metadata": with(reference(METADATA), &json!({ "name": "…" })),
                "spec": reference(if pipeline { PIPELINE } else { ENVIRONMENT }),
            },
            "required": ["metadata", "spec"],
            "additionalProperties": false,
        });
        let value = Walker {
            root: self.schema,
            file: self.file,
            problems: self.problems,
            findings: &mut findings,
            through: Vec::new(),
        }
        .value(document, &envelope, path);
        let Some(tree) = document.get("spec").filter(|_| certain) else { return };
        let null = Value::Null;
        let part = |key: &str| value.get(key).unwrap_or(&null);
        let document = Document {
            path,
            tree,
            spec: part("spec"),
            metadata: part("metadata"),
            findings: &findings,
            problems: self.problems,
        };
        if pipeline {
            loaded.pipelines.push(document.pipeline(self.kinds));
        } else {
            loaded.environments.push(document.environment(self.kinds));
        }
    }

    fn version(&mut self, document: &Node, path: &Path) {
        let at = path.key("apiVersion");
        let node = document.get("apiVersion");
        let problem = match node.map(|node| (&node.kind, shown(node))) {
            Some((Kind::Str(version), _)) if version == VERSION => return,
            Some((Kind::Broken, _)) => return,
            _ if is_secret(node) => return,
            Some((Kind::Str(_), shown)) => {
                let title = format!("this version of pipectl does not support the version {shown}");
                Diagnostic::error(shape::WRONG_VERSION, title)
                    .at(&at, "")
                    .fix(Place::Node(at.clone(), Part::Value), VERSION)
            }
            Some(_) => Diagnostic::error(shape::WRONG_VERSION, "`apiVersion` is not a version").at(&at, ""),
            None if misspelt(document, "apiVersion") => return,
            None => Diagnostic::error(shape::MISSING_KEY, "the document lacks the key `apiVersion`")
                .at_key(&heading(document, path), ""),
        };
        self.problems.push(problem.help(format!("write `apiVersion: {VERSION}`")));
    }

    /// Whether the document is a Pipeline, otherwise an Environment; and whether it says so. A document that does not is
    /// checked as what it seems to be, so that its other problems are reported too.
    fn which(&mut self, document: &Node, path: &Path) -> (bool, bool) {
        let at = path.key("kind");
        let spec = document.get("spec");
        let has = |keys: &[&str]| keys.iter().any(|key| spec.is_some_and(|spec| spec.get(key).is_some()));
        let seems_environment = has(&["backends", "object_store", "table"]) && !has(&["sources", "processors"]);
        let help = "write `kind: Pipeline` to define a pipeline, or `kind: Environment` to define where it runs";
        let node = document.get("kind");
        match node.map(|node| (&node.kind, shown(node))) {
            // The walk reports a secret.
            _ if is_secret(node) => (!seems_environment, false),
            Some((Kind::Str(kind), _)) if kind == "Pipeline" => (true, true),
            Some((Kind::Str(kind), _)) if kind == "Environment" => (false, true),
            Some((Kind::Str(kind), shown)) => {
                let title = format!("unknown kind of document {shown}");
                let problem = Diagnostic::error(shape::UNKNOWN_DOCUMENT, title);
                let near = nearest(kind, ["Pipeline", "Environment"]);
                let problem = match near {
                    Some(near) => problem
                        .at(&at, format!("did you mean `{near}`?"))
                        .fix(Place::Node(at.clone(), Part::Value), near),
                    None => problem.at(&at, ""),
                };
                self.problems.push(problem.help(help));
                (near.map_or(!seems_environment, |near| near == "Pipeline"), false)
            }
            Some((Kind::Broken, _)) => (!seems_environment, false),
            Some((other, _)) => {
                let title = format!("`kind` takes `Pipeline` or `Environment`, not {}", other.noun());
                self.problems.push(Diagnostic::error(shape::WRONG_TYPE, title).at(&at, "").help(help));
                (!seems_environment, false)
            }
            None => {
                if !misspelt(document, "kind") {
                    let title = "the document lacks the key `kind`";
                    self.problems.push(
                        Diagnostic::error(shape::MISSING_KEY, title).at_key(&heading(document, path), "").help(help),
                    );
                }
                (!seems_environment, false)
            }
        }
    }
}

fn is_secret(node: Option<&Node>) -> bool {
    node.is_some_and(|node| matches!(node.origin, Origin::Secret { .. }))
}

/// Whether an unknown key of the document is near to this one; the walk reports it.
fn misspelt(document: &Node, key: &str) -> bool {
    const KEYS: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
    let unknown = document.entries().iter().map(|entry| entry.key.as_str()).filter(|key| !KEYS.contains(key));
    unknown.into_iter().any(|unknown| nearest(unknown, [key]).is_some())
}

fn with(mut schema: Value, example: &Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("examples".to_owned(), json!([example]));
    }
    schema
}

/// Two documents of one kind must not share a name.
fn duplicates(loaded: &Loaded, problems: &mut Diagnostics) {
    let pipelines = loaded.pipelines.iter().map(|pipeline| ("pipelines", &pipeline.name, &pipeline.path));
    let environments =
        loaded.environments.iter().map(|environment| ("environments", &environment.name, &environment.path));
    let mut seen: BTreeMap<(&str, &String), &Path> = BTreeMap::new();
    for (kind, name, path) in pipelines.chain(environments).filter(|(_, name, _)| *name != "unnamed") {
        let place = |path: &Path| path.key("metadata").key("name");
        if let Some(first) = seen.get(&(kind, name)) {
            let title = format!("two {kind} have the name `{name}`");
            let problem = Diagnostic::error(shape::DUPLICATE_NAME, title)
                .at(&place(path), "again here")
                .related(Place::Node(place(first), Part::Value), "first here");
            problems.push(problem.help("give each document its own name"));
        } else {
            seen.insert((kind, name), path);
        }
    }
}

/// Every problem once: what an anchor holds is checked wherever an alias repeats it. In the order of the files.
fn once(problems: Diagnostics, map: &SourceMap) -> Diagnostics {
    let mut seen = BTreeSet::new();
    let mut located: Vec<_> = problems
        .into_iter()
        .filter_map(|problem| {
            let span = problem.labels.iter().find(|label| label.primary).and_then(|label| map.locate(&label.place));
            seen.insert((problem.code.as_str(), problem.title.clone(), span)).then_some((span, problem))
        })
        .collect();
    located.sort_by_key(|(span, _)| *span);
    let mut problems = Diagnostics::new();
    problems.extend(located.into_iter().map(|(_, problem)| tidy(problem)));
    problems
}

/// Keeps every text to one line of sensible length, whatever the user's names and values hold.
fn tidy(mut problem: Diagnostic) -> Diagnostic {
    let texts = std::iter::once(&mut problem.title).chain(&mut problem.help).chain(&mut problem.notes);
    for text in texts.chain(problem.labels.iter_mut().map(|label| &mut label.text)) {
        if text.chars().any(char::is_control) {
            *text = text
                .chars()
                .flat_map(|next| if next.is_control() { next.escape_default().collect() } else { vec![next] })
                .collect();
        }
        if let Some((end, _)) = text.char_indices().nth(1_000) {
            text.truncate(end);
            text.push('…');
        }
    }
    problem
}
