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
}
