//! One Redis server: started on a free port of 127.0.0.1 in a folder of its own, killed when it is dropped, also by a panic.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, Connection, FromRedisValue, RedisResult};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{free_port, wait_for};

/// Somebody else may take a port between the moment at which it was free and the start of a server on it.
const ATTEMPTS: usize = 5;

/// One `redis-server`.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    /// Further arguments, as in its configuration file.
    arguments: Vec<String>,
    /// What it takes to be let in by it, for tests that look inside.
    login: String,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// A server with an append-only file and these further arguments (`{port}` and `{folder}` stand for its own).
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, "", |_| {})
    }

    /// As [`start`](Self::start), let in by `login` (`:PASSWORD@`), with files that `prepare` puts into its folder.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(arguments: &[&str], login: &str, prepare: impl Fn(&Path)) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().expect("a folder for the server");
            prepare(folder.path());
            let port = free_port();
            let child = spawn(port, folder.path(), &arguments);
            let mut server = Self { port, arguments: arguments.clone(), login: login.to_owned(), child, folder };
            if server.comes_up() {
                return server;
            }
        }
        panic!("redis-server does not start with {arguments:?}: is it installed?");
    }

    /// Whether it serves; not when it ended.
    fn comes_up(&mut self) -> bool {
        wait_for("a server that starts", || match self.child.try_wait() {
            Ok(None) => self.try_ask::<String>(&["PING"]).is_ok().then_some(true),
            _ => Some(false),
        })
    }

    /// The folder of its files and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it as a crash would.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Starts it anew with what it left behind, on the same port. `more` is added to its arguments.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self, more: &[&str]) {
        let mut arguments = self.arguments.clone();
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self.child = spawn(self.port, self.folder.path(), &arguments);
        assert!(self.comes_up(), "it starts again");
    }

    /// Freezes it, or lets it go on.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }

    /// A connection that looks inside.
    ///
    /// # Errors
    /// When it lets nobody in.
    pub fn connection(&self) -> RedisResult<Connection> {
        let client = Client::open(format!("redis://{}127.0.0.1:{}", self.login, self.port))?;
        client.get_connection_with_timeout(Duration::from_secs(1))
    }

    /// Asks it something.
    ///
    /// # Errors
    /// When it does not answer, or with an error.
    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut connection = self.connection()?;
        connection.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }

    /// Asks it something that it must answer.
    ///
    /// # Panics
    /// When it does not.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Whether it takes writes.
    pub fn is_primary(&self) -> bool {
        self.try_ask::<String>(&["INFO", "replication"]).is_ok_and(|info| info.contains("role:master"))
    }

    /// Whether it has a replica that confirms what it gets. One that was just filled gets nothing more until its first
    /// confirmation, within a second; its offset is 0 until then.
    pub fn is_followed(&self) -> bool {
        let info = self.try_ask::<String>(&["INFO", "replication"]).unwrap_or_default();
        info.lines().any(|line| line.contains("state=online") && !line.contains("offset=0,"))
    }

    /// Whether it is a replica that has everything its primary has.
    pub fn follows(&self) -> bool {
        let info = self.try_ask::<String>(&["INFO", "replication"]).unwrap_or_default();
        info.contains("role:slave") && info.contains("master_link_status:up")
    }
}

fn spawn(port: u16, folder: &Path, arguments: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a file for its log");
    let folder_name = folder.to_str().expect("a plain name");
    let own = |text: &str| text.replace("{port}", &port.to_string()).replace("{folder}", folder_name);
    let mut command = Command::new("redis-server");
    // A configuration file, as sentinels need one that they can write to; clusters and others do not mind.
    let sentinel = arguments.iter().any(|argument| argument == "--sentinel");
    if sentinel {
        command.arg(folder.join("sentinel.conf"));
    } else {
        command.args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        command.args(["--repl-ping-replica-period", "1"]);
    }
    if !arguments.iter().any(|argument| argument == "--port") {
        command.args(["--port", &port.to_string()]);
    }
    command.args(["--bind", "127.0.0.1", "--dir", folder_name]).args(arguments.iter().map(|argument| own(argument)));
    let output = log.try_clone().expect("its log twice");
    command.stdin(Stdio::null()).stdout(output).stderr(log).spawn().expect("redis-server is installed")
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be frozen or gone already; killing works on the first and does nothing to the second.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
