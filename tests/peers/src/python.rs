//! A Python with packages: the clients of others, with which tests look at what we write.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
    process::Command,
};

use crate::{
    Fault, Skip,
    cache::installed,
    fault::or_skip,
    shell::{run, toolchain},
};

/// An interpreter that has these packages (`name==version`), each set in a folder of its own in the cache.
///
/// # Panics
///
/// If it cannot be had and `PIPECTL_PEERS_REQUIRED` is set.
pub fn python(packages: &[&str]) -> Result<PathBuf, Skip> {
    or_skip(prepared(packages).map_err(Fault::Skip))
}

fn prepared(packages: &[&str]) -> Result<PathBuf, Skip> {
    let python = toolchain("python3")?;
    let mut hash = DefaultHasher::new();
    packages.hash(&mut hash);
    // The first name is for people who look into the cache.
    let first =
        packages.first().map_or("plain", |package| package.split(['=', '[', '<', '>']).next().unwrap_or(package));
    let folder = installed(&format!("python-{first}-{:016x}", hash.finish()), |folder| {
        let failed = |why: String| Skip::new(format!("Python cannot have {}: {why}", packages.join(", ")));
        run(Command::new(&python).args(["-m", "venv"]).arg(folder)).map_err(failed)?;
        if packages.is_empty() {
            return Ok(());
        }
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        run(&mut install).map(drop).map_err(failed)
    })?;
    Ok(folder.join("bin/python"))
}
