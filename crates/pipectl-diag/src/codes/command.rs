//! Commands: arguments, files, inputs.

crate::codes::codes! {
    CANNOT_READ = "PC0801", "cannot-read";
        cause: "A file or folder named on the command line cannot be read.";
        example: "pipectl validate pipline.yaml   # no such file\n";
        fix: "Check the name and the permissions; a folder is read for all its .yaml and .yml files.";
    BAD_ARGUMENT = "PC0802", "bad-argument";
        cause: "An argument has a value that the command cannot use.";
        example: "pipectl dry-run pipeline.yaml --input sensors   # no file\n";
        fix: "See `pipectl help COMMAND`.";
    UNKNOWN_CODE = "PC0803", "unknown-code";
        cause: "`pipectl explain` was asked about a code that does not exist.";
        example: "pipectl explain PC9999\n";
        fix: "Write a code as an error shows it; `pipectl explain` alone lists all of them.";
    FILE_EXISTS = "PC0804", "file-exists";
        cause: "`pipectl init` would write a file that is there already.";
        example: "pipectl init lab\npipectl init lab   # lab.yaml exists now\n";
        fix: "Name another file with `--output`, or overwrite it with `--force`.";
    CANNOT_WRITE = "PC0805", "cannot-write";
        cause: "A file that a command should write cannot be written.";
        example: "pipectl init --output /missing/lab.yaml\n";
        fix: "Check that the folder exists, that it may be written to, and that the disk has room.";
    CANNOT_INFER = "PC0806", "cannot-infer";
        cause: "`pipectl infer` was given something that no schema can be read from: no record at all, or one that is no JSON object.";
        example: "pipectl infer empty.jsonl\n";
        fix: "Give it JSON lines: one object a line. A CSV or a log is read by a source with a `schema` that you write.";
}
