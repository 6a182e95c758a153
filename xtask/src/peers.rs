//! Servers to try pipelines against, started and stopped by hand: the same ones that the tests start for themselves.

use pipectl_peers::running::{KINDS, Running, down, exports, status, up};

use crate::Findings;

/// Runs one of `up`, `down` and `status` for the named kinds, or for all.
pub(crate) fn run(chore: &str, names: &[&str]) -> Findings {
    if let Some(stranger) = names.iter().find(|name| !KINDS.contains(name)) {
        return Err(format!("there is no peer `{stranger}`; there are {}", KINDS.join(", ")));
    }
    let names = if names.is_empty() { KINDS } else { names };
    match chore {
        "up" => start(names),
        "down" => Ok(stop(names)),
        "status" => list(names),
        _ => Err(format!("no `cargo xtask peers {chore}`; there are up, down and status")),
    }
}

fn start(names: &[&str]) -> Findings {
    let mut missing = Vec::new();
    for name in names {
        match up(name) {
            Ok(running) => println!("{}", line(&running)),
            Err(fault) => missing.push(format!("{name}: {fault}")),
        }
    }
    let exports = exports().map_err(|fault| fault.to_string())?;
    println!("lead pipectl's Environments to them with:  . {}", exports.display());
    Ok(missing)
}

fn stop(names: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for name in names {
        match down(name) {
            Ok(true) => println!("{name:10} stopped"),
            Ok(false) => println!("{name:10} was not started by hand"),
            Err(fault) => faults.push(format!("{name}: {fault}")),
        }
    }
    faults
}

/// Those that have died are findings: whoever started them would want to know.
fn list(names: &[&str]) -> Findings {
    let running = status().map_err(|fault| fault.to_string())?;
    let mut dead = Vec::new();
    for name in names {
        match running.iter().find(|running| running.name == *name) {
            None => println!("{name:10} down"),
            Some(running) if running.is_alive => println!("{}", line(running)),
            Some(running) => dead.push(format!("{name}: died; its log is {}/server.log", running.folder.display())),
        }
    }
    Ok(dead)
}

fn line(running: &Running) -> String {
    let Running { name, id, endpoint, .. } = running;
    format!("{name:10} up    process {id:<8} {endpoint}")
}
