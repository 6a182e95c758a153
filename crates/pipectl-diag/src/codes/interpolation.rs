//! `${…}`.

crate::codes::codes! {
    UNSET_VARIABLE = "PC0201", "unset-variable";
        cause: "`${NAME}` refers to an environment variable that is not set and has no default, or to one that is empty where a number or one of several words is needed; or `${NAME:?text}` refers to a variable that is not set or empty.";
        example: "file: { path: \"${INPUT}/clicks.jsonl\" }\n";
        fix: "Set the variable, or give a default as in a shell: `${INPUT:-data}` applies if the variable is not set or empty, `${INPUT-data}` only if it is not set. Write `$${` for a literal `${`.";
    BAD_REFERENCE = "PC0202", "bad-reference";
        cause: "The text after `${` is not a reference.";
        example: "file: { path: \"${INPUT-data}\" }\n";
        fix: "Write `${NAME}`, `${NAME:-default}` or `${secret:NAME}`. Write `$${` for a literal `${`.";
    UNSET_SECRET = "PC0203", "unset-secret";
        cause: "`${secret:NAME}` refers to a secret that is not set.";
        example: "http: { token: \"${secret:API_TOKEN}\" }\n";
        fix: "Set the environment variable PIPECTL_SECRET_NAME, or write the secret to the file NAME in the directory PIPECTL_SECRETS_DIR.";
    SECRET_NOT_ALLOWED = "PC0204", "secret-not-allowed";
        cause: "A secret is used for a key that does not take secrets: its value would appear in plans, logs and file names.";
        example: "object_store: { prefix: \"raw/${secret:API_TOKEN}/\" }\n";
        fix: "Use secrets only for keys that take them (passwords, tokens, connection strings); use `${NAME}` for values that are not secret.";
    REFERENCE_IN_KEY = "PC0205", "reference-in-key";
        cause: "A key contains `${…}`. Only values can contain references, so that a variable cannot change the structure of a spec.";
        example: "streams:\n  \"${STREAM}\": { partitions: 4 }\n";
        fix: "Write the key literally, or use one spec for each case.";
    FOREIGN_REFERENCE = "PC0206", "foreign-reference";
        cause: "A value contains `$NAME`, `%NAME%` or `{{ NAME }}`, the variable syntax of other systems. pipectl treats it as text.";
        example: "file: { path: \"$HOME/clicks.jsonl\" }\n";
        fix: "Write `${NAME}` for a variable. If you mean the text, ignore the warning.";
}
