//! A real web server on a free port of this machine, and real requests to it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    lab::Lab,
    run::{Ran, Run},
    wait,
};

const CONFIGURATION: &str = "
daemon off;
pid nginx.pid;
error_log error.log;
worker_processes 2;
USER
events { worker_connections 256; }
http {
    access_log logs/access.log combined;
    keepalive_timeout 5s;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:PORT;
        location /ok { return 200 'fine'; }
        location /old { return 301 /ok; }
        location /private { return 403; }
        location /broken { return 500; }
        location / { return 404; }
    }
}
";

/// nginx, logging in its combined format to `logs/access.log` in the lab.
pub(crate) struct Nginx {
    process: Run,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Nginx {
    pub(crate) fn start(lab: &Lab, program: &Path) -> Self {
        fs::create_dir_all(lab.path("logs")).expect("a folder");
        // A port that is free now may be taken a moment later, by another test: then the next one.
        for _ in 0..10 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let address = free.expect("a free port");
            // As root, nginx gives up its rights, and then could not reach the folder of the test.
            let user = if fs::metadata(lab.path("logs")).expect("a folder").uid() == 0 { "user root;" } else { "" };
            let text = CONFIGURATION.replace("PORT", &address.port().to_string()).replace("USER", user);
            let configuration = lab.write("nginx.conf", text);
            let mut command = lab.command(program);
            // The log's times are in UTC, so that awk need not know time zones.
            command.env("TZ", "UTC").arg("-p").arg(lab.path("")).arg("-c").arg(configuration);
            command.args(["-e", "error.log"]);
            let mut process = Run::start(command);
            let up = wait::until("nginx to listen or to give up", Duration::from_secs(30), || {
                let up = TcpStream::connect(address).is_ok();
                (up || process.ended().is_some()).then_some(up)
            });
            if up && process.ended().is_none() {
                return Self { process, address, log: lab.path("logs/access.log") };
            }
        }
        panic!("nginx does not start: {}", fs::read_to_string(lab.path("error.log")).unwrap_or_default());
    }

    /// Rotates the log as logrotate does: rename, then ask the server to open a new one.
    pub(crate) fn rotate(&self) {
        fs::rename(&self.log, self.log.with_extension("log.1")).expect("a log to rotate");
        self.process.signal("USR1");
        wait::until("a new access log", Duration::from_secs(30), || self.log.exists().then_some(()));
    }

    /// Sends bytes as they are and answers what came back.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("nginx listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.write_all(bytes).expect("nginx reads");
        stream.shutdown(std::net::Shutdown::Write).ok();
        let mut answer = Vec::new();
        // Reset after the answer is as good as an end.
        stream.read_to_end(&mut answer).ok();
        answer
    }

    /// Ends the server in order: everything is logged when this returns.
    pub(crate) fn stop(self) {
        self.process.signal("QUIT");
        let Ran { code, stderr, .. } = self.process.finish_within(Duration::from_secs(30));
        assert_eq!(code, Some(0), "nginx: {stderr}");
    }
}

/// Sends `count` requests for a path with `ab`, from an address of this machine.
pub(crate) fn ab(lab: &Lab, program: &Path, nginx: &Nginx, from: &str, count: u32, path: &str) {
    let mut command = lab.command(program);
    command.args(["-q", "-r", "-n", &count.to_string(), "-c", "4", "-B", from]);
    command.arg(format!("http://{}{path}", nginx.address));
    let ran = Run::start(command).finish().code(0);
    let complete = ran.stdout.lines().find_map(|line| line.strip_prefix("Complete requests:"));
    assert_eq!(complete.map(str::trim), Some(count.to_string().as_str()), "{}", ran.stdout);
}
