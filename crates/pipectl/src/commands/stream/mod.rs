//! `pipectl stream`: streams by hand, on any backend.

mod describe;
mod put;
mod read;

pub(super) use read::take;

use pipectl_host::Host;

use crate::{
    cli::{Global, StreamCommand, Where},
    exit::Exit,
    reach::Reach,
    registry::registry,
    view,
};

pub(super) fn run(command: &StreamCommand, global: &Global) -> Exit {
    let reach = |place: &Where| Reach::load(place, registry(), global);
    let done = match command {
        StreamCommand::Ls(place) => reach(place).map(|reach| wait(list(&reach, global))),
        StreamCommand::Describe(arguments) => {
            reach(&arguments.place).map(|reach| wait(describe::run(&reach, arguments, global)))
        }
        StreamCommand::Read(arguments) => {
            reach(&arguments.place).map(|reach| wait(read::run(&reach, arguments, global)))
        }
        StreamCommand::Put(arguments) => reach(&arguments.place).map(|reach| wait(put::run(&reach, arguments, global))),
    };
    done.unwrap_or_else(|exit| exit)
}

/// Runs to the end on the machine's own clock.
pub(super) fn wait(work: impl Future<Output = Exit>) -> Exit {
    pipectl_host::run(None, work).unwrap_or_else(|error| {
        view::note(&format!("error: cannot start threads: {error}"));
        Exit::Outside
    })
}

async fn list(reach: &Reach, global: &Global) -> Exit {
    let connection = match reach.connect(None, &Host::real(), global).await {
        Ok(connection) => connection,
        Err(exit) => return exit,
    };
    match connection.list().await {
        Ok(names) => view::print(&names.into_iter().map(|name| name + "\n").collect::<String>()),
        Err(error) => failed(&error),
    }
}

/// Tells an error of a backend.
pub(super) fn failed(error: &pipectl_contract::ConnectorError) -> Exit {
    use pipectl_contract::ErrorKind;
    view::note(&format!("error: {error}"));
    match error.kind {
        ErrorKind::Invalid => Exit::Wrong,
        ErrorKind::Internal => Exit::Failed,
        _ => Exit::Outside,
    }
}
