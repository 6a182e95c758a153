//! The servers, one file each: what they are, where they come from, what they are asked before a test may have them.

use std::{path::PathBuf, process::Command};

use crate::{
    Skip,
    cache::installed,
    shell::{run, toolchain},
};

pub(crate) mod azurite;
pub(crate) mod dynamo;
pub(crate) mod eventhubs;
pub(crate) mod kafka;
pub(crate) mod kafka_quota;
pub(crate) mod kafka_secured;
pub(crate) mod kinesis;
pub(crate) mod pubsub;

/// A package of npm in a folder of its own, without its install scripts; gives the package's folder.
fn npm(package: &str, version: &str) -> Result<PathBuf, Skip> {
    let npm = toolchain("npm")?;
    let folder = installed(&format!("{package}-{version}"), |folder| {
        let wanted = format!("{package}@{version}");
        let mut command = Command::new(&npm);
        command.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts", "--prefix"]);
        run(command.arg(folder).arg(&wanted))
            .map(drop)
            .map_err(|why| Skip::new(format!("npm cannot install {wanted}: {why}")))
    })?;
    Ok(folder.join("node_modules").join(package))
}
