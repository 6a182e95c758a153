//! Messages between the runtime and a worker: a length (4 bytes, little endian), a letter, and that many bytes.

use std::io::{self, Read};

/// Longer messages are not sent; a longer length is a sign that something else writes to the pipe.
const LONGEST: u32 = 1 << 30;

/// To the worker: what to run (JSON).
pub(crate) const HELLO: u8 = b'h';
/// To the worker: a call. A line of JSON that says how, then a line for each record.
pub(crate) const CALL: u8 = b'b';
/// From the worker: it is ready (JSON).
pub(crate) const READY: u8 = b'r';
/// From the worker: the function cannot be loaded (JSON, a fault).
pub(crate) const UNLOADED: u8 = b'x';
/// From the worker: a record is done. Its number (4 bytes, little endian), then a line for each row that it gives.
pub(crate) const DONE: u8 = b'd';
/// From the worker: a record has failed. Its number, then the fault (JSON).
pub(crate) const FAULT: u8 = b'f';
/// From the worker: everything before the record `next` is done (JSON), with the state that has changed.
pub(crate) const COMMIT: u8 = b'c';
/// From the worker: the call is done.
pub(crate) const END: u8 = b'e';

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) letter: u8,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// As bytes.
    pub(crate) fn encode(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(5 + body.len());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.push(letter);
        bytes.extend_from_slice(body);
        bytes
    }

    /// The next message; `None` at the end of the pipe.
    pub(crate) fn read(source: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        if source.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        source.read_exact(&mut head[1..])?;
        let [a, b, c, d, letter] = head;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no message"));
        }
        let mut body = Vec::new();
        let read = source.take(u64::from(length)).read_to_end(&mut body)?;
        if read < length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(Self { letter, body }))
    }

    /// The number that the body begins with, and the rest of it.
    pub(crate) fn numbered(&self) -> Option<(u32, &[u8])> {
        let (number, rest) = self.body.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_refused() {
        let bytes = [Frame::encode(DONE, &[7, 0, 0, 0, b'{', b'}']), Frame::encode(END, b"")].concat();
        let mut source = bytes.as_slice();
        let first = Frame::read(&mut source).unwrap().unwrap();
        assert_eq!(first.numbered(), Some((7, b"{}".as_slice())));
        assert_eq!(Frame::read(&mut source).unwrap(), Some(Frame { letter: END, body: Vec::new() }));
        assert_eq!(Frame::read(&mut source).unwrap(), None);
        for cut in [1, 4, 5, 9] {
            assert!(Frame::read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Frame::read(&mut b"Hello, world".as_slice()).is_err(), "a print is no message");
    }
}
