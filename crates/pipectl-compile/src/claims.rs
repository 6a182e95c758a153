//! Who reads and writes what outside: no two sinks may write to one place, and no sink what a source reads.

use pipectl_contract::FileSet;
use pipectl_diag::{Diagnostic, Diagnostics, Part, Path, Place, codes};

use crate::nodes::CheckedNode;

/// The places outside of one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pipeline: String,
    owned: Vec<Owned>,
    reads: Vec<Files>,
    writes: Vec<Files>,
}

/// A place that a sink must have for itself.
#[derive(Debug)]
struct Owned {
    place: String,
    path: Path,
    is_dead_letters: bool,
}

/// Files of a node.
#[derive(Debug)]
struct Files {
    /// The node, as in "sink `out`".
    node: String,
    set: FileSet,
    /// The same files as the disk knows them.
    on_disk: FileSet,
    path: Path,
}

/// Makes a path absolute and follows links, as far as there is something on the disk.
pub type RealPath<'a> = &'a dyn Fn(&std::path::Path) -> std::path::PathBuf;

/// Standard output: several pipelines may print.
const SHARED: &str = "standard output";

/// What the dead letters' sink claims: places and files.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterClaims {
    pub(crate) exclusive: Vec<(String, Path)>,
    pub(crate) writes: Vec<(FileSet, Path)>,
}

impl Claims {
    /// Those of a pipeline's nodes, which have these names, and of its dead letters.
    pub(crate) fn of<'a>(
        pipeline: &str,
        nodes: impl Iterator<Item = (&'a str, &'a CheckedNode)>,
        dead_letters: DeadLetterClaims,
        real_path: RealPath<'_>,
    ) -> Self {
        let mut claims = Self { pipeline: pipeline.to_owned(), ..Self::default() };
        for (name, node) in nodes {
            claims.owned.extend(node.exclusive.iter().map(|(place, path)| Owned {
                place: place.clone(),
                path: path.clone(),
                is_dead_letters: false,
            }));
            let files = |word: &str, all: &[(FileSet, Path)]| {
                let one = |(files, path): &(FileSet, Path)| Files {
                    node: format!("{word} `{name}`"),
                    set: files.clone(),
                    on_disk: files.on_disk(real_path),
                    path: path.clone(),
                };
                all.iter().map(one).collect::<Vec<_>>()
            };
            claims.reads.extend(files("source", &node.reads));
            claims.writes.extend(files("sink", &node.writes));
        }
        claims.owned.extend(dead_letters.exclusive.into_iter().map(|(place, path)| Owned {
            place,
            path,
            is_dead_letters: true,
        }));
        claims.writes.extend(dead_letters.writes.into_iter().map(|(files, path)| Files {
            node: "the sink of the dead letters".to_owned(),
            on_disk: files.on_disk(real_path),
            set: files,
            path,
        }));
        claims
    }

    /// Reports what two nodes of this pipeline must not share.
    pub(crate) fn check(&self, diagnostics: &mut Diagnostics) {
        for (index, owned) in self.owned.iter().enumerate() {
            if let Some(other) = self.owned.iter().take(index).find(|other| other.place == owned.place) {
                diagnostics.push(shared(owned, other, None));
            }
        }
        self.check_inputs(self, diagnostics);
    }

    /// Reports what a node of this pipeline must not share with one of another pipeline of the same run.
    pub(crate) fn check_with(&self, other: &Self, diagnostics: &mut Diagnostics) {
        // Two pipelines of one name are an error of their own.
        if self.pipeline == other.pipeline {
            return;
        }
        for owned in self.owned.iter().filter(|owned| owned.place != SHARED) {
            if let Some(first) = other.owned.iter().find(|first| first.place == owned.place) {
                diagnostics.push(shared(owned, first, Some((&self.pipeline, &other.pipeline))));
            }
        }
        self.check_inputs(other, diagnostics);
        other.check_inputs(self, diagnostics);
    }

    /// Reports sinks of this pipeline that write what sources of the other read.
    fn check_inputs(&self, other: &Self, diagnostics: &mut Diagnostics) {
        for Files { node: sink, set: written, on_disk, path } in &self.writes {
            let Some(read) = other.reads.iter().find(|read| read.on_disk.meets(on_disk)) else { continue };
            let of = if self.pipeline == other.pipeline {
                String::new()
            } else {
                format!(" of pipeline `{}`", other.pipeline)
            };
            let pattern = read.set.to_string();
            let problem = Diagnostic::error(
                codes::graph::OUTPUT_IS_INPUT,
                format!("{sink} writes `{written}`, which {}{of} reads", read.node),
            )
            .at(path, "written here")
            .related(Place::Node(read.path.clone(), Part::Value), "read here");
            diagnostics.push(if pattern == written.to_string() {
                problem.help("write to another file")
            } else {
                problem.help(format!("write to a file that `{pattern}` does not match, or narrow the pattern"))
            });
        }
    }
}

fn shared(owned: &Owned, first: &Owned, pipelines: Option<(&str, &str)>) -> Diagnostic {
    // Dead letters come last, but it is the sink that somebody wrote down.
    let (at, other) = if owned.is_dead_letters && !first.is_dead_letters { (first, owned) } else { (owned, first) };
    let place = &owned.place;
    let (title, what) = match pipelines {
        Some((one, other)) => {
            (format!("pipelines `{other}` and `{one}` both write to {place}"), "the first one".to_owned())
        }
        None if owned.is_dead_letters => {
            (format!("a sink writes to {place}, where dead letters go"), "the dead letters".to_owned())
        }
        None => (format!("two sinks write to {place}"), "the first one".to_owned()),
    };
    Diagnostic::error(codes::graph::SHARED_OUTPUT, title)
        .at(&at.path, "")
        .related(Place::Node(other.path.clone(), Part::Value), what)
        .help("give each its own location")
}
