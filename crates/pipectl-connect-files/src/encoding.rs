//! Text that is not UTF-8, brought into UTF-8 before it is cut into records.

use std::io::{self, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes to read at once.
const BLOCK: usize = 64 * 1024;

/// The encoding of this name (`latin1`, `utf-16`, `windows-1252`): all that the web knows.
pub(crate) fn find(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(name.trim().as_bytes())
}

/// Whether text needs to be decoded at all.
pub(crate) fn is_foreign(encoding: &'static Encoding) -> bool {
    encoding != UTF_8
}

/// The encoding that the first bytes of a file name, or else the one that the options name; and how many bytes name it.
pub(crate) fn detect(first: &[u8], given: &'static Encoding) -> (&'static Encoding, usize) {
    Encoding::for_bom(first).unwrap_or((given, 0))
}

/// The encoding of a text that begins with the byte order mark of UTF-16.
pub(crate) fn utf16_mark(first: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_bom(first).map(|(encoding, _)| encoding).filter(|encoding| unit(encoding) == 2)
}

/// Bytes of a character's unit, so that a line end is looked for at the right places.
pub(crate) fn unit(encoding: &'static Encoding) -> usize {
    if [UTF_16LE, UTF_16BE].contains(&encoding) { 2 } else { 1 }
}

/// Where the first line end is: its start and its length.
pub(crate) fn find_line_end(bytes: &[u8], encoding: Option<&'static Encoding>) -> Option<(usize, usize)> {
    match line_end(encoding) {
        Some(end) => bytes.chunks_exact(2).position(|unit| unit == end).map(|at| (at * 2, 2)),
        None => memchr::memchr(b'\n', bytes).map(|at| (at, 1)),
    }
}

/// What is after the last line end.
pub(crate) fn after_last_line_end(bytes: &[u8], encoding: Option<&'static Encoding>) -> Option<usize> {
    match line_end(encoding) {
        Some(end) => bytes.chunks_exact(2).rposition(|unit| unit == end).map(|at| at * 2 + 2),
        None => memchr::memrchr(b'\n', bytes).map(|at| at + 1),
    }
}

/// A line end, where it is not a single byte.
fn line_end(encoding: Option<&'static Encoding>) -> Option<[u8; 2]> {
    let encoding = encoding.filter(|encoding| unit(encoding) == 2)?;
    Some(if encoding == UTF_16LE { [b'\n', 0] } else { [0, b'\n'] })
}

/// Whole characters as UTF-8.
pub(crate) fn decode(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    encoding.decode_without_bom_handling(bytes).0.into_owned().into_bytes()
}

/// UTF-16 as UTF-8, without the first half of a character at the end.
pub(crate) fn decode_utf16(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = vec![0; decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3 + 4)];
    let (_, _, written, _) = decoder.decode_to_utf8(bytes, &mut text, false);
    text.truncate(written);
    text
}

/// How many bytes a text takes in UTF-16.
pub(crate) fn utf16_length(text: &[u8]) -> usize {
    String::from_utf8_lossy(text).chars().map(char::len_utf16).sum::<usize>() * 2
}

/// What was written of a text, without the first half of a character at the end if it is UTF-16.
pub(crate) fn decode_so_far(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    if unit(encoding) == 2 { decode_utf16(bytes, encoding) } else { decode(bytes, encoding) }
}

/// Gives UTF-8. A mark at the start that names another encoding wins; bytes that stand for nothing become U+FFFD. Without
/// an encoding and such a mark, everything is given as it is.
pub(crate) struct Utf8<R> {
    input: R,
    /// Whether the mark was looked for.
    is_started: bool,
    decoder: Option<Decoder>,
    /// What was read and not yet decoded.
    raw: Vec<u8>,
    /// What was decoded and not yet given.
    text: Vec<u8>,
    given: usize,
}

impl<R: Read> Utf8<R> {
    pub(crate) fn new(input: R, encoding: Option<&'static Encoding>) -> Self {
        let decoder = encoding.map(Encoding::new_decoder);
        Self { input, is_started: decoder.is_some(), decoder, raw: Vec::new(), text: Vec::new(), given: 0 }
    }

