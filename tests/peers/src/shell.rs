//! Other programs that are run to their end: package managers, compilers, makers of certificates.

use std::{path::PathBuf, process::Command};

use crate::{Skip, lock};

/// Where a program is, if this machine has it.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers live where a user's path often does not look.
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A program that belongs to a toolchain and is not ours to install.
pub(crate) fn toolchain(program: &str) -> Result<PathBuf, Skip> {
    find(program).ok_or_else(|| Skip::new(format!("there is no `{program}` on the path")))
}

/// The path of a program of a system package, which apt installs if it is missing.
pub fn system(program: &str, package: &str) -> Result<PathBuf, Skip> {
    if let Some(path) = find(program) {
        return Ok(path);
    }
    let _lock = lock("apt")?;
    if let Some(path) = find(program) {
        return Ok(path);
    }
    if find("apt-get").is_none() {
        return Err(Skip::new(format!("there is no `{program}`; install it with this system's own packages")));
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
        Skip::new(format!("there is no `{program}` and `apt-get install {package}` fails ({why}); it needs root"))
    })?;
    find(program).ok_or_else(|| Skip::new(format!("the package {package} brought no `{program}`")))
}

/// Runs a command to its end; what it complains about last is why it failed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot start {program}: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (said, printed) = (text(&output.stderr), text(&output.stdout));
    let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    let why = last(&said).or_else(|| last(&printed)).unwrap_or_else(|| "it says nothing".to_owned());
    Err(format!("{program}: {why}"))
}
