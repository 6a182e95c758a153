//! Other programs that tests compare with. What is missing is installed: system packages by apt where that is allowed,
//! DuckDB into a folder of its own in the cache. A tool that cannot be had makes its test say `skipped`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

/// The release of DuckDB that results are compared with.
const DUCKDB: &str = "1.5.5";

/// Gives a tool, or says why there is none and ends the test.
macro_rules! need {
    ($tool:expr) => {
        match $tool {
            Ok(tool) => tool,
            Err(why) => {
                println!("skipped: {why}");
                eprintln!("skipped: {why}");
                return;
            }
        }
    };
}
pub(crate) use need;

/// A Python that can `import duckdb`.
pub(crate) fn duckdb() -> Result<PathBuf, String> {
    let folder = cache()?.join(format!("duckdb-{DUCKDB}"));
    let python = folder.join("bin/python");
    let _lock = lock("duckdb")?;
    if succeeds(Command::new(&python).args(["-c", &format!("import duckdb; assert duckdb.__version__ == '{DUCKDB}'")]))
    {
        return Ok(python);
    }
    eprintln!("installing DuckDB {DUCKDB} into {} (once)", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arg(format!("duckdb=={DUCKDB}")))?;
    Ok(python)
}

/// The path of a program of a system package, which is installed if it is missing.
pub(crate) fn system(program: &str, package: &str) -> Result<PathBuf, String> {
    let _lock = lock("apt")?;
    if let Some(path) = find(program) {
        return Ok(path);
    }
    if find("apt-get").is_none() {
        return Err(format!("there is no `{program}`; install it with this system's own packages"));
    }
    eprintln!("installing the package {package} for `{program}` (once)");
    // Installing must not start a server, which the package of nginx would do.
    let script = format!(
        "set -e; export DEBIAN_FRONTEND=noninteractive; policy=/usr/sbin/policy-rc.d; \
         if [ ! -e $policy ]; then printf '#!/bin/sh\\nexit 101\\n' > $policy; chmod +x $policy; trap 'rm -f '$policy EXIT; fi; \
         apt-get install -y -q --no-install-recommends {package} || \
         {{ apt-get update -q; apt-get install -y -q --no-install-recommends {package}; }}"
    );
    run(Command::new("sh").args(["-c", &script])).map_err(|why| {
        format!("there is no `{program}` and `apt-get install {package}` fails ({why}); installing it needs root")
    })?;
    find(program).ok_or_else(|| format!("the package {package} brought no `{program}`"))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    // Servers live where a user's path often does not look.
    let folders = path.split(':').chain(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
    folders.map(|folder| PathBuf::from(folder).join(program)).find(|path| path.is_file())
}

fn cache() -> Result<PathBuf, String> {
    let home = || std::env::var("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var("XDG_CACHE_HOME").ok().filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let base = base.map_or_else(home, Ok).map_err(|_| "neither XDG_CACHE_HOME nor HOME is set".to_owned())?;
    let folder = base.join("pipectl/tools");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// Waits until no other test installs the same. Held until it is dropped.
fn lock(name: &str) -> Result<File, String> {
    let path = cache()?.join(format!("{name}.lock"));
    let file = File::create(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    file.lock().map_err(|error| format!("cannot lock {}: {error}", path.display()))?;
    Ok(file)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").to_owned())
}
