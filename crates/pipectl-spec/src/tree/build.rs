//! Events to nodes: aliases, merges, duplicate keys and the budget.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};
use pipectl_diag::{Diagnostic, Diagnostics, FileId, Place, Span, codes::syntax, nearest};

use super::{
    Entry, Kind, MAX_ALIASES, MAX_ANCHORS, MAX_DEPTH, MAX_NODES, MAX_SCALARS, Node, Style, fault,
    inside::{self, Escapes},
    references,
    scalar::plain,
};

/// A file while it is read.
pub(super) struct Reading {
    pub(super) file: FileId,
    documents: Vec<Node>,
    pub(super) problems: Diagnostics,
    nodes: usize,
    scalars: usize,
    aliases: usize,
    anchors: usize,
}

/// One document while it is read.
pub(super) struct Document<'t> {
    /// The text of the chunk, how the parser sees it, and where it starts in the file.
    text: &'t str,
    hidden: &'t str,
    base: usize,
    pub(super) open: Vec<Frame>,
    pub(super) anchored: BTreeMap<usize, Node>,
    names: BTreeSet<String>,
    root: Option<Node>,
    /// Where the last event ended in the chunk: what is wrong with the next stands behind it.
    read: usize,
}

pub(super) struct Frame {
    pub(super) anchor: usize,
    pub(super) start: usize,
    /// The end of the last child; where a block collection really ends.
    end: usize,
    flow: bool,
    content: Content,
}

pub(super) enum Content {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: BTreeMap<String, Range<usize>>,
        key: Option<Key>,
        /// Where in `entries` a merge was written, and what it brings.
        merges: Vec<(usize, Node)>,
    },
}

pub(super) enum Key {
    Named {
        text: String,
        span: Range<usize>,
    },
    Merge {
        span: Range<usize>,
    },
    /// Reported already; its value is read and dropped.
    Bad {
        span: Range<usize>,
    },
}

impl Key {
    fn span(&self) -> &Range<usize> {
        match self {
            Self::Named { span, .. } | Self::Merge { span } | Self::Bad { span } => span,
        }
    }
}

/// The rest of the file is not worth reading.
pub(super) struct Stop;

impl Reading {
    pub(super) fn new(file: FileId) -> Self {
        let problems = Diagnostics::new();
        Self { file, documents: Vec::new(), problems, nodes: 0, scalars: 0, aliases: 0, anchors: 0 }
    }

    pub(super) fn finish(self) -> (Vec<Node>, Diagnostics) {
        (self.documents, self.problems)
    }

    /// Reads one chunk of the file; answers whether to read the next.
    pub(super) fn chunk(&mut self, text: &str, base: usize) -> bool {
        let mut options = granit_parser::options! {
            emit_unresolved_aliases: true,
            emit_anchor_events: true,
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };
        options.set_emit_comments(false);
        let hidden = references::hide(text);
        let mut document = Document::new(text, &hidden, base);
        for event in Parser::new_from_str_with_options(&hidden, options) {
            match event {
                Ok((event, span)) => {
                    let range = span.byte_range().unwrap_or_default();
                    let tag = span.tag_span().and_then(|span| span.byte_range());
                    if self.event(&mut document, event, range, tag).is_err() {
                        return false;
                    }
                }
                Err(error) => {
                    let at = error.marker().byte_offset().unwrap_or_default();
                    let bracket = document.open.last().filter(|frame| frame.flow).map(|frame| frame.start - base);
                    let fault = fault::Fault { text, at, read: document.read, bracket, base, file: self.file };
                    self.problems.push(fault.diagnostic(&error));
                    return true;
                }
            }
        }
        true
    }

