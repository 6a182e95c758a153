//! The files of one source, read one after another, each of them once.

mod candidates;

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use pipectl_contract::{ConnectorError, ErrorKind};
use pipectl_data::Schema;

use super::{
    ledger::{Entry, LastFile, Ledger, fingerprint},
    listing::{Listing, Stat},
    resume::{Known, Opening, Resumed, resume, whole},
};
use crate::{
    blocks::{BYTE_ORDER_MARK, Block, BlockError, Blocks},
    columns::Columns,
    documents::looks_like,
    input::{Format, Layout, Meaning, SourceCompression},
    mark::Ends,
    paths::{link_error, short_name},
};

/// What one call brings.
pub(super) struct Step {
    /// Records; `None` at the end of the last file.
    pub(super) block: Option<Block>,
    /// The names of the values in them, where the file says them.
    pub(super) fields: Option<Vec<String>>,
    /// Where reading goes on.
    pub(super) entries: Vec<Entry>,
    /// What is no longer known: the same files have other names now.
    pub(super) forgotten: Vec<Entry>,
    /// Files that could not be read, or not to their end.
    pub(super) problems: Vec<Problem>,
}

/// A file that could not be read.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) kind: ErrorKind,
    pub(super) name: String,
    /// Whether the file is gone: nothing is remembered of it once that has been reported.
    pub(super) is_gone: bool,
    /// Whether the run ends with it whatever `on_error` says.
    pub(super) is_fatal: bool,
    /// What is remembered of it if it is not to be tried again.
    pub(super) entry: Option<Entry>,
}

/// The files and where each is read.
pub(super) struct Files {
    listing: Listing,
    meaning: Meaning,
    compression: SourceCompression,
    schema: Schema,
    /// What earlier runs read.
    known: Ledger,
    by_inode: HashMap<u64, Vec<usize>>,
    /// The same in the words of an earlier version, until the first call.
    last: Option<LastFile>,
    started: bool,
    /// The file to open next.
    next: usize,
    open: Option<Open>,
    /// Entries whose files hold something else now: what they held may be in a copy.
    rewritten: Vec<Entry>,
    /// Entries of files that were read in part and no longer have their names, until they are found.
    missing: Vec<Entry>,
    /// What the next step brings.
    entries: Vec<Entry>,
    forgotten: Vec<Entry>,
    problems: Vec<Problem>,
}

/// The file being read.
struct Open {
    name: String,
    path: PathBuf,
    /// Whether nothing has been read of it.
    is_fresh: bool,
    /// Entries of the same file under other names, which are forgotten once there is one of this name.
    continues: Vec<Entry>,
    stat: Stat,
    blocks: Blocks,
    columns: Option<Columns>,
    /// See [`Entry::open_line`].
    unfinished: u64,
}

/// What became of a file that was read before.
enum Attempt {
    /// Reading goes on in it.
    Goes(Box<Open>),
    /// Nothing has come.
    Nothing,
    /// It is another file.
    Other,
}

impl Open {
    /// Where reading goes on; `size` is 0 as long as there is more.
    fn entry(&self, is_whole: bool) -> Entry {
        let taken = self.blocks.taken();
        Entry {
            name: self.name.clone(),
            inode: self.stat.inode,
            size: if is_whole { self.stat.size } else { 0 },
            modified: if is_whole { self.stat.modified } else { 0 },
            byte: taken.length(),
            open_line: self.unfinished,
            mark: fingerprint(taken),
        }
    }
}

