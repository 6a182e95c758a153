//! A running server of one kind: started, asked until it answers, restarted on the same ports, stopped when dropped.

use std::{
    fmt,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    ops::Deref,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Fault, Skip,
    ports::{Port, is_free},
    process::{End, Process},
};

/// How long a server may take until it answers; the slowest needs ten seconds on an idle machine.
const READY: Duration = Duration::from_mins(3);
/// How often a server is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How much of a log is shown when a server does not come up.
const TAIL: u64 = 4_000;

/// A sort of server that can be started.
pub trait Kind: Sized + Send + Sync + 'static {
    /// Its name on a command line.
    const NAME: &'static str;
    /// Whether what was written is still there after a restart.
    const KEEPS_DATA: bool;
    /// The ports that people expect, taken by servers that are started by hand if they are free. Tests never take them.
    const USUAL_PORTS: &'static [u16];

    /// The variables with which the project's Environments find it.
    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)>;

    #[doc(hidden)]
    fn prepare(place: &mut LaunchSite) -> Result<Launch<Self>, Fault>;
}

/// Where a server is about to run.
#[derive(Debug)]
pub struct LaunchSite {
    pub(crate) folder: PathBuf,
    ports: Vec<Port>,
    preferred: &'static [u16],
}

impl LaunchSite {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self::preferring(folder, &[])
    }

    /// A place that tries these ports first, in the order in which ports are asked for.
    pub(crate) fn preferring(folder: PathBuf, preferred: &'static [u16]) -> Self {
        Self { folder, ports: Vec::new(), preferred }
    }

    /// One more free port, kept until the peer is gone.
    pub(crate) fn port(&mut self) -> Result<u16, Skip> {
        if let Some((&first, rest)) = self.preferred.split_first() {
            self.preferred = rest;
            if is_free(first) {
                return Ok(first);
            }
        }
        let port = Port::reserve()?;
        let number = port.number();
        self.ports.push(port);
        Ok(number)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

type Question = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How a server is started and asked whether it is ready.
pub struct Launch<K> {
    pub(crate) command: Command,
    pub(crate) endpoint: String,
    pub(crate) ready: Question,
    pub(crate) kind: K,
}

impl<K> fmt::Debug for Launch<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Launch").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A running server. It is stopped, and its data removed, when this is dropped or when the test's process ends.
#[derive(Debug)]
pub struct Peer<K> {
    launch: Launch<K>,
    place: LaunchSite,
    process: Mutex<Option<Process>>,
}

impl<K: Kind> Peer<K> {
    /// Installs, prepares and starts a server of the kind.
    pub(crate) fn launch(prepare: impl Fn(&mut LaunchSite) -> Result<Launch<K>, Fault>) -> Result<Self, Fault> {
        // A port may be taken between the moment it is found free and the moment the server listens.
        let mut tries = 0;
        loop {
            tries += 1;
            let folder = tempfile::Builder::new().prefix(&format!("pipectl-{}-", K::NAME)).tempdir();
            let folder = folder.map_err(|error| Fault::Broken(format!("no temporary folder: {error}")))?;
            let mut place = LaunchSite::new(folder.path().to_owned());
            let launch = prepare(&mut place)?;
            let peer = Self { launch, place, process: Mutex::new(None) };
            // From here on the peer removes it.
            drop(folder.keep());
            match peer.resume_or_say() {
                Ok(()) => return Ok(peer),
                Err(why) if tries < 3 && is_taken(&why) => {}
                Err(why) => return Err(Fault::Broken(why)),
            }
        }
    }

    /// Where clients connect: `127.0.0.1:PORT` for Kafka, Pub/Sub and Event Hubs, `http://127.0.0.1:PORT` for the others.
    pub fn endpoint(&self) -> &str {
        &self.launch.endpoint
    }

    /// The folder of the server's data.
    pub fn folder(&self) -> &Path {
        &self.place.folder
    }

    /// The process id of the server, if it runs.
    pub fn id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// All that the server has written since it was first started.
    pub fn log(&self) -> String {
        fs::read(self.place.log()).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Asks the server to end, and waits until it has. Its data stay.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn stop(&self) {
        self.end(End::Stop);
    }

    /// Ends the server as a crash would. Its data stay.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub fn kill(&self) {
        self.end(End::Kill);
    }

    /// Starts a stopped server again, on the same ports and with its data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not come up; with the end of its log.
    pub fn resume(&self) {
        if let Err(why) = self.resume_or_say() {
            panic!("{why}");
        }
    }

    /// [`stop`](Self::stop), then [`resume`](Self::resume).
    ///
    /// # Panics
    ///
    /// If it does not end or does not come up again.
    pub fn restart(&self) {
        self.stop();
        self.resume();
    }

    fn end(&self, how: End) {
        if let Some(process) = self.process().take()
            && let Err(why) = process.end(how)
        {
            panic!("{}: {why}", K::NAME);
        }
    }

    fn resume_or_say(&self) -> Result<(), String> {
        let mut process = self.process();
        if process.is_some() {
            return Ok(());
        }
        let mut started = Process::start(&self.launch.command, &self.place.folder, &self.place.log())?;
        if let Err(why) = wait(&self.launch.ready, || started.is_over()) {
            let log = tail(&self.place.log());
            // Its folder is kept: whoever asked for it removes it.
            let end = started.end(End::Stop).err().map(|why| format!("; {why}")).unwrap_or_default();
            return Err(format!("{} does not come up: {why}{end}. The end of its log:\n{log}", K::NAME));
        }
        *process = Some(started);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Deref for Peer<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.launch.kind
    }
}

impl<K> Drop for Peer<K> {
    fn drop(&mut self) {
        // A running server's folder is removed by its watch, a stopped one's here.
        drop(self.process.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        if self.place.folder.exists()
            && let Err(error) = fs::remove_dir_all(&self.place.folder)
        {
            eprintln!("cannot remove {}: {error}", self.place.folder.display());
        }
    }
}

/// Asks until the answer is yes, the server has ended, or time is up.
pub(crate) fn wait(ready: &Question, mut is_over: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + READY;
    loop {
        let Err(why) = ready() else { return Ok(()) };
        if is_over() {
            return Err("it ended".to_owned());
        }
        if Instant::now() > end {
            return Err(format!("not ready after {} seconds: {why}", READY.as_secs()));
        }
        thread::sleep(ASK_EVERY);
    }
}

/// The end of a log.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_or_else(|error| error.to_string(), |text| String::from_utf8_lossy(&text).into_owned())
}

fn is_taken(why: &str) -> bool {
    ["in use", "EADDRINUSE", "BindException"].iter().any(|word| why.contains(word))
}

/// Gives a kind its two ways to be had.
macro_rules! startable {
    ($kind:ident) => {
        impl $kind {
            /// A server for one test, stopped when dropped.
            ///
            /// # Panics
            ///
            /// If it can be had and does not come up.
            pub fn start() -> Result<$crate::Peer<Self>, $crate::Skip> {
                $crate::fault::or_skip($crate::Peer::launch(<Self as $crate::Kind>::prepare))
            }

            /// The server that all tests of this process share, stopped when the process ends.
            ///
            /// # Panics
            ///
            /// If it can be had and does not come up.
            pub fn shared() -> Result<&'static $crate::Peer<Self>, $crate::Skip> {
                static SHARED: std::sync::OnceLock<Result<$crate::Peer<$kind>, $crate::Fault>> =
                    std::sync::OnceLock::new();
                let shared = SHARED.get_or_init(|| $crate::Peer::launch(<Self as $crate::Kind>::prepare));
                $crate::fault::or_skip(shared.as_ref().map_err(Clone::clone))
            }
        }
    };
}
pub(crate) use startable;