    fn event(
        &mut self,
        document: &mut Document<'_>,
        event: Event<'_>,
        range: Range<usize>,
        tag_range: Option<Range<usize>>,
    ) -> Result<(), Stop> {
        let span = document.base + range.start..document.base + range.end;
        document.read = document.read.max(range.end);
        let tag_span = tag_range.map_or_else(|| span.clone(), |tag| document.base + tag.start..document.base + tag.end);
        match event {
            Event::DocumentEnd => {
                self.documents.extend(document.root.take());
                *document = Document::new(document.text, document.hidden, document.base);
            }
            Event::Anchor(_, name) => {
                document.names.insert(name.into_owned());
                self.anchors += 1;
                if self.anchors > MAX_ANCHORS {
                    return Err(self.over_budget(span, &format!("more than {MAX_ANCHORS} anchors")));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.spend(1, text.len(), &span)?;
                let hidden = document.hidden.get(range.clone()).unwrap_or_default();
                let text = references::show(text, hidden, document.text.get(range.clone()).unwrap_or_default());
                if let Some(frame) = document.awaiting_key() {
                    frame.key(Key::of(text.into_owned(), style, span), self);
                    return Ok(());
                }
                let node = self.scalar(document, &text, style, tag.as_deref(), span, range, tag_span);
                self.complete(document, node, anchor);
            }
            Event::SequenceStart(style, anchor, tag) | Event::MappingStart(style, anchor, tag)
                if document.open.len() >= MAX_DEPTH =>
            {
                let (_, _, _) = (style, anchor, tag);
                self.problems.push(fault::too_deep(span.start, self.file));
                return Err(Stop);
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.spend(1, 0, &span)?;
                self.collection_tag(tag.as_deref(), "seq", &tag_span);
                document.open(Content::Seq(Vec::new()), style, anchor, &span);
            }
            Event::MappingStart(style, anchor, tag) => {
                self.spend(1, 0, &span)?;
                self.collection_tag(tag.as_deref(), "map", &tag_span);
                let content =
                    Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None, merges: Vec::new() };
                document.open(content, style, anchor, &span);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = document.open.pop() {
                    let end = if frame.flow { span.end } else { frame.end };
                    let node_span = frame.start..end.max(frame.start);
                    let anchor = frame.anchor;
                    let kind = match frame.content {
                        Content::Seq(items) => Kind::Seq(items),
                        Content::Map { entries, merges, .. } => self.merge(entries, merges),
                    };
                    self.complete(document, Node::new(kind, node_span), anchor);
                }
            }
            Event::Alias(id) => {
                self.aliases += 1;
                if self.aliases > MAX_ALIASES {
                    return Err(self.over_budget(span, &format!("more than {MAX_ALIASES} aliases")));
                }
                let node = self.alias(document, id, &span)?;
                self.complete_or_key(document, node, 0);
            }
            Event::UnresolvedAlias(name) => {
                let problem = Diagnostic::error(
                    syntax::UNKNOWN_ALIAS,
                    format!("no anchor `&{name}` is defined before this alias"),
                );
                let mut problem = problem.at_span(self.place(&span), "");
                if let Some(near) = nearest(&name, document.names.iter().map(String::as_str)) {
                    problem = problem.help(format!("there is an anchor `&{near}`: write `*{near}`"));
                } else {
                    problem = problem.help(format!("write `&{name}` before the value, in this document"));
                }
                self.problems
                    .push(problem.note("an asterisk starts an alias; quote a string that begins with an asterisk"));
                self.complete_or_key(document, Node::new(Kind::Broken, span), 0);
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Span {
        Span { file: self.file, start: span.start, end: span.end }
    }

    pub(super) fn spend(&mut self, nodes: usize, scalars: usize, span: &Range<usize>) -> Result<(), Stop> {
        self.nodes += nodes;
        self.scalars += scalars;
        if self.nodes > MAX_NODES {
            return Err(self.over_budget(span.clone(), &format!("more than {MAX_NODES} keys and values")));
        }
        if self.scalars > MAX_SCALARS {
            return Err(self.over_budget(span.clone(), &format!("more than {} MiB of text", MAX_SCALARS / (1 << 20))));
        }
        Ok(())
    }

    fn over_budget(&mut self, span: Range<usize>, what: &str) -> Stop {
        let problem = Diagnostic::error(syntax::TOO_MUCH, format!("the file has {what}, after aliases are expanded"));
        self.problems.push(
            problem
                .at_span(Span { file: self.file, start: span.start, end: span.end }, "the limit is exceeded here")
                .help("split the spec into several files, or use fewer aliases"),
        );
        Stop
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    fn scalar(
        &mut self,
        document: &Document<'_>,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Range<usize>,
        range: Range<usize>,
        tag_span: Range<usize>,
    ) -> Node {
        let source = document.text.get(range).unwrap_or_default();
        let (style, escapes) = match style {
            ScalarStyle::Plain => (Style::Plain, Escapes::None),
            ScalarStyle::SingleQuoted => (Style::Quoted, Escapes::Single),
            ScalarStyle::DoubleQuoted => (Style::Quoted, Escapes::Double),
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::Block, Escapes::None),
        };
        let string = || Kind::Str(text.to_owned());
        let kind = match tag {
            None if style == Style::Plain => plain(text),
            None => string(),
            Some(tag) => match (tag.core_suffix(), plain(text)) {
                (Some("str"), _) => string(),
                (Some("int"), kind @ Kind::Int(_))
                | (Some("float"), kind @ (Kind::Float(_) | Kind::Int(_)))
                | (Some("bool"), kind @ Kind::Bool(_))
                | (Some("null"), kind @ Kind::Null) => kind,
                _ if tag.original() == "!" => string(),
                _ => {
                    self.bad_tag(tag, &tag_span);
                    Kind::Broken
                }
            },
        };
        let span = match document.open.last().map(|frame| &frame.content) {
            // A value that is not there: point at its key.
            Some(Content::Map { key: Some(key), .. }) if span.is_empty() => key.span().clone(),
            _ => fault::trimmed(span, source),
        };
        let inside = match &kind {
            Kind::Str(text) => inside::map(text, source, span.start, escapes),
            _ => Vec::new(),
        };
        Node { style, inside, ..Node::new(kind, span) }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, own: &str, span: &Range<usize>) {
        if let Some(tag) = tag
            && tag.core_suffix() != Some(own)
            && tag.original() != "!"
        {
            self.bad_tag(tag, span);
        }
    }

    fn bad_tag(&mut self, tag: &Tag, span: &Range<usize>) {
        let problem =
            Diagnostic::error(syntax::UNSUPPORTED_TAG, format!("a spec does not support the tag `{}`", tag.original()));
        self.problems
            .push(problem.at_span(self.place(span), "").help("remove the tag; quote a string that begins with `!`"));
    }

    fn complete_or_key(&mut self, document: &mut Document<'_>, node: Node, anchor: usize) {
        if let Some(frame) = document.awaiting_key() {
            let key = match node.kind {
                Kind::Str(text) => Key::Named { text, span: node.span },
                Kind::Broken => Key::Bad { span: node.span },
                _ => self.bad_key(&node.span),
            };
            frame.key(key, self);
        } else {
            self.complete(document, node, anchor);
        }
    }

    fn bad_key(&mut self, span: &Range<usize>) -> Key {
        let problem = Diagnostic::error(syntax::BAD_KEY, "a key must be a word").at_span(self.place(span), "");
        self.problems.push(problem.help("write a plain word as key; quote braces and brackets that belong to a text"));
        Key::Bad { span: span.clone() }
    }

    /// Hands a finished node to the collection that is open.
    fn complete(&mut self, document: &mut Document<'_>, node: Node, anchor: usize) {
        if anchor != 0 {
            let mut anchored = node.clone();
            if matches!(anchored.kind, Kind::Str(_)) && anchored.inside.is_empty() {
                anchored.inside = vec![(0, anchored.span.start)];
            }
            document.anchored.insert(anchor, anchored);
        }
        if document.awaiting_key().is_some() {
            let key = self.bad_key(&node.span);
            if let Some(frame) = document.awaiting_key() {
                frame.key(key, self);
            }
            return;
        }
        let Some(frame) = document.open.last_mut() else {
            document.root = Some(node);
            return;
        };
        frame.end = frame.end.max(node.span.end);
        match &mut frame.content {
            Content::Seq(items) => items.push(node),
            Content::Map { entries, key, merges, .. } => match key.take() {
                Some(Key::Named { text, span }) => {
                    entries.push(Entry { key: text, key_span: span, value: node, merged: None });
                }
                Some(Key::Merge { .. }) => merges.push((entries.len(), node)),
                Some(Key::Bad { .. }) | None => {}
            },
        }
    }
}

impl Key {
    fn of(text: String, style: ScalarStyle, span: Range<usize>) -> Self {
        if text == "<<" && style == ScalarStyle::Plain { Self::Merge { span } } else { Self::Named { text, span } }
    }
}

impl<'t> Document<'t> {
    fn new(text: &'t str, hidden: &'t str, base: usize) -> Self {
        Self {
            text,
            hidden,
            base,
            open: Vec::new(),
            anchored: BTreeMap::new(),
            names: BTreeSet::new(),
            root: None,
            read: 0,
        }
    }

    fn open(&mut self, content: Content, style: StructureStyle, anchor: usize, span: &Range<usize>) {
        let flow = style == StructureStyle::Flow;
        self.open.push(Frame { anchor, start: span.start, end: span.start, flow, content });
    }

    /// The innermost collection if it is a mapping whose next part is a key.
    fn awaiting_key(&mut self) -> Option<&mut Frame> {
        self.open.last_mut().filter(|frame| matches!(frame.content, Content::Map { key: None, .. }))
    }
}

impl Frame {
    /// Takes a key, unless the mapping has it already.
    fn key(&mut self, new: Key, reading: &mut Reading) {
        self.end = self.end.max(new.span().end);
        let Content::Map { key, seen, .. } = &mut self.content else { return };
        let text = match &new {
            Key::Named { text, .. } => text.as_str(),
            Key::Merge { .. } => "<<",
            Key::Bad { .. } => {
                *key = Some(new);
                return;
            }
        };
        let span = new.span().clone();
        let Some(first) = seen.get(text) else {
            seen.insert(text.to_owned(), span);
            *key = Some(new);
            return;
        };
        let problem = Diagnostic::error(syntax::DUPLICATE_KEY, format!("duplicate key `{text}`"))
            .at_span(reading.place(&span), "again here")
            .related(Place::Span(reading.place(first)), "first here");
        reading.problems.push(if text == "<<" {
            problem.help("write one list: `<<: [*one, *two]`")
        } else {
            problem.help("remove or rename one of them")
        });
        *key = Some(Key::Bad { span });
    }
}
