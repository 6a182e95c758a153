//! Compression of whole streams of bytes.

mod gzip;

use std::{
    io::{self, Read, Write as _},
    path::Path,
};

/// How bytes are compressed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Compression {
    /// No compression.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// Snappy in its framing format.
    Snappy,
}

impl Compression {
    /// The bytes as one gzip member, Zstandard frame or Snappy stream. The same bytes give the same result. Results
    /// may be put one after another, except Snappy's first chunk, which readers allow to repeat.
    pub fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip => {
                // The header's time stays 0, so that a replay writes the same bytes.
                let out = Vec::with_capacity(bytes.len() / 4);
                let mut encoder = flate2::GzBuilder::new().mtime(0).write(out, flate2::Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL),
            Self::Snappy => {
                let mut encoder = snap::write::FrameEncoder::new(Vec::with_capacity(bytes.len() / 2));
                encoder.write_all(bytes)?;
                encoder.into_inner().map_err(snap::write::IntoInnerError::into_error)
            }
        }
    }

    /// What a file's name ends with: `.gz`; empty for none.
    pub fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
            Self::Snappy => ".sz",
        }
    }

    /// The decompressed bytes of `compressed`, members or frames put one after another included. A stream that ends in
    /// the middle is an error of kind `UnexpectedEof`; padding after gzip, and other bytes there, are left out.
    pub fn reader(self, compressed: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(gzip::Members::new(compressed)),
            Self::Zstd => match zstd::Decoder::new(compressed) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => Box::new(Broken(Some(error))),
            },
            Self::Snappy => Box::new(snap::read::FrameDecoder::new(compressed)),
        }
    }

    /// What the name of a file says about its compression.
    pub fn detect(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "gz" | "gzip" => Self::Gzip,
            "zst" | "zstd" => Self::Zstd,
            "sz" | "snappy" => Self::Snappy,
            _ => Self::None,
        }
    }
}

/// A reader that could not be made; the first read says why.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 4] = [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Snappy];

    fn read(compression: Compression, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        compression.reader(io::Cursor::new(bytes)).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_is_compressed_reads_back_also_when_appended() {
        let text = "a line that repeats\n".repeat(10_000).into_bytes();
        for compression in ALL {
            let mut bytes = compression.compress(&text).expect("compresses");
            assert_eq!(bytes, compression.compress(&text).expect("compresses"), "{compression:?} is deterministic");
            bytes.extend(compression.compress(b"and more\n").expect("compresses"));
            let expected = [text.as_slice(), b"and more\n"].concat();
            assert_eq!(read(compression, bytes).expect("reads"), expected, "{compression:?}");
            assert_eq!(Compression::detect(Path::new(&format!("x.jsonl{}", compression.extension()))), compression);
        }
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Snappy] {
            let mut bytes = compression.compress(&vec![7; 100_000]).expect("compresses");
            bytes.truncate(bytes.len() - 3);
            assert!(read(compression, bytes).is_err(), "{compression:?}");
        }
    }
}
