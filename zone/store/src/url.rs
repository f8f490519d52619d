//! Where a store is, as one line that a user writes.
//!
//! ```text
//! PATH or redb:PATH                                           a file of this process
//! redis://[USER:PASSWORD@]HOST[:PORT][/DB][?OPTIONS]          one Redis
//! redis+sentinel://[…@]HOST[:PORT],HOST[:PORT]…/NAME[?…]      the primary that sentinels know as NAME
//! redis+cluster://[…@]HOST[:PORT],HOST[:PORT]…[?…]            a Redis Cluster
//! cql://[USER:PASSWORD@]HOST[:PORT],…/KEYSPACE[?OPTIONS]       Cassandra or ScyllaDB, see [`CqlOptions`]
//! redis…://…,cql://…                                          the latter, with copies in the former
//! ```
//!
//! `rediss` in place of `redis` is TLS. Options: `replicas=N`, how many replicas confirm what is durable; `ca=FILE`, the
//! authority that signed the servers' certificates in place of the system's; `db=N` for sentinels. What flows out is parsed
//! once; a password is printed nowhere.

use std::fmt;
use std::path::PathBuf;

use crate::cql::CqlOptions;

/// Servers in one URL, at most; more help nobody to find the primary.
const MAX_NODES: usize = 64;

/// Replicas that may have to confirm, at most.
const MAX_REPLICAS: u32 = 16;

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// In a file of this process.
    Embedded(PathBuf),
    /// In Redis.
    Redis(RedisUrl),
    /// In servers that speak CQL.
    Cql(Box<CqlOptions>),
    /// In servers that speak CQL, with copies in Redis.
    Layered(RedisUrl, Box<CqlOptions>),
}

/// Where a Redis is, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// Which servers.
    pub deployment: Deployment,
    /// TLS, if any.
    pub tls: Option<Tls>,
    /// Who we are; `None` for the default user.
    pub user: Option<String>,
    /// The password, if one is needed.
    pub password: Option<Secret>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
    /// Replicas that must confirm what is durable before it is acknowledged.
    pub replicas: u32,
}

/// Which servers hold a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// This one.
    Single(Node),
    /// The primary that these sentinels know by this name.
    Sentinel {
        /// The sentinels.
        nodes: Vec<Node>,
        /// The primary's name.
        master: String,
    },
    /// The primary of the world's slot in the cluster of these.
    Cluster(Vec<Node>),
}

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How certificates are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The file of the authority, PEM; `None` for those that the system trusts.
    pub ca: Option<PathBuf>,
}

/// A password. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a line is no store URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store URL's {field} {problem}")]
pub struct UrlError {
    /// Which part.
    pub field: &'static str,
    /// What is wrong with it and what is allowed. Holds no password.
    pub problem: String,
}

impl Secret {
    /// The password itself, for the server.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for RedisUrl {
    /// As it was given, without user, password and options.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |nodes: &[Node]| nodes.iter().map(Node::to_string).collect::<Vec<_>>().join(",");
        let tls = if self.tls.is_some() { "s" } else { "" };
        match &self.deployment {
            Deployment::Single(node) => write!(f, "redis{tls}://{node}/{}", self.database),
            Deployment::Sentinel { nodes, master } => write!(f, "redis{tls}+sentinel://{}/{master}", list(nodes)),
            Deployment::Cluster(nodes) => write!(f, "redis{tls}+cluster://{}", list(nodes)),
        }
    }
}

impl StoreUrl {
    /// Where the store is, without user, password and options.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Embedded(path) => path.display().to_string(),
            Self::Redis(url) => url.to_string(),
            Self::Cql(options) => options.place(),
            Self::Layered(redis, options) => format!("{redis},{}", options.place()),
        }
    }
}

impl std::str::FromStr for StoreUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        if url.is_empty() {
            return wrong("path", "is empty, give a file or a URL like redis://host:6379");
        }
        let mut urls = split(url);
        let (first, second) = (urls.next().unwrap_or(url), urls.next());
        match (second, urls.count()) {
            (Some(second), 0) => layered(first, second),
            (Some(_), more) => {
                wrong("list", format!("has {} URLs, at most two are allowed: redis://…,cql://…", more + 2))
            }
            (None, _) => single(first),
        }
    }
}

/// The URLs of a list: a comma parts two of them when a scheme follows it, and hosts of one otherwise.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(list);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let comma =
            text.match_indices(',').map(|(place, _)| place).find(|place| starts_with_scheme(&text[place + 1..]));
        let Some(comma) = comma else { return Some(text) };
        rest = Some(&text[comma + 1..]);
        Some(&text[..comma])
    })
}

fn starts_with_scheme(text: &str) -> bool {
    let name = text.split_once("://").map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'+'))
}

fn layered(first: &str, second: &str) -> Result<StoreUrl, UrlError> {
    match (single(first)?, single(second)?) {
        (StoreUrl::Redis(_), StoreUrl::Cql(_)) if names_replicas(first) => {
            wrong("replicas", "is for a Redis that keeps the world: leave it out before a comma, there are only copies")
        }
        (StoreUrl::Redis(redis), StoreUrl::Cql(cql)) => Ok(StoreUrl::Layered(redis, cql)),
        (StoreUrl::Cql(_), StoreUrl::Redis(_)) => wrong("list", "is in the wrong order, write it as redis://…,cql://…"),
        _ => wrong("list", "is no Redis before CQL, write it as redis://…,cql://…"),
    }
}

