//! gzip as gzip(1) reads it: members one after another, and whatever padding or garbage is after the last one.

use std::io::{self, BufRead as _, BufReader, Chain, Cursor, Read};

use flate2::bufread::GzDecoder;

/// The bytes that a member begins with, which were read to know it, and all others.
type Input<R> = Chain<Cursor<Vec<u8>>, BufReader<R>>;

/// What a member begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The decompressed bytes of all members.
///
/// Zeros after a member are padding (of a tape, or of a tool that writes whole blocks). Anything else that is no member
/// is ignored with a warning, as gzip(1) does; at the very start it is an error.
pub(super) struct Members<R: Read> {
    /// The member being read; `None` after the last one.
    current: Option<GzDecoder<Input<R>>>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(compressed: R) -> Self {
        Self { current: Some(member(Vec::new(), BufReader::with_capacity(64 * 1024, compressed))) }
    }

    /// Goes on to the member after the one that has ended.
    fn advance(&mut self) -> io::Result<()> {
        let Some(ended) = self.current.take() else { return Ok(()) };
        let (_, mut input) = ended.into_inner().into_inner();
        loop {
            let buffer = input.fill_buf()?;
            let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
            if buffer.is_empty() {
                return Ok(());
            }
            let found_more = zeros < buffer.len();
            input.consume(zeros);
            if found_more {
                break;
            }
        }
        let mut first = Vec::new();
        input.by_ref().take(2).read_to_end(&mut first)?;
        if first == MAGIC {
            self.current = Some(member(first, input));
            Ok(())
        } else if MAGIC.starts_with(&first) {
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a gzip member ends after its first byte"))
        } else {
            tracing::warn!("gzip: ignoring what follows the compressed data, which is neither gzip nor padding");
            Ok(())
        }
    }
}

fn member<R: Read>(first: Vec<u8>, rest: BufReader<R>) -> GzDecoder<Input<R>> {
    GzDecoder::new(Cursor::new(first).chain(rest))
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(current) = &mut self.current {
            let read = current.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            self.advance()?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Compression;

    /// Gives so many bytes at a time.
    struct Dribble(Cursor<Vec<u8>>, usize);
    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = out.len().min(self.1);
            self.0.read(&mut out[..length])
        }
    }

    fn read(parts: &[&[u8]]) -> Vec<io::Result<String>> {
        [1, 7, 100_000]
            .map(|chunk| {
                let mut text = String::new();
                let compressed = Dribble(Cursor::new(parts.concat()), chunk);
                let outcome = Members::new(compressed).read_to_string(&mut text);
                outcome.map(|_| text)
            })
            .into()
    }

    #[test]
    fn padding_and_garbage_are_ignored() {
        let member = |text: &str| Compression::Gzip.compress(text.as_bytes()).expect("compresses");
        let (one, two) = (member("one\n"), member("two\n"));
        let zeros = vec![0; 70_000];
        for (parts, expected) in [
            (&[&one[..], &two[..]][..], "one\ntwo\n"),
            (&[&one[..], &zeros[..]], "one\n"),
            (&[&one[..], &zeros[..1]], "one\n"),
            (&[&one[..], &zeros[..], &two[..], &zeros[..]], "one\ntwo\n"),
            (&[&one[..], b"\ngarbage"], "one\n"),
            (&[&one[..], b"\x1fgarbage"], "one\n"),
            (&[&one[..], &zeros[..9], b"x"], "one\n"),
        ] {
            for read in read(parts) {
                assert_eq!(read.expect("reads"), expected);
            }
        }
    }

    #[test]
    fn what_is_damaged_stays_an_error() {
        let member = Compression::Gzip.compress(b"one\n").expect("compresses");
        let mut wrong_sum = member.clone();
        let at = wrong_sum.len() - 6;
        wrong_sum[at] ^= 1;
        for parts in [
            &[&b"garbage"[..]][..],
            &[],
            &[&[0, 0, 0]],
            &[&member[..member.len() - 1]],
            &[&member, &member[..member.len() - 9]],
            &[&member, &member[..1]],
            &[&member, &member[..2]],
            &[&wrong_sum],
        ] {
            for read in read(parts) {
                assert!(read.is_err(), "{parts:?}");
            }
        }
    }
}
