//! The same spec and seed give the same bytes.

use crate::support::{
    Lab, example,
    output::{assert_same_rows, files},
    sqlite,
};

const EXAMPLES: [&str; 2] = ["sensor-lab", "clickstream"];

/// Every file has the same name and content; tables have the same rows, since SQLite arranges its pages as it likes.
#[test]
fn the_same_seed_gives_the_same_files_and_tables() {
    for name in EXAMPLES {
        let labs = [Lab::new(), Lab::new()];
        // More threads in the one than in the other: it must not matter who comes first.
        for (lab, workers) in labs.iter().zip(["1", "4"]) {
            lab.write("spec.yaml", example(name));
            lab.run(&["apply", "spec.yaml", "--threads", workers]).code(0);
        }
        let [first, second] = labs.each_ref().map(|lab| files(&lab.path("out")));
        let names = |tree: &std::collections::BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
        assert_same_rows(&format!("{name}: names of files"), &names(&second), &names(&first));
        assert!(first.len() > 10, "{name}: only {} files", first.len());
        for (path, bytes) in first.iter().filter(|(path, _)| !path.contains(".sqlite")) {
            assert!(second[path] == *bytes, "{name}: {path} differs between two runs");
        }
        let [first, second] = labs.each_ref().map(|lab| sqlite::dump(&lab.path(format!("out/{name}/tables.sqlite"))));
        assert!(first.len() > 100, "{name}: only {} rows", first.len());
        assert_same_rows(&format!("{name}: rows of tables"), &second, &first);
    }
}

#[test]
fn two_dry_runs_print_the_same_bytes() {
    for name in EXAMPLES {
        let lab = Lab::new();
        lab.write("spec.yaml", example(name));
        for arguments in [&["dry-run", "spec.yaml"][..], &["dry-run", "spec.yaml", "--format", "json", "--rows", "50"]]
        {
            let [first, second] = [lab.run(arguments).code(0), lab.run(arguments).code(0)];
            assert!(!first.stdout.is_empty());
            assert!(first.stdout == second.stdout, "{name}: two dry runs differ");
        }
        assert!(!lab.path("out").exists() && !lab.path(".pipectl").exists(), "a dry run wrote something");
    }
}
