//! `pipectl stream`: streams by hand, on any backend.

mod describe;
mod put;
mod read;

pub(super) use read::take;

use pipectl_host::Host;

use crate::{
    cli::{Global, StreamCommand, Where},
    exit::Exit,
    reach::{Reach, failed},
    registry::registry,
    stop::{self, run_plain},
    view,
};

pub(super) fn run(command: &StreamCommand, global: &Global) -> Exit {
    let reach = |place: &Where| Reach::load(place, registry(), global);
    let done = match command {
        StreamCommand::Ls(place) => reach(place).map(|reach| run_plain(list(&reach, global))),
        StreamCommand::Describe(arguments) => {
            reach(&arguments.place).map(|reach| run_plain(describe::run(&reach, arguments, global)))
        }
        StreamCommand::Read(arguments) => reach(&arguments.place)
            .map(|reach| stop::run(None, async |signals| read::run(&reach, arguments, global, signals).await)),
        StreamCommand::Put(arguments) => reach(&arguments.place)
            .map(|reach| stop::run(None, async |signals| put::run(&reach, arguments, global, signals).await)),
    };
    done.unwrap_or_else(|exit| exit)
}

async fn list(reach: &Reach, global: &Global) -> Exit {
    let line = match reach.connect(None, &Host::real(), global).await {
        Ok(line) => line,
        Err(exit) => return exit,
    };
    match line.patience.answer("listing its streams", line.connection.list()).await {
        Ok(names) if names.is_empty() => {
            view::note(&format!("no streams in `{}` that these credentials see", reach.name()));
            Exit::Fine
        }
        Ok(names) => view::print(&names.into_iter().map(|name| name + "\n").collect::<String>()),
        Err(error) => failed(&error),
    }
}