    /// Reads the first bytes, and looks for a mark. It waits for a second byte only where the first can be half of a mark,
    /// which it cannot be in UTF-8.
    fn start(&mut self) -> io::Result<()> {
        self.raw.resize(2, 0);
        let mut length = 0;
        while length < 2 {
            match self.input.read(self.raw.get_mut(length..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if !matches!(self.raw.first(), Some(0xFE | 0xFF)) {
                break;
            }
        }
        self.raw.truncate(length);
        self.decoder = utf16_mark(&self.raw).map(Encoding::new_decoder);
        if self.decoder.is_none() {
            self.text = std::mem::take(&mut self.raw);
        }
        self.is_started = true;
        Ok(())
    }

    /// Decodes some more; whether there is any.
    fn decode(&mut self) -> io::Result<bool> {
        let mut block = vec![0; BLOCK];
        let read = self.input.read(&mut block)?;
        // At the end, the first half of a character is left out: the other half may still be written.
        let Some(decoder) = self.decoder.as_mut().filter(|_| read > 0) else { return Ok(false) };
        self.raw.extend_from_slice(block.get(..read).unwrap_or_default());
        self.text.clear();
        self.given = 0;
        let longest = decoder.max_utf8_buffer_length(self.raw.len()).unwrap_or(BLOCK * 4);
        self.text.resize(longest, 0);
        let (result, taken, written, _) = decoder.decode_to_utf8(&self.raw, &mut self.text, false);
        debug_assert_eq!(result, CoderResult::InputEmpty);
        self.raw.drain(..taken);
        self.text.truncate(written);
        Ok(true)
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.is_started {
            self.start()?;
        }
        while self.given == self.text.len() {
            if self.decoder.is_none() {
                return self.input.read(out);
            }
            match self.decode() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => return Err(error),
            }
        }
        let rest = self.text.get(self.given..).unwrap_or_default();
        let count = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

    use super::*;

    /// Gives so many bytes at a time.
    struct Dribble<'a>(&'a [u8], usize);
    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(out.len()).min(self.0.len());
            let (first, rest) = self.0.split_at(count);
            out[..count].copy_from_slice(first);
            self.0 = rest;
            Ok(count)
        }
    }

    fn read(bytes: &[u8], encoding: impl Into<Option<&'static Encoding>> + Copy) -> String {
        let texts = [1, 3, 100_000].map(|chunk| {
            let mut text = String::new();
            Utf8::new(Dribble(bytes, chunk), encoding.into()).read_to_string(&mut text).expect("UTF-8");
            text
        });
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        texts[0].clone()
    }

    #[test]
    fn encodings_have_the_names_that_people_use() {
        for name in [
            "latin1",
            "iso-8859-1",
            "windows-1252",
            "cp1252",
            "utf-16",
            "UTF-16LE",
            "utf-16be",
            "shift_jis",
            "koi8-r",
            "gbk",
        ] {
            assert!(find(name).is_some_and(is_foreign), "{name}");
        }
        assert_eq!(find("utf-8"), Some(UTF_8));
        assert!(find("UTF8").is_some_and(|found| !is_foreign(found)));
        assert_eq!(find("ebcdic"), None);
    }

    #[test]
    fn all_become_utf_8() {
        assert_eq!(read(b"caf\xe9 \x80\n", WINDOWS_1252), "café €\n");
        assert_eq!(read(&[0x83, 0x65, 0x83, 0x58, b'\n'], SHIFT_JIS), "テス\n");
        let text = "a😀\r\nü\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&little, UTF_16LE), text);
        assert_eq!(read(&big, UTF_16BE), text);
        let marked = [&b"\xfe\xff"[..], &big].concat();
        assert_eq!(read(&marked, UTF_16LE), text, "the mark is right");
        assert_eq!(read(b"\xef\xbb\xbfx", WINDOWS_1252), "x");
        assert_eq!(read(&marked, None), text, "without any encoding, too");
        for plain in ["", "x", "\n", "é\n", "\u{feff}x", text] {
            assert_eq!(read(plain.as_bytes(), None), plain);
        }
        assert_eq!(read(&little[..3], UTF_16LE), "a", "half a character waits for the other half");
        let large: Vec<u8> = vec![0xe9; 3 * BLOCK + 1];
        assert_eq!(read(&large, WINDOWS_1252).chars().count(), 3 * BLOCK + 1);
    }
}
