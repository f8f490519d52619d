//! Compression of data files. Bytes in, bytes out; both are bounded by the size of a file.

use std::io::{self, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// How data files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Not at all.
    None,
    /// gzip, which every machine can read.
    Gzip,
    /// Zstandard: some times faster at the same size.
    Zstd,
}

/// A method and how hard it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// The method.
    pub method: Method,
    /// Its level, within [`Method::levels`].
    pub level: u8,
}

impl Method {
    /// The least and the most level, and the one that is taken when none is asked for.
    pub const fn levels(self) -> (u8, u8, u8) {
        match self {
            Self::None => (0, 0, 0),
            Self::Gzip => (1, 9, 9),
            // Higher ones need memory that grows faster than what they save.
            Self::Zstd => (1, 19, 3),
        }
    }

    /// What names of files end with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::None => "bin",
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }
}

impl Compression {
    /// Compresses a file. The same bytes give the same bytes: there is no time in them.
    ///
    /// # Errors
    /// When the library cannot, which for bytes in memory means that there is no more of it.
    pub fn pack(self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self.method {
            Method::None => Ok(bytes),
            Method::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(self.level.into()));
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Method::Zstd => zstd::bulk::compress(&bytes, self.level.into()),
        }
    }

    /// What was compressed, if that has `length` bytes. However much would come out of hostile bytes, no more than one
    /// byte beyond `length` does.
    ///
    /// # Errors
    /// When the bytes are not compressed with this method, or something else than `length` bytes is in them.
    pub fn unpack(self, bytes: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(length);
        let most = length as u64 + 1;
        match self.method {
            Method::None => out.extend_from_slice(bytes),
            Method::Gzip => drop(GzDecoder::new(bytes).take(most).read_to_end(&mut out)?),
            Method::Zstd => drop(zstd::stream::read::Decoder::with_buffer(bytes)?.take(most).read_to_end(&mut out)?),
        }
        if out.len() == length { Ok(out) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}
