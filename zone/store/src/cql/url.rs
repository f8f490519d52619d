//! Where a CQL store is and how it is spoken to, as one URL.
//!
//! What flows in is text from a flag or a file; what flows out is a [`CqlOptions`] whose every field is in range, or an error
//! that names the field and says what to write instead. Neither ever shows the password.

use std::fmt;
use std::time::Duration;

use crate::url::UrlError;

/// Servers to ask first, at most; the driver learns of the others from them.
const MAX_HOSTS: usize = 64;

/// The port of CQL.
const DEFAULT_PORT: u16 = 9_042;

/// Characters of a keyspace's name, at most: what servers allow.
const MAX_KEYSPACE_CHARS: usize = 48;

/// How many servers have each record, unless the URL says otherwise.
const DEFAULT_FACTOR: u8 = 3;

/// Copies that a URL may ask for, at most.
const MAX_FACTOR: u8 = 11;

/// How long a call may take, unless the URL says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a URL may give to a call.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Days for which log entries are kept, unless the URL says otherwise.
const DEFAULT_RETENTION_DAYS: u32 = 30;

/// Days for which log entries may be kept, at most: servers count a life in seconds, up to twenty years.
const MAX_RETENTION_DAYS: u32 = 3_650;

/// Options that the part after `?` may set.
const KNOWN: &str = "replication, consistency, serial, timeout, journal_days, events_days";

impl UrlError {
    fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

/// A user and a password. It is printed without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub(super) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}:***)", self.user)
    }
}

/// How a keyspace that does not exist yet is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replication {
    /// So many copies, wherever the servers stand: for one data centre.
    Simple(u8),
    /// So many copies in each of these data centres.
    DataCentres(Vec<(String, u8)>),
}

/// How many copies of a record must have a write, and be asked by a plain read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// Most of the copies in the data centre of the server that is asked.
    Local,
    /// Most of all copies.
    Global,
}

/// Where a store is and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CqlOptions {
    /// Servers to ask first, as `host:port`.
    pub hosts: Vec<String>,
    /// How to log in, if servers want it.
    pub credentials: Option<Credentials>,
    /// The keyspace of the world; lower case.
    pub keyspace: String,
    /// How the keyspace is made. One that exists stays as it is.
    pub replication: Replication,
    /// The quorum of plain reads and writes, and of what a compare-and-swap has decided.
    pub consistency: Quorum,
    /// The quorum that decides a compare-and-swap. [`Quorum::Local`] is right only when all zones of a world use the same
    /// data centre.
    pub serial: Quorum,
    /// How long a call may take.
    pub timeout: Duration,
    /// Days for which the journal of transactions is kept.
    pub journal_days: u32,
    /// Days for which other events are kept.
    pub events_days: u32,
}

impl CqlOptions {
    /// Reads `cql://[user:password@]host[:port][,host[:port]…]/keyspace[?option=value[&option=value…]]`.
    ///
    /// Options: `replication=3` or `replication=dc1:3,dc2:2` (for a keyspace that does not exist yet),
    /// `consistency=local_quorum|quorum`, `serial=serial|local_serial`, `timeout=5s` (or in `ms`), `journal_days=30`,
    /// `events_days=30`. In user and password `%40`, `%3A`, `%2F` and the like stand for characters with a meaning of
    /// their own.
    ///
    /// # Errors
    /// When a part is missing, unknown or out of range.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let rest = url
            .strip_prefix("cql://")
            .ok_or_else(|| UrlError::new("scheme", "must be cql://: write cql://host:9042/keyspace"))?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, keyspace) = place
            .rsplit_once('/')
            .ok_or_else(|| UrlError::new("keyspace", "is missing: write cql://host:9042/keyspace"))?;
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let mut parsed = Self {
            hosts: parse_hosts(hosts)?,
            credentials: login.map(parse_login).transpose()?,
            keyspace: parse_keyspace(keyspace)?,
            replication: Replication::Simple(DEFAULT_FACTOR),
            consistency: Quorum::Local,
            serial: Quorum::Global,
            timeout: DEFAULT_TIMEOUT,
            journal_days: DEFAULT_RETENTION_DAYS,
            events_days: DEFAULT_RETENTION_DAYS,
        };
        for option in options.split('&').filter(|option| !option.is_empty()) {
            parsed.set(option)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, option: &str) -> Result<(), UrlError> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "replication" => self.replication = parse_replication(value)?,
            "consistency" => self.consistency = choice("consistency", value, "local_quorum", "quorum")?,
            "serial" => self.serial = choice("serial", value, "local_serial", "serial")?,
            "timeout" => self.timeout = parse_timeout(value)?,
            "journal_days" => self.journal_days = number("journal_days", value, 1, MAX_RETENTION_DAYS)?,
            "events_days" => self.events_days = number("events_days", value, 1, MAX_RETENTION_DAYS)?,
            // The name is not repeated: with a password that holds a bare `?` it could be a part of that.
            _ => return Err(UrlError::new("option", format!("is unknown: choose from {KNOWN}"))),
        }
        Ok(())
    }

    /// The place without what is secret, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        format!("cql://{}/{}", self.hosts.join(","), self.keyspace)
    }
}

