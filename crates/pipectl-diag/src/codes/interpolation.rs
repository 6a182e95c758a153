//! `${…}`.

crate::codes::codes! {
    UNSET_VARIABLE = "PC0201", "unset-variable";
        cause: "`${NAME}` refers to an environment variable that is not set, and gives no default; or `${NAME:?text}` to one that is not set or empty.";
        example: "file: { path: \"${INPUT}/clicks.jsonl\" }\n";
        fix: "Set the variable, or give a default as in a shell: `${INPUT:-data}` counts where the variable is not set or empty, `${INPUT-data}` only where it is not set. Write `$${` for the characters themselves.";
    BAD_REFERENCE = "PC0202", "bad-reference";
        cause: "What follows `${` is not a reference.";
        example: "file: { path: \"${INPUT-data}\" }\n";
        fix: "Write `${NAME}`, `${NAME:-default}` or `${secret:NAME}`; write `$${` for the characters themselves.";
    UNSET_SECRET = "PC0203", "unset-secret";
        cause: "`${secret:NAME}` refers to a secret that is given nowhere.";
        example: "http: { token: \"${secret:API_TOKEN}\" }\n";
        fix: "Set the environment variable PIPECTL_SECRET_NAME, or write the secret into the file NAME of the directory that PIPECTL_SECRETS_DIR names.";
    SECRET_NOT_ALLOWED = "PC0204", "secret-not-allowed";
        cause: "A secret is used for a key that is not meant for secrets: its value would be shown in plans, logs and file names.";
        example: "object_store: { prefix: \"raw/${secret:API_TOKEN}/\" }\n";
        fix: "Use secrets only for keys that take them (passwords, tokens, connection strings); use `${NAME}` for what may be seen.";
    REFERENCE_IN_KEY = "PC0205", "reference-in-key";
        cause: "A key holds `${…}`; only values are filled in, so that a variable cannot change the shape of a spec.";
        example: "streams:\n  \"${STREAM}\": { partitions: 4 }\n";
        fix: "Write the key out, or keep one spec for each case.";
    FOREIGN_REFERENCE = "PC0206", "foreign-reference";
        cause: "A value holds `$NAME`, `%NAME%` or `{{ NAME }}`, with which other systems refer to a variable. Here it is text.";
        example: "file: { path: \"$HOME/clicks.jsonl\" }\n";
        fix: "Write `${NAME}` for the variable. If the text is meant, the warning does no harm.";
}