impl Files {
    pub(super) fn new(
        listing: Listing,
        meaning: Meaning,
        compression: SourceCompression,
        schema: Schema,
        known: Ledger,
        last: Option<LastFile>,
    ) -> Self {
        let rewritten = known.entries().iter().filter(|entry| entry.is_rewritten()).cloned().collect();
        Self {
            listing,
            meaning,
            compression,
            schema,
            known,
            by_inode: HashMap::new(),
            last,
            started: false,
            next: 0,
            open: None,
            rewritten,
            missing: Vec::new(),
            entries: Vec::new(),
            forgotten: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The next records, or the end.
    pub(super) fn next_step(&mut self) -> Result<Step, ConnectorError> {
        if !std::mem::replace(&mut self.started, true) {
            self.start();
        }
        loop {
            let Some(open) = &mut self.open else {
                let Some(path) = self.listing.paths.get(self.next).cloned() else {
                    self.report_missing();
                    return Ok(self.step(None));
                };
                self.next += 1;
                match self.open_file(&path) {
                    Ok(open) => self.open = open,
                    Err(error) => self.problem(&path, None, error),
                }
                continue;
            };
            let mut block = match open.blocks.next() {
                Ok(Some(block)) => block,
                Ok(None) => {
                    if open.stat.is_regular && open.blocks.taken().length() > 0 {
                        self.forgotten.append(&mut open.continues);
                        self.entries.push(open.entry(true));
                    }
                    self.open = None;
                    continue;
                }
                Err(BlockError::Io(error)) => {
                    let path = open.path.clone();
                    let entry = open.entry(true);
                    self.open = None;
                    self.problem(&path, Some(entry), error);
                    continue;
                }
                Err(BlockError::TooLong(byte)) => {
                    // What comes before it counts.
                    if open.stat.is_regular {
                        self.forgotten.append(&mut open.continues);
                        self.entries.push(open.entry(false));
                    }
                    let (name, path) = (open.name.clone(), open.path.clone());
                    let is_regular = open.stat.is_regular;
                    let is_plain = is_regular && self.opening(&path).is_plain_at(&path).unwrap_or_default();
                    self.problems.push(too_long(&name, byte, is_plain));
                    (self.open, self.next) = (None, self.listing.paths.len());
                    continue;
                }
            };
            open.unfinished = block.open_line;
            if std::mem::take(&mut open.is_fresh)
                && self.meaning.cut.format == Format::Json
                && self.meaning.cut.layout == Layout::Lines
                && let Some(layout) =
                    block.records.first().and_then(|first| looks_like(block.bytes.get(first.clone())?))
            {
                tracing::warn!(file = %open.name, "the file does not hold one JSON object a line; write `layout: {layout}` if that is what it is");
            }
            if self.meaning.header && open.columns.is_none() {
                let delimiter = self.meaning.cut.delimiter;
                open.columns = Some(Columns::of_header(block.take_header(), delimiter, &self.schema, &open.name)?);
            }
            if block.records.is_empty() {
                continue;
            }
            // A pipe cannot be read again, so there is nothing to remember of it.
            if open.stat.is_regular {
                self.forgotten.append(&mut open.continues);
                self.entries.push(open.entry(false));
            }
            let fields = open.columns.as_ref().map(|columns| columns.names().to_vec());
            return Ok(Step { fields, ..self.step(Some(block)) });
        }
    }

    fn step(&mut self, block: Option<Block>) -> Step {
        Step {
            block,
            fields: None,
            entries: std::mem::take(&mut self.entries),
            forgotten: std::mem::take(&mut self.forgotten),
            problems: std::mem::take(&mut self.problems),
        }
    }

    fn opening(&self, path: &Path) -> Opening {
        Opening { compression: self.compression.of(path), encoding: self.meaning.cut.encoding }
    }

    fn name(&self, path: &Path) -> String {
        short_name(path, &self.listing.directory)
    }

    fn problem(&mut self, path: &Path, entry: Option<Entry>, error: io::Error) {
        let name = self.name(path);
        let entry = entry.or_else(|| {
            // Of a link that leads nowhere, the link itself.
            let metadata = std::fs::metadata(path).or_else(|_| path.symlink_metadata()).ok()?;
            let Stat { inode, size, modified, .. } = Stat::of(path, &metadata);
            let known = self.known.by_name(&name).filter(|known| known.inode == inode);
            let nothing = Entry {
                name: name.clone(),
                inode,
                size: 0,
                modified: 0,
                byte: 0,
                open_line: 0,
                mark: fingerprint(&Ends::default()),
            };
            Some(Entry { size, modified, ..known.cloned().unwrap_or(nothing) })
        });
        let error = link_error(path, error);
        let ConnectorError { kind, message, .. } = ConnectorError::io(format_args!("read `{name}`"), error);
        self.problems.push(Problem { message, kind, name, is_gone: false, is_fatal: false, entry });
    }

    /// Takes over what an earlier version knew, and looks for what is gone.
    fn start(&mut self) {
        if let Some(last) = self.last.take() {
            self.upgrade(last);
        }
        let usual = self.known.entries().iter().enumerate().filter(|(_, entry)| !entry.is_rewritten());
        for (index, entry) in usual {
            self.by_inode.entry(entry.inode).or_default().push(index);
        }
        self.keep_moved();
        let is_missing = |entry: &&Entry| {
            !entry.is_rewritten() && entry.size == 0 && entry.byte > 0 && !self.listing.has_name(entry)
        };
        self.missing = self.known.entries().iter().filter(is_missing).cloned().collect();
    }

    /// Entries that need not be looked for any more, since their file is found: the one of `entry`.
    fn found(&mut self, entry: &Entry) -> Vec<Entry> {
        let is_same = |other: &mut Entry| other == entry || (other.inode == entry.inode && other.byte <= entry.byte);
        self.missing.extract_if(.., is_same).collect()
    }

    /// Reports files that were read in part and have not been found under any name.
    fn report_missing(&mut self) {
        for entry in std::mem::take(&mut self.missing) {
            let message = format!(
                "`{}` is gone, of which the last run had read {} bytes and perhaps not all",
                entry.name, entry.byte
            );
            self.problems.push(Problem {
                message,
                kind: ErrorKind::NotFound,
                name: entry.name.clone(),
                is_gone: true,
                is_fatal: false,
                entry: Some(entry),
            });
        }
    }

    /// An earlier version knew the file that was read last, in the order of names: those before it had been read.
    fn upgrade(&mut self, last: LastFile) {
        for path in self.listing.paths.clone() {
            let name = self.name(&path);
            let opening = self.opening(&path);
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            let stat = Stat::of(&path, &metadata);
            if name >= last.file {
                break;
            }
            let (byte, mark) = whole(&path, opening).unwrap_or((stat.size, 0));
            let entry =
                Entry { name, inode: stat.inode, size: stat.size, modified: stat.modified, byte, open_line: 0, mark };
            self.known.put(entry.clone());
            self.entries.push(entry);
        }
        if !self.listing.paths.iter().any(|path| self.name(path) == last.file) {
            tracing::warn!(
                file = last.file,
                read = last.byte,
                "the file that the last run was reading is gone: what it held after the bytes that were read is missing"
            );
        }
        self.last = Some(last);
    }

    /// Opens a file where its records are new; `None` if there are none.
    fn open_file(&mut self, path: &Path) -> io::Result<Option<Open>> {
        let name = self.name(path);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere, and was reported as a dead letter, is left alone until it changes.
            Err(error) => {
                let link = path.symlink_metadata().map_err(|_| error.kind())?;
                let is_known = self.known.by_name(&name).is_some_and(|known| Stat::of(path, &link).is_unchanged(known));
                return if is_known { Ok(None) } else { Err(error) };
            }
        };
        let stat = Stat::of(path, &metadata);
        if stat.is_regular {
            for entry in self.candidates(&name, stat) {
                if stat.is_unchanged(&entry) && entry.name == name {
                    let mut found = self.found(&entry);
                    self.forgotten.append(&mut found);
                    return Ok(None);
                }
                match self.try_resume(path, &name, stat, &Known::Entry(&entry))? {
                    Attempt::Goes(open) => return Ok(Some(Open { continues: self.found(&entry), ..*open })),
                    Attempt::Nothing => {
                        let mut found = self.found(&entry);
                        self.forgotten.append(&mut found);
                        return Ok(None);
                    }
                    Attempt::Other => {}
                }
                if entry.name == name {
                    tracing::warn!(file = %name, read = entry.byte, "the file holds something else than what was read of it before; it is read from its start as a new file");
                    self.entries.push(entry.rewritten());
                    self.rewritten.push(entry);
                }
            }
            if let Some(last) = self.last.take_if(|last| last.file == name) {
                match self.try_resume(path, &name, stat, &Known::Last(&last))? {
                    Attempt::Goes(open) => return Ok(Some(*open)),
                    Attempt::Nothing => return Ok(None),
                    Attempt::Other => {}
                }
                tracing::warn!(file = %name, read = last.byte, "the file holds something else than what was read of it before; it is read from its start as a new file");
            }
        }
        let input = self.opening(path).reader(File::open(path)?);
        let blocks = Blocks::new(input, self.meaning.cut.clone(), Ends::default(), false);
        Ok(Some(Open {
            name,
            path: path.to_path_buf(),
            is_fresh: true,
            continues: Vec::new(),
            stat,
            blocks,
            columns: None,
            unfinished: 0,
        }))
    }

    /// Goes on after what is known of a file.
    fn try_resume(&mut self, path: &Path, name: &str, stat: Stat, known: &Known<'_>) -> io::Result<Attempt> {
        let (blocks, is_again) = match resume(path, self.opening(path), &self.meaning.cut, known)? {
            Resumed::Other => return Ok(Attempt::Other),
            Resumed::Nothing => {
                if let Known::Entry(entry) = known {
                    let Stat { inode, size, modified, .. } = stat;
                    self.entries.push(Entry { name: name.to_owned(), inode, size, modified, ..(*entry).clone() });
                }
                return Ok(Attempt::Nothing);
            }
            Resumed::Same(blocks) => (blocks, false),
            Resumed::Again(blocks) => (blocks, true),
        };
        let start = blocks.taken().length();
        if is_again {
            tracing::warn!(file = %name, byte = start, "the last line had no end when it was read, and has grown since; it is delivered again as a whole");
        }
        let at_header = start <= BYTE_ORDER_MARK.len() as u64;
        let columns = if self.meaning.header && !at_header { self.header(path, name)? } else { None };
        Ok(Attempt::Goes(Box::new(Open {
            name: name.to_owned(),
            path: path.to_path_buf(),
            is_fresh: false,
            continues: Vec::new(),
            stat,
            blocks,
            columns,
            unfinished: 0,
        })))
    }

    /// The columns that a CSV file starts with.
    fn header(&self, path: &Path, name: &str) -> io::Result<Option<Columns>> {
        let input = self.opening(path).reader(File::open(path)?);
        let mut blocks = Blocks::new(input, self.meaning.cut.clone(), Ends::default(), false);
        let block = match blocks.next() {
            Ok(Some(block)) => block,
            Ok(None) | Err(BlockError::TooLong(_)) => return Ok(None),
            Err(BlockError::Io(error)) => return Err(error),
        };
        let header = block.records.first().and_then(|range| block.bytes.get(range.clone())).unwrap_or_default();
        Columns::of_header(header, self.meaning.cut.delimiter, &self.schema, name).map(Some).map_err(io::Error::other)
    }
}

/// `is_plain` is whether bytes of the text are those on the disk.
fn too_long(name: &str, byte: u64, is_plain: bool) -> Problem {
    let of = if is_plain { "" } else { "the text of " };
    Problem {
        message: format!(
            "the record at byte {byte} of {of}`{name}` is longer than `max_record`, and `on_oversize` is `fail`: check \
             `format`, or raise the limit (everything before it was read)"
        ),
        kind: ErrorKind::Invalid,
        name: name.to_owned(),
        is_gone: false,
        is_fatal: true,
        entry: None,
    }
}