fn parse_hosts(text: &str) -> Result<Vec<String>, UrlError> {
    let hosts: Vec<String> = text.split(',').map(parse_host).collect::<Result<_, _>>()?;
    if hosts.len() > MAX_HOSTS {
        return Err(UrlError::new("hosts", format!("are {}, name at most {MAX_HOSTS}", hosts.len())));
    }
    Ok(hosts)
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`, with the port.
fn parse_host(text: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::new("host", "must be host, host:port or [IPv6]:port, with a port from 1 to 65535");
    let (name, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (name, port) = bracketed.split_once(']').ok_or_else(wrong)?;
            (format!("[{name}]"), port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(wrong)?)
        }
        None => {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            (name.to_owned(), port)
        }
    };
    let known = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if name.is_empty() || !name.chars().all(known) || port.contains(':') {
        return Err(wrong());
    }
    let port = match port {
        "" if text.ends_with(':') => return Err(wrong()),
        "" => DEFAULT_PORT,
        port => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
    };
    Ok(format!("{name}:{port}"))
}

fn parse_login(text: &str) -> Result<Credentials, UrlError> {
    let (user, password) =
        text.split_once(':').ok_or_else(|| UrlError::new("login", "has no password: write user:password@host"))?;
    let (user, password) = (unescape(user)?, unescape(password)?);
    if user.is_empty() {
        return Err(UrlError::new("user", "is empty: write user:password@host"));
    }
    Ok(Credentials { user, password })
}

/// Replaces `%XX` by the byte that it stands for.
fn unescape(text: &str) -> Result<String, UrlError> {
    let wrong = || UrlError::new("login", "has a % without two hexadecimal digits: write %25 for a percent sign");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_first_chunk::<2>().ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn parse_keyspace(text: &str) -> Result<String, UrlError> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts || text.len() > MAX_KEYSPACE_CHARS || !text.chars().all(known) {
        let problem = format!(
            "must start with a letter and have only a-z, 0-9 and _, at most {MAX_KEYSPACE_CHARS}: for example darkages"
        );
        return Err(UrlError::new("keyspace", problem));
    }
    Ok(text.to_owned())
}

fn parse_replication(text: &str) -> Result<Replication, UrlError> {
    if !text.contains(':') {
        return factor(text).map(Replication::Simple);
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let centres = text.split(',').map(|centre| match centre.split_once(':') {
        Some((name, copies)) if !name.is_empty() && name.chars().all(known) => Ok((name.to_owned(), factor(copies)?)),
        _ => Err(UrlError::new("replication", "must be a number or centre:number,centre:number, such as dc1:3,dc2:2")),
    });
    centres.collect::<Result<_, _>>().map(Replication::DataCentres)
}

fn factor(text: &str) -> Result<u8, UrlError> {
    number("replication", text, 1, MAX_FACTOR.into()).map(|factor| u8::try_from(factor).unwrap_or(MAX_FACTOR))
}

fn number(field: &'static str, text: &str, least: u32, most: u32) -> Result<u32, UrlError> {
    let parsed = text.parse().ok().filter(|number| (least..=most).contains(number));
    parsed.ok_or_else(|| UrlError::new(field, format!("must be a whole number from {least} to {most}")))
}

fn choice(field: &'static str, text: &str, local: &str, global: &str) -> Result<Quorum, UrlError> {
    match text {
        text if text == local => Ok(Quorum::Local),
        text if text == global => Ok(Quorum::Global),
        _ => Err(UrlError::new(field, format!("must be {local} or {global}"))),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, UrlError> {
    let parsed = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => number.parse().ok().map(Duration::from_millis),
        (None, Some(number)) => number.parse().ok().map(Duration::from_secs),
        (None, None) => None,
    };
    let allowed = parsed.filter(|time| !time.is_zero() && *time <= MAX_TIMEOUT);
    allowed.ok_or_else(|| UrlError::new("timeout", "must be from 1ms to 60s, such as 5s or 800ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_url_is_read() {
        let url = "cql://ann:p%40ss%3a@db1:9142,db2,[::1]:9043/dark_ages?replication=dc1:3,dc2:2&consistency=quorum&\
                   serial=local_serial&timeout=800ms&journal_days=7&events_days=3";
        let options = CqlOptions::parse(url).expect("a URL");
        assert_eq!(options.hosts, ["db1:9142", "db2:9042", "[::1]:9043"]);
        let credentials = options.credentials.clone().expect("a login");
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("ann", "p@ss:"));
        assert_eq!(options.keyspace, "dark_ages");
        assert_eq!(options.replication, Replication::DataCentres(vec![("dc1".into(), 3), ("dc2".into(), 2)]));
        assert_eq!((options.consistency, options.serial), (Quorum::Global, Quorum::Local));
        assert_eq!(options.timeout, Duration::from_millis(800));
        assert_eq!((options.journal_days, options.events_days), (7, 3));
        assert!(!format!("{options:?} {}", options.place()).contains("p@ss"), "no password is printed");
    }

    #[test]
    fn a_short_url_has_defaults() {
        let options = CqlOptions::parse("cql://localhost/world").expect("a URL");
        assert_eq!(options.hosts, ["localhost:9042"]);
        assert_eq!(options.replication, Replication::Simple(3));
        assert_eq!((options.consistency, options.serial), (Quorum::Local, Quorum::Global));
        assert_eq!((options.journal_days, options.events_days), (30, 30));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, field) in [
            ("redis://h/k", "scheme"),
            ("cql://h", "keyspace"),
            ("cql://h/", "keyspace"),
            ("cql://h/Upper", "keyspace"),
            ("cql://h/a;b", "keyspace"),
            ("cql:///k", "host"),
            ("cql://h:0/k", "host"),
            ("cql://h:99999/k", "host"),
            ("cql://h:/k", "host"),
            ("cql://h,,i/k", "host"),
            ("cql://[::1/k", "host"),
            ("cql://secret@h/k", "login"),
            ("cql://u:secret%4@h/k", "login"),
            ("cql://:secret@h/k", "user"),
            ("cql://h/k?replication=0", "replication"),
            ("cql://h/k?replication=a'b:3", "replication"),
            ("cql://h/k?consistency=one", "consistency"),
            ("cql://h/k?serial=quorum", "serial"),
            ("cql://h/k?timeout=5", "timeout"),
            ("cql://h/k?timeout=0s", "timeout"),
            ("cql://h/k?journal_days=0", "journal_days"),
            ("cql://h/k?events_days=x", "events_days"),
            ("cql://u:secret@h/k?secret=1", "option"),
        ] {
            let error = CqlOptions::parse(url).expect_err(url);
            assert_eq!(error.field, field, "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
