//! Servers for people: started by hand, still there when the command that started them has ended, stopped by hand.
//!
//! What runs is written down in the folder `run` of the cache, one file a server: its process id, when that process
//! began (so that a later process with the same id is never taken for it), and the variables that lead to it.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Azurite, Dynamo, EventHubs, Fault, Kafka, Kind, Kinesis, PubSub,
    cache::beside,
    peer::{LaunchSite, tail, wait},
    process::{began, detach},
    shell::run,
};

/// How long a server may take to end before it is made to.
const ENDING: Duration = Duration::from_secs(10);

/// The kinds that can be started by hand.
pub const KINDS: &[&str] = &[Kafka::NAME, Kinesis::NAME, Dynamo::NAME, PubSub::NAME, EventHubs::NAME, Azurite::NAME];

/// A server that was started by hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Running {
    /// Its kind.
    pub name: String,
    /// Its process id.
    pub id: u32,
    /// Whether that process is still the one that was started.
    pub is_alive: bool,
    /// Where clients connect.
    pub endpoint: String,
    /// Variables that lead the project's Environments to it.
    pub variables: Vec<(String, String)>,
    /// The folder of its data and its log.
    pub folder: PathBuf,
    began: String,
}

/// Starts a server of a kind and waits until it answers. One that runs already is left as it is.
pub fn up(name: &str) -> Result<Running, Fault> {
    up_in(&beside("run")?, name)
}

/// What was started by hand and not stopped by hand, also if it has died since.
pub fn status() -> Result<Vec<Running>, Fault> {
    status_in(&beside("run")?)
}

/// Stops a server and removes its data. The answer says whether there was one.
pub fn down(name: &str) -> Result<bool, Fault> {
    down_in(&beside("run")?, name)
}

/// A file that a shell can read (`. FILE`): it sets the variables of all running servers. Written anew by `up` and `down`.
pub fn exports() -> Result<PathBuf, Fault> {
    Ok(beside("run")?.join("exports.sh"))
}

fn up_in(home: &Path, name: &str) -> Result<Running, Fault> {
    let running = match name {
        Kafka::NAME => start::<Kafka>(home),
        Kinesis::NAME => start::<Kinesis>(home),
        Dynamo::NAME => start::<Dynamo>(home),
        PubSub::NAME => start::<PubSub>(home),
        EventHubs::NAME => start::<EventHubs>(home),
        Azurite::NAME => start::<Azurite>(home),
        _ => Err(Fault::Broken(format!("there is no peer `{name}`; there are {}", KINDS.join(", ")))),
    }?;
    export(home)?;
    Ok(running)
}

fn start<K: Kind>(home: &Path) -> Result<Running, Fault> {
    if let Some(running) = read(home, K::NAME)
        && running.is_alive
    {
        return Ok(running);
    }
    down_in(home, K::NAME)?;
    let folder = home.join(K::NAME);
    fs::create_dir_all(&folder).map_err(|error| broken(&folder, &error))?;
    let mut place = LaunchSite::preferring(folder.clone(), K::USUAL_PORTS);
    let launch = K::prepare(&mut place)?;
    let id = detach(&launch.command, &place.log()).map_err(Fault::Broken)?;
    let began = began(id).unwrap_or_default();
    let variables: Vec<_> = launch.kind.variables(&launch.endpoint);
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let running =
        Running { name: K::NAME.to_owned(), id, is_alive: true, endpoint: launch.endpoint, variables, folder, began };
    // Written down before it is ready, so that `down` finds it if this is interrupted.
    write(home, &running)?;
    if let Err(why) = wait(&launch.ready, || !is_it(&running)) {
        let log = tail(&place.log());
        down_in(home, K::NAME)?;
        return Err(Fault::Broken(format!("{} does not come up: {why}. The end of its log:\n{log}", K::NAME)));
    }
    Ok(running)
}

fn status_in(home: &Path) -> Result<Vec<Running>, Fault> {
    if !home.is_dir() {
        return Err(Fault::Broken(format!("{} is no folder", home.display())));
    }
    Ok(KINDS.iter().filter_map(|name| read(home, name)).collect())
}

fn down_in(home: &Path, name: &str) -> Result<bool, Fault> {
    let Some(running) = read(home, name) else { return Ok(false) };
    if running.is_alive {
        end(&running)?;
    }
    if running.folder.exists() {
        fs::remove_dir_all(&running.folder).map_err(|error| broken(&running.folder, &error))?;
    }
    export(home)?;
    Ok(true)
}

