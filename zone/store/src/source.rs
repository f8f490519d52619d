//! How a process is told where its store is: by a flag, a file, or a variable of its environment.
//!
//! A URL may hold a password, and every user of a machine can read the command lines of all processes. A file and an
//! environment are read by their owner only. What flows out is a URL as it was written; no error holds any of it.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::url::StoreUrl;

/// The variable that says where the store is when no flag does.
pub const STORE_VARIABLE: &str = "DARKAGES_STORE";

/// Bytes of a file with a URL, at most: room for 64 servers with long names, twice.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The URL of a store as somebody wrote it, right or wrong. It is not printed: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlText(String);

impl UrlText {
    /// The text itself, for [`open`](crate::open) or to hand it on.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for UrlText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.parse::<StoreUrl>().map(|url| url.place());
        write!(f, "UrlText({})", place.as_deref().unwrap_or("***"))
    }
}

/// Why there is no URL.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("--store-file {path}: cannot be read ({source}): give a file with the store's URL in one line")]
    Unreadable {
        /// Which file.
        path: String,
        /// What stood in the way.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("--store-file {path}: {problem}: give a file with the store's URL in one line")]
    NoUrl {
        /// Which file.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The variable is something else.
    #[error("{STORE_VARIABLE} {problem}: set it to the store's URL, or unset it")]
    Variable {
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The store's URL: that of the flag, else what is in the file, else what the variable says. `None` when nothing does. `variable`
/// is the value of [`STORE_VARIABLE`], for whoever heeds it.
///
/// # Errors
/// When the file cannot be read, or it or the variable holds no single line.
pub fn store_url(
    flag: Option<&str>,
    file: Option<&Path>,
    variable: Option<OsString>,
) -> Result<Option<UrlText>, SourceError> {
    if let Some(url) = flag {
        return Ok(Some(UrlText(url.to_owned())));
    }
    if let Some(path) = file {
        return in_file(path).map(Some);
    }
    let Some(value) = variable else { return Ok(None) };
    let Ok(value) = value.into_string() else {
        return Err(SourceError::Variable { problem: "is no text" });
    };
    line(&value).map(Some).map_err(|problem| SourceError::Variable { problem })
}

/// The URL in a file.
fn in_file(path: &Path) -> Result<UrlText, SourceError> {
    let name = || path.display().to_string();
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text));
    read.map_err(|source| SourceError::Unreadable { path: name(), source })?;
    let no_url = |problem| SourceError::NoUrl { path: name(), problem };
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(no_url("is longer than any URL"));
    }
    let text = String::from_utf8(text).map_err(|_| no_url("is no text"))?;
    line(&text).map_err(no_url)
}

/// The only line of a text.
fn line(text: &str) -> Result<UrlText, &'static str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(UrlText(line.to_owned())),
        (None, _) => Err("is empty"),
        (Some(_), Some(_)) => Err("has several lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    const SECRET: &str = "redis://:hunter2@h";

    fn file(text: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[test]
    fn the_flag_comes_before_the_file_and_the_file_before_the_variable() {
        let kept = file(b"\n  redis://in-file  \n");
        let variable = || Some(OsString::from("redis://in-variable\n"));
        let of = |flag, path| store_url(flag, path, variable()).expect("a URL").map(|url| url.0);
        assert_eq!(of(Some("redis://flag"), Some(kept.path())).as_deref(), Some("redis://flag"));
        assert_eq!(of(None, Some(kept.path())).as_deref(), Some("redis://in-file"));
        assert_eq!(of(None, None).as_deref(), Some("redis://in-variable"));
        assert_eq!(store_url(None, None, None).expect("nothing"), None);
    }

    #[test]
    fn a_password_is_not_printed() {
        let printed = |text: &str| format!("{:?}", UrlText(text.to_owned()));
        assert_eq!(printed("redis://:hunter2@h/3"), "UrlText(redis://h:6379/3)");
        assert_eq!(printed("redis://hunter2@h"), "UrlText(***)");
    }

    #[test]
    fn what_holds_no_single_line_is_named_and_not_repeated() {
        let long = [SECRET.as_bytes(), &vec![b'x'; 70_000]].concat();
        let texts: [(&[u8], &str); 4] = [
            (b" \n", "is empty"),
            (b"redis://:hunter2@h\nredis://:hunter2@i", "several lines"),
            (b"redis://:hunter2@h\xFF", "no text"),
            (&long, "longer than any URL"),
        ];
        for (text, problem) in texts {
            let kept = file(text);
            let error = store_url(None, Some(kept.path()), None).expect_err(problem).to_string();
            assert!(error.contains("--store-file") && error.contains(problem), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = store_url(None, Some(Path::new("/nowhere/at/all")), None).expect_err("no file").to_string();
        assert!(error.contains("--store-file /nowhere/at/all: cannot be read"), "{error}");
        for (value, problem) in [
            (OsString::from(""), "is empty"),
            (OsString::from_vec(b"redis://:hunter2@h\xFF".to_vec()), "is no text"),
            (OsString::from("redis://:hunter2@h\n2"), "several lines"),
        ] {
            let error = store_url(None, None, Some(value)).expect_err(problem).to_string();
            assert!(error.contains(STORE_VARIABLE) && error.contains(problem), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
