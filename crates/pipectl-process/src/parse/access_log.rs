//! Access logs in Apache's common and combined formats, scanned by hand: faster than an expression with as many groups,
//! and forgiving where real logs are odd (requests that are no HTTP, users with spaces, IPv6).
//!
//! Values stay as they are written: a server's escapes (`\"`, `\x16`) are kept.

use std::net::IpAddr;

use memchr::{memchr, memchr2, memmem};
use pipectl_data::{DataType, Field, Micros, Schema, decode::RowBuilder};

use super::{
    options::LogFormat,
    time::{self, ACCESS_LOG_LENGTH},
};

const CLIENT: usize = 0;
const IDENT: usize = 1;
const USER: usize = 2;
const TIME: usize = 3;
const METHOD: usize = 4;
const PATH: usize = 5;
const PROTOCOL: usize = 6;
const RAW_REQUEST: usize = 7;
const STATUS: usize = 8;
const BYTES: usize = 9;
const REFERRER: usize = 10;
const USER_AGENT: usize = 11;
const FORWARDED_FOR: usize = 12;
const VHOST: usize = 12;
const PORT: usize = 13;

/// The columns of a format.
pub(super) fn schema(format: LogFormat) -> Schema {
    use DataType::{Int64, String, Timestamp};
    let mut fields = vec![
        Field::required("client", String),
        Field::new("ident", String),
        Field::new("user", String),
        Field::required("time", Timestamp),
        Field::new("method", String),
        Field::new("path", String),
        Field::new("protocol", String),
        Field::new("raw_request", String),
        Field::required("status", Int64),
        Field::new("bytes", Int64),
    ];
    if format != LogFormat::Common {
        fields.extend([Field::new("referrer", String), Field::new("user_agent", String)]);
    }
    match format {
        LogFormat::Common | LogFormat::Combined => {}
        LogFormat::NginxMain => fields.push(Field::new("forwarded_for", String)),
        LogFormat::VhostCombined => fields.extend([Field::required("vhost", String), Field::new("port", Int64)]),
    }
    Schema::new(fields)
}

/// Reads lines of one format.
#[derive(Debug, Clone)]
pub(super) struct AccessLog {
    format: LogFormat,
    /// The last time read, since many lines share their second.
    last: ([u8; ACCESS_LOG_LENGTH], Micros),
}

impl AccessLog {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, last: ([0; ACCESS_LOG_LENGTH], 0) }
    }

    /// Reads a line into a row that has begun.
    pub(super) fn line<'a>(&mut self, line: &'a str, row: &mut RowBuilder<'a>) -> Result<(), String> {
        let mut scan = Scan { line: line.trim_ascii_end(), at: 0 };
        if self.format == LogFormat::VhostCombined {
            let host = scan.word("the virtual host")?;
            if host.contains(',') {
                return Err(self.shifted(line, 0, host, ""));
            }
            let (host, port) = virtual_host(host);
            row.text(VHOST, host);
            if let Some(port) = port {
                row.int(PORT, port);
            }
        }
        let first = scan.at;
        let client = scan.word("the client's address")?;
        let ident = scan.word("the ident")?;
        let user = scan.before_time()?;
        // A server that names its virtual host knows the client's address too.
        if is_shifted(client, ident, user) || (self.format == LogFormat::VhostCombined && client == "-") {
            return Err(self.shifted(line, first, client, ident));
        }
        row.text(CLIENT, client);
        present(row, IDENT, ident);
        present(row, USER, user);
        row.micros(TIME, self.time(&mut scan)?);
        request(row, scan.quoted("the request")?);
        let status = scan.number("the status")?.ok_or_else(|| scan.expected("the status"))?;
        row.int(STATUS, status);
        if let Some(bytes) = scan.number("the size")? {
            row.int(BYTES, bytes);
        }
        if self.format != LogFormat::Common {
            present(row, REFERRER, scan.quoted("the referrer in quotes")?);
            present(row, USER_AGENT, scan.quoted("the user agent in quotes")?);
        }
        if self.format == LogFormat::NginxMain {
            present(row, FORWARDED_FOR, scan.quoted("the forwarded-for header in quotes")?);
        }
        scan.end()
    }

    /// Says that a line has more in front of its time than this format.
    fn shifted(&self, line: &str, at: usize, client: &str, ident: &str) -> String {
        let found = super::plan::excerpt(line.get(at..).unwrap_or_default());
        let fields =
            format!("expected one address, the ident and the user before the time at byte {at}, found {found}");
        if self.format == LogFormat::VhostCombined && client == "-" {
            return format!("{fields}: there is no client's address; without a virtual host in front it is `combined`");
        }
        if client.contains(',') {
            return format!(
                "{fields}: the line has more than one client address; for logs of this form write a `grok` or `regex`"
            );
        }
        if self.format == LogFormat::Combined && is_address(ident) && !is_address(client) {
            return format!(
                "{fields}: the line has more fields in front; with a virtual host there it is `vhost_combined`"
            );
        }
        format!("{fields}: the line has more fields in front; for logs of this form write a `grok` or `regex`")
    }

    /// `[10/Oct/2000:13:55:36 -0700] `.
    fn time(&mut self, scan: &mut Scan<'_>) -> Result<Micros, String> {
        let wanted = "a time such as `[10/Oct/2000:13:55:36 -0700]`";
        let rest = scan.rest();
        let text = rest
            .as_bytes()
            .strip_prefix(b"[")
            .and_then(|rest| rest.split_at_checked(ACCESS_LOG_LENGTH))
            .filter(|(_, after)| after.starts_with(b"] "))
            .map(|(text, _)| text)
            .ok_or_else(|| scan.expected(wanted))?;
        if text != self.last.0 {
            let micros = time::access_log(text).ok_or_else(|| scan.expected(wanted))?;
            self.last.0.copy_from_slice(text);
            self.last.1 = micros;
        }
        scan.at += ACCESS_LOG_LENGTH + 3;
        Ok(self.last.1)
    }
}