fn end(running: &Running) -> Result<(), Fault> {
    for signal in ["-TERM", "-KILL"] {
        // Asked anew before each signal: it may have ended, and its id belong to another by now.
        if !is_it(running) {
            return Ok(());
        }
        let script = "kill \"$1\" \"$2\"";
        let signalled = run(Command::new("sh").args(["-c", script, "pipectl-peers", signal, &running.id.to_string()]));
        let end = Instant::now() + ENDING;
        while is_it(running) {
            if Instant::now() > end {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        if let (Err(why), true) = (signalled, is_it(running)) {
            return Err(Fault::Broken(format!("{} ({}) cannot be stopped: {why}", running.name, running.id)));
        }
    }
    if is_it(running) {
        return Err(Fault::Broken(format!("{} ({}) does not end", running.name, running.id)));
    }
    Ok(())
}

fn is_it(running: &Running) -> bool {
    began(running.id).is_some_and(|began| began == running.began)
}

fn write(home: &Path, running: &Running) -> Result<(), Fault> {
    let mut text = format!("id {}\nbegan {}\nendpoint {}\n", running.id, running.began, running.endpoint);
    for (name, value) in &running.variables {
        text += &["variable ", name, " ", value, "\n"].concat();
    }
    let path = home.join(&running.name).join("peer");
    fs::write(&path, text).map_err(|error| broken(&path, &error))
}

fn read(home: &Path, name: &str) -> Option<Running> {
    let folder = home.join(name);
    let text = fs::read_to_string(folder.join("peer")).ok()?;
    let lines: Vec<_> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let value = |wanted: &str| lines.iter().find(|(key, _)| *key == wanted).map(|(_, value)| (*value).to_owned());
    let variables = lines.iter().filter(|(key, _)| *key == "variable");
    let variables = variables.filter_map(|(_, pair)| pair.split_once(' '));
    let mut running = Running {
        name: name.to_owned(),
        id: value("id")?.parse().ok()?,
        is_alive: false,
        endpoint: value("endpoint")?,
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        began: value("began")?,
        folder,
    };
    running.is_alive = is_it(&running);
    Some(running)
}

fn export(home: &Path) -> Result<(), Fault> {
    let mut text = String::from("# Leads pipectl's Environments to the peers that run. Read it with `. FILE`.\n");
    for running in status_in(home)?.into_iter().filter(|running| running.is_alive) {
        for (name, value) in running.variables {
            let value = value.replace('\'', r"'\''");
            writeln!(text, "export {name}='{value}'").map_err(|error| Fault::Broken(error.to_string()))?;
        }
    }
    let path = home.join("exports.sh");
    fs::write(&path, text).map_err(|error| broken(&path, &error))
}

fn broken(path: &Path, error: &std::io::Error) -> Fault {
    Fault::Broken(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpStream, process::Command};

    use super::{down_in, export, read, status_in, up_in, write};
    use crate::Fault;

    #[test]
    fn a_server_by_hand_is_started_once_listed_and_stopped() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let dynamo = match up_in(home, "dynamo") {
            Err(Fault::Skip(skip)) => return eprintln!("{skip}"),
            other => other.unwrap(),
        };
        assert_eq!(up_in(home, "dynamo").unwrap(), dynamo, "the second call finds the first one's");
        assert_eq!(status_in(home).unwrap(), std::slice::from_ref(&dynamo));
        let exports = fs::read_to_string(home.join("exports.sh")).unwrap();
        assert!(exports.contains(&format!("export DYNAMODB_ENDPOINT='{}'\n", dynamo.endpoint)), "{exports}");
        assert!(down_in(home, "dynamo").unwrap());
        assert!(TcpStream::connect(dynamo.endpoint.trim_start_matches("http://")).is_err());
        assert!(!dynamo.folder.exists());
        assert_eq!(status_in(home).unwrap(), []);
        assert!(!down_in(home, "dynamo").unwrap(), "there is none any more");
        assert!(!fs::read_to_string(home.join("exports.sh")).unwrap().contains("DYNAMODB"));
        assert!(up_in(home, "redis").unwrap_err().to_string().contains("there are kafka, kinesis"));
    }

    #[test]
    fn a_process_that_only_has_the_same_id_is_not_stopped() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
        let folder = home.join("kafka");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("peer"), format!("id {}\nbegan 1\nendpoint 127.0.0.1:1\n", stranger.id())).unwrap();
        let running = read(home, "kafka").unwrap();
        assert!(!running.is_alive);
        write(home, &running).unwrap();
        export(home).unwrap();
        assert!(down_in(home, "kafka").unwrap());
        assert!(stranger.try_wait().unwrap().is_none(), "it must still be there");
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
