//! As much of HTTP/1.1 (RFC 9112) as a proxy needs: heads, and where bodies end.

use std::io::{BufRead, Error, ErrorKind, Read, Result, Write};

/// A head that is longer is no head.
const LONGEST_HEAD: u64 = 1 << 20;

/// The first line and the headers of a request or an answer.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
}

/// How a body's end is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
    /// An answer that lasts until its connection ends.
    UntilEnd,
}

impl Head {
    /// Reads a head; nothing if the connection ended in order before it.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut from = from.by_ref().take(LONGEST_HEAD);
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(invalid("the head has no end"));
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Ok(Some(Self { first: first.trim_end().to_owned(), headers }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    pub(super) fn write(&self, to: &mut impl Write) -> Result<()> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        text += "\r\n";
        to.write_all(text.as_bytes())
    }

    pub(super) fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_str())
    }

    /// Puts a header in the place of those with its name.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    pub(super) fn path(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Whether another request may follow on the connection.
    pub(super) fn stays_open(&self) -> bool {
        let connection = self.header("connection").unwrap_or_default();
        !connection.eq_ignore_ascii_case("close") && !self.first.contains("HTTP/1.0")
    }

    fn framing(&self) -> Result<Option<Length>> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked")) {
            return Ok(Some(Length::Chunked));
        }
        let length = self.header("content-length").map(str::parse).transpose();
        Ok(length.map_err(|_| invalid("a length that is no number"))?.map(Length::Known))
    }

    /// The length of a request's body: none is said, none is there.
    pub(super) fn of_request(&self) -> Result<Length> {
        Ok(self.framing()?.unwrap_or(Length::Known(0)))
    }

    /// The length of an answer's body, which also depends on what was asked.
    pub(super) fn of_answer(&self, asked: &Self) -> Result<Length> {
        if asked.method() == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Ok(Length::Known(0));
        }
        Ok(self.framing()?.unwrap_or(Length::UntilEnd))
    }
}

/// Moves a body as it comes, so that an answer that lasts for minutes is seen while it lasts. Chunks stay chunks.
pub(super) fn pass(length: Length, from: &mut impl BufRead, to: &mut impl Write) -> Result<()> {
    match length {
        Length::Known(length) => exactly(length, from, to),
        Length::UntilEnd => loop {
            let bytes = from.fill_buf()?;
            let count = bytes.len();
            if count == 0 {
                return Ok(());
            }
            to.write_all(bytes)?;
            to.flush()?;
            from.consume(count);
        },
        Length::Chunked => loop {
            let (size, line) = chunk(from)?;
            to.write_all(line.as_bytes())?;
            if size == 0 {
                return trailers(from, to);
            }
            // The two bytes behind a chunk are its line's end.
            exactly(size + 2, from, to)?;
            to.flush()?;
        },
    }
}

/// A whole body, without the marks of chunks.
pub(super) fn whole(length: Length, from: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if length != Length::Chunked {
        pass(length, from, &mut body)?;
        return Ok(body);
    }
    loop {
        let (size, _) = chunk(from)?;
        if size == 0 {
            trailers(from, &mut Vec::new())?;
            return Ok(body);
        }
        exactly(size, from, &mut body)?;
        exactly(2, from, &mut Vec::new())?;
    }
}

fn exactly(length: u64, from: &mut impl BufRead, to: &mut impl Write) -> Result<()> {
    let mut left = length;
    while left > 0 {
        let bytes = from.fill_buf()?;
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        to.write_all(&bytes[..count])?;
        from.consume(count);
        left -= count as u64;
    }
    to.flush()
}

fn chunk(from: &mut impl BufRead) -> Result<(u64, String)> {
    let mut line = String::new();
    from.by_ref().take(LONGEST_HEAD).read_line(&mut line)?;
    let size = line.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(size, 16).map_err(|_| invalid("a chunk without a size"))?;
    Ok((size, line))
}

fn trailers(from: &mut impl BufRead, to: &mut impl Write) -> Result<()> {
    loop {
        let mut line = String::new();
        if from.by_ref().take(LONGEST_HEAD).read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        to.write_all(line.as_bytes())?;
        if line.trim_end().is_empty() {
            return to.flush();
        }
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}