fn names_replicas(url: &str) -> bool {
    url.split_once('?').is_some_and(|(_, options)| options.split('&').any(|option| option.starts_with("replicas=")))
}

fn single(url: &str) -> Result<StoreUrl, UrlError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Ok(StoreUrl::Embedded(PathBuf::from(url.strip_prefix("redb:").unwrap_or(url))));
    };
    let (name, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    match (name, kind) {
        ("redis" | "rediss", "" | "sentinel" | "cluster") => redis(rest, name == "rediss", kind).map(StoreUrl::Redis),
        ("cql", "") => CqlOptions::parse(url).map(|options| StoreUrl::Cql(Box::new(options))),
        _ => wrong("scheme", "is unknown, give redis, rediss, either with +sentinel or +cluster, cql, or a path"),
    }
}

fn wrong<T>(field: &'static str, problem: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError { field, problem: problem.into() })
}

fn redis(rest: &str, tls: bool, kind: &str) -> Result<RedisUrl, UrlError> {
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let options = Options::parse(options, tls)?;
    // The last one: a password may hold an @ although it should be written as %40.
    let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
    let (user, password) = login.map_or(Ok((None, None)), credentials)?;
    let (nodes, path) = rest.split_once('/').unwrap_or((rest, ""));
    let nodes = parse_nodes(nodes, if kind == "sentinel" { SENTINEL_PORT } else { REDIS_PORT })?;
    let (deployment, database, replicas) = match kind {
        "sentinel" => (Deployment::Sentinel { nodes, master: master(path)? }, options.database.unwrap_or(0), 1),
        "cluster" if !path.is_empty() => return wrong("path", "is a database, and a cluster has none: leave it out"),
        "cluster" if options.database.is_some() => return wrong("db", "is for sentinels: a cluster has one database"),
        "cluster" => (Deployment::Cluster(nodes), 0, 1),
        _ if options.database.is_some() => return wrong("db", "is for sentinels: write it as /N after the port"),
        _ => {
            let database = if path.is_empty() { 0 } else { parse_number("database", path, u32::MAX)? };
            let [node] = <[Node; 1]>::try_from(nodes).or_else(|nodes| {
                wrong("host", format!("is {} hosts, only +sentinel and +cluster have several", nodes.len()))
            })?;
            (Deployment::Single(node), database, 0)
        }
    };
    let tls = tls.then_some(Tls { ca: options.ca });
    Ok(RedisUrl { deployment, tls, user, password, database, replicas: options.replicas.unwrap_or(replicas) })
}

fn master(path: &str) -> Result<String, UrlError> {
    if path.is_empty() {
        return wrong("path", "is missing, end it with the primary's name as the sentinels know it: …/NAME");
    }
    decode("path", path)
}

fn credentials(login: &str) -> Result<(Option<String>, Option<Secret>), UrlError> {
    let Some((user, password)) = login.split_once(':') else {
        return wrong("user", "has no password, write USER:PASSWORD@ or :PASSWORD@");
    };
    let user = if user.is_empty() { None } else { Some(decode("user", user)?) };
    Ok((user, Some(Secret(decode("password", password)?))))
}

fn parse_nodes(list: &str, port: u16) -> Result<Vec<Node>, UrlError> {
    let nodes: Vec<Node> = list.split(',').map(|node| parse_node(node, port)).collect::<Result<_, _>>()?;
    if nodes.len() > MAX_NODES {
        return wrong("host", format!("is {} hosts, at most {MAX_NODES} are allowed", nodes.len()));
    }
    Ok(nodes)
}

fn parse_node(text: &str, default: u16) -> Result<Node, UrlError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return wrong("host", "is missing, give a name or an address");
    }
    let port = port.map_or(Ok(u32::from(default)), |port| parse_number("port", port, u32::from(u16::MAX)))?;
    match u16::try_from(port) {
        Ok(port) if port > 0 => Ok(Node { host: host.to_owned(), port }),
        _ => wrong("port", format!("is {port}, 1 to {} are ports", u16::MAX)),
    }
}

fn parse_number(field: &'static str, text: &str, most: u32) -> Result<u32, UrlError> {
    match text.parse() {
        Ok(number) if number <= most => Ok(number),
        // What was written is not repeated: it is a part of the password when its @ was forgotten.
        _ => wrong(field, format!("is no number that is allowed there, give a whole one of at most {most}")),
    }
}

/// Text in which `%XX` stands for a byte.
fn decode(field: &'static str, text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => return wrong(field, "has a % without two hexadecimal digits, write a percent sign as %25"),
        }
        rest = &tail[2..];
    }
    String::from_utf8(bytes).or_else(|_| wrong(field, "is not UTF-8 once its %XX are read"))
}

#[derive(Default)]
struct Options {
    replicas: Option<u32>,
    database: Option<u32>,
    ca: Option<PathBuf>,
}

impl Options {
    fn parse(text: &str, tls: bool) -> Result<Self, UrlError> {
        let mut options = Self::default();
        for option in text.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("replicas", number) => options.replicas = Some(parse_number("replicas", number, MAX_REPLICAS)?),
                ("db", number) => options.database = Some(parse_number("db", number, u32::MAX)?),
                ("ca", _) if !tls => return wrong("ca", "is for TLS, write rediss in place of redis"),
                ("ca", "") => return wrong("ca", "is empty, give the file of the authority's certificate"),
                ("ca", file) => options.ca = Some(PathBuf::from(decode("ca", file)?)),
                _ => return wrong("option", "is unknown, there are replicas=N, ca=FILE and db=N"),
            }
        }
        Ok(options)
    }
}
