//! What runs a user's file: the interpreter for its extension, and the worker that it starts with.

use std::path::Path;

/// A language whose files can be run.
#[derive(Debug)]
pub(crate) struct Language {
    /// As people call it.
    pub(crate) name: &'static str,
    /// The extensions of its files.
    pub(crate) extensions: &'static [&'static str],
    /// The program where the node names none.
    pub(crate) program: &'static str,
    /// The option of the node that names another one.
    pub(crate) option: &'static str,
    /// The arguments after which it runs the worker, whose text comes first on standard input: what `{}` stands for is its
    /// length in bytes, `{memory}` for the memory that it may use in MiB.
    pub(crate) arguments: &'static [&'static str],
    /// What functions of AWS Lambda are called in examples of the service.
    pub(crate) lambda_handler: &'static str,
    /// The worker.
    pub(crate) worker: &'static str,
}

/// All of them.
pub(crate) const LANGUAGES: &[Language] = &[PYTHON, NODE];

const PYTHON: Language = Language {
    name: "Python",
    extensions: &["py"],
    program: "python3",
    option: "python",
    arguments: &[
        "-c",
        "import os, sys
if sys.version_info < (3, 8):
    sys.exit('pipectl needs Python 3.8 or later; this is ' + sys.version.split()[0])
# A file in the working directory is not what the worker means.
if sys.path and sys.path[0] == '':
    del sys.path[0]
text = b''
while len(text) < {}:
    part = os.read(0, {} - len(text))
    if not part:
        raise SystemExit(1)
    text += part
exec(compile(text, '<pipectl>', 'exec'))",
    ],
    lambda_handler: "lambda_handler",
    worker: include_str!("workers/python.py"),
};

const NODE: Language = Language {
    name: "JavaScript",
    extensions: &["js", "mjs", "cjs"],
    program: "node",
    option: "node",
    arguments: &[
        "--max-old-space-size={memory}",
        "-e",
        "const fs = require('fs');
const text = Buffer.alloc({});
for (let at = 0; at < text.length;) {
  let read = 0;
  try { read = fs.readSync(0, text, at, text.length - at, null); } catch (error) { if (error.code === 'EAGAIN') continue; throw error; }
  if (read === 0) process.exit(1);
  at += read;
}
new Function('require', 'load', `${text}\n//# sourceURL=[pipectl]`)(require, (url) => import(url));",
    ],
    lambda_handler: "handler",
    worker: include_str!("workers/node.cjs"),
};

impl Language {
    /// That of a file, by its extension.
    pub(crate) fn of(file: &Path) -> Option<&'static Self> {
        let extension = file.extension()?.to_str()?;
        LANGUAGES.iter().find(|language| language.extensions.contains(&extension))
    }

    /// All extensions, as help texts list them.
    pub(crate) fn all_extensions() -> String {
        let extensions = LANGUAGES.iter().flat_map(|language| language.extensions);
        extensions.map(|extension| format!("`.{extension}`")).collect::<Vec<_>>().join(", ")
    }
}
