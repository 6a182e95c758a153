//! Commands: arguments, files, inputs.

crate::codes::codes! {
    CANNOT_READ = "PC0801", "cannot-read";
        cause: "A file or folder named on the command line cannot be read.";
        example: "pipectl validate pipline.yaml   # no such file\n";
        fix: "Check the name and the permissions. For a folder, pipectl reads all its .yaml and .yml files.";
    BAD_ARGUMENT = "PC0802", "bad-argument";
        cause: "An argument has a value that the command cannot use.";
        example: "pipectl dry-run pipeline.yaml --input sensors   # no file\n";
        fix: "See `pipectl help COMMAND`.";
    UNKNOWN_CODE = "PC0803", "unknown-code";
        cause: "`pipectl explain` got a code that does not exist.";
        example: "pipectl explain PC9999\n";
        fix: "Write a code as an error shows it. `pipectl explain` without a code lists all codes.";
    FILE_EXISTS = "PC0804", "file-exists";
        cause: "The file that `pipectl init` would write already exists.";
        example: "pipectl init lab\npipectl init lab   # lab.yaml exists now\n";
        fix: "Name another file with `--output`, or overwrite it with `--force`.";
    CANNOT_WRITE = "PC0805", "cannot-write";
        cause: "The output file of a command cannot be written.";
        example: "pipectl init --output /missing/lab.yaml\n";
        fix: "Check that the folder exists, that you have permission to write to it, and that the disk is not full.";
    CANNOT_INFER = "PC0806", "cannot-infer";
        cause: "`pipectl infer` cannot infer a schema from this input: it has no record, or a record is not a JSON object.";
        example: "pipectl infer empty.jsonl\n";
        fix: "Pass JSON lines (one object per line) or CSV with a header. For other text, such as a log, write the `schema` of the source yourself.";
    FILE_NOT_THERE = "PC0807", "file-not-there";
        cause: "The file that a source names does not exist when a run begins. (`validate` does not check this.) A pattern, in contrast, may match no file yet.";
        example: "sources:\n  r: { file: { path: no-such-file.jsonl } }\n";
        fix: "Correct the path, which is relative to the working directory of pipectl, or write a pattern.";
    CANNOT_FORMAT = "PC0808", "cannot-format";
        cause: "`pipectl fmt` cannot format a file without changing what it means. The file is unchanged.";
        example: "pipectl fmt pipeline.yaml\n";
        fix: "Write the unusual parts in a simpler form, such as `key: value` instead of `? key`, if you want the file to be formatted. You can use it as it is: formatting does not affect what a spec does.";
}