/// Whether a line has more fields in front than client, ident and user. A user may have spaces, so that the rest of a
/// longer line would pass for one.
fn is_shifted(client: &str, ident: &str, user: &str) -> bool {
    if client.contains(',') || (ident != "-" && is_address(ident)) {
        return true;
    }
    let Some((first, _)) = user.split_once(' ') else { return false };
    first == "-"
        || user.ends_with(" -")
        || ident != "-"
        || user.split(' ').any(|word| is_address(word.trim_end_matches(',')))
}

fn is_address(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok()
}

/// `www.example.com:443`; the port may be missing, and an IPv6 address stands in brackets.
fn virtual_host(word: &str) -> (&str, Option<i64>) {
    let split = word.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    match split.and_then(|(host, port)| Some((host, i64::from(port.parse::<u16>().ok()?)))) {
        Some((host, port)) if !host.is_empty() => (host, Some(port)),
        _ => (word, None),
    }
}

/// Sets a field unless the server says `-` or nothing.
fn present<'a>(row: &mut RowBuilder<'a>, field: usize, value: &'a str) {
    if !matches!(value, "-" | "") {
        row.text(field, value);
    }
}

/// `GET /path HTTP/1.1`; HTTP/0.9 has no protocol. Anything else is kept whole.
fn request<'a>(row: &mut RowBuilder<'a>, request: &'a str) {
    let split = request.split_once(' ').filter(|(method, rest)| {
        let letters = method.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
        letters && (1..=32).contains(&method.len()) && !rest.trim().is_empty()
    });
    let Some((method, rest)) = split else { return present(row, RAW_REQUEST, request) };
    row.text(METHOD, method);
    let protocol = memmem::rfind(rest.as_bytes(), b" HTTP/").filter(|at| *at > 0);
    let (path, protocol) = match protocol.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
        Some((path, protocol)) => (path, Some(protocol)),
        None => (rest, None),
    };
    row.text(PATH, path);
    if let Some(protocol) = protocol {
        row.text(PROTOCOL, protocol);
    }
}

/// A line and how far it has been read.
struct Scan<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Up to the next space.
    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        match memchr(b' ', rest.as_bytes()) {
            Some(end) if end > 0 => {
                self.at += end + 1;
                Ok(rest.get(..end).unwrap_or_default())
            }
            None if !rest.is_empty() => Err(format!("nothing follows {what} {}", super::plan::excerpt(rest))),
            _ => Err(self.expected(what)),
        }
    }

    /// The user, in which there may be spaces and brackets: up to the first bracket that has a time's slash where it must be.
    fn before_time(&mut self) -> Result<&'a str, String> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let time = memmem::find_iter(bytes, b" [").find(|at| {
            let byte = |offset: usize| bytes.get(at + 2 + offset).copied();
            byte(2) == Some(b'/') && byte(6) == Some(b'/') && byte(ACCESS_LOG_LENGTH) == Some(b']')
        });
        match time.and_then(|end| Some((end, rest.get(..end)?))) {
            Some((end, user)) => {
                self.at += end + 1;
                Ok(user)
            }
            None => Err(self.expected("the user and a time such as `[10/Oct/2000:13:55:36 -0700]`")),
        }
    }

    /// Digits or `-`.
    fn number(&mut self, what: &str) -> Result<Option<i64>, String> {
        let rest = self.rest();
        let end = memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let number = match word {
            "-" => None,
            word if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(word.parse().map_err(|_| self.expected(what))?)
            }
            _ => return Err(self.expected(what)),
        };
        self.at = (self.at + end + 1).min(self.line.len());
        Ok(number)
    }

    /// What stands in quotes, in which a quote is written `\"`.
    fn quoted(&mut self, what: &str) -> Result<&'a str, String> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut end = 1;
        if bytes.first() != Some(&b'"') {
            return Err(self.expected(what));
        }
        loop {
            match bytes.get(end..).and_then(|tail| memchr2(b'"', b'\\', tail)).map(|found| end + found) {
                Some(found) if bytes.get(found) == Some(&b'"') => {
                    end = found;
                    break;
                }
                Some(found) => end = found + 2,
                None => return Err(format!("{what} is cut off: there is no closing quote")),
            }
        }
        let value = rest.get(1..end).ok_or_else(|| self.expected(what))?;
        match bytes.get(end + 1) {
            None => self.at = self.line.len(),
            Some(b' ') => self.at += end + 2,
            Some(_) => return Err(format!("{what} is followed by more than a space, at byte {}", self.at + end + 1)),
        }
        Ok(value)
    }

    fn end(&self) -> Result<(), String> {
        if self.at >= self.line.len() {
            return Ok(());
        }
        Err(format!("{}; for logs with more fields write a `grok` or `regex`", self.expected("the end of the line")))
    }

    fn expected(&self, what: &str) -> String {
        let rest = self.rest();
        if rest.is_empty() {
            return format!("the line ends before {what}");
        }
        format!("expected {what} at byte {}, found {}", self.at, super::plan::excerpt(rest))
    }
}

#[cfg(test)]
mod tests;
