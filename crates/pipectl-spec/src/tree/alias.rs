//! What aliases and merges repeat, with where it stands and where it is used.

use std::{collections::BTreeSet, ops::Range};

use pipectl_diag::{Diagnostic, Place, codes::syntax};

use super::{
    Entry, Kind, MAX_DEPTH, Node,
    build::{Document, Reading, Stop},
    fault,
};

impl Reading {
    pub(super) fn alias(&mut self, document: &Document<'_>, id: usize, span: &Range<usize>) -> Result<Node, Stop> {
        let Some(anchored) = document.anchored.get(&id) else {
            let problem =
                Diagnostic::error(syntax::RECURSIVE_ALIAS, "this alias is inside the value that it refers to");
            let start = document.open.iter().find(|frame| frame.anchor == id).map(|frame| frame.start);
            let mut problem = problem.at_span(self.place(span), "");
            if let Some(start) = start {
                problem = problem.related(Place::Span(self.place(&(start..start + 1))), "the value starts here");
            }
            self.problems.push(problem.help("write the inner value without the alias"));
            return Ok(Node::new(Kind::Broken, span.clone()));
        };
        let (nodes, scalars, depth) = anchored.measure();
        self.spend(nodes, scalars, span)?;
        if document.open.len() + depth > MAX_DEPTH {
            self.problems.push(fault::too_deep(span.start, self.file));
            return Err(Stop);
        }
        let mut node = anchored.clone();
        node.defined = Some(node.defined.unwrap_or(node.span));
        node.span = span.clone();
        Ok(node)
    }

    /// Puts what merges bring where they stand; what the mapping says itself wins, then the earlier merge.
    pub(super) fn merge(&mut self, entries: Vec<Entry>, merges: Vec<(usize, Node)>) -> Kind {
        if merges.is_empty() {
            return Kind::Map(entries);
        }
        let mut known: BTreeSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        let mut brought: Vec<(usize, Entry)> = Vec::new();
        for (index, merge) in merges {
            let span = merge.span.clone();
            let sources = match merge.kind {
                Kind::Seq(items) => items,
                kind => vec![Node { kind, ..Node::new(Kind::Null, span.clone()) }],
            };
            for source in sources {
                let at = source.span.clone();
                match source.kind {
                    Kind::Map(inner) => {
                        for entry in inner {
                            if known.insert(entry.key.clone()) {
                                brought.push((index, Entry { merged: Some(at.clone()), ..entry }));
                            }
                        }
                    }
                    Kind::Broken => {}
                    kind => {
                        let title = format!("`<<` merges mappings, and this is {}", kind.noun());
                        let problem = Diagnostic::error(syntax::BAD_MERGE, title).at_span(self.place(&at), "");
                        self.problems
                            .push(problem.help("write `<<: *name` of an anchored mapping, or `<<: [*one, *two]`"));
                    }
                }
            }
        }
        let mut merged = Vec::with_capacity(entries.len() + brought.len());
        let mut brought = brought.into_iter().peekable();
        for (index, entry) in entries.into_iter().enumerate() {
            while let Some((_, brought)) = brought.next_if(|(at, _)| *at <= index) {
                merged.push(brought);
            }
            merged.push(entry);
        }
        merged.extend(brought.map(|(_, entry)| entry));
        Kind::Map(merged)
    }
}
