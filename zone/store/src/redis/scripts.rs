//! The scripts that run on the server. Each is one step that is judged and carried out while nothing else happens there.
//!
//! They are loaded on every new connection, so nothing of ours stays behind on a server and two versions of this code can
//! work on one world; what they must agree on is the format in the world's marker.

use redis::{Cmd, cmd};

/// One of the scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Open,
    Probe,
    Acquire,
    Renew,
    Release,
    Leases,
    Topology,
    Look,
    Owned,
    Swap,
    Save,
    Commit,
    Append,
    OpenSession,
    CloseSession,
    Nonce,
    Purge,
    CopyOpen,
    CopySave,
    CopyPut,
}

/// A script that the server refuses where writing is refused: on a replica, without memory, without a working disk.
macro_rules! writes {
    ($($file:literal),+) => {
        concat!("#!lua\n", include_str!("scripts/prelude.lua"), $(include_str!(concat!("scripts/", $file))),+)
    };
}

/// A script that only reads.
macro_rules! reads {
    ($file:literal) => {
        concat!(
            "#!lua flags=no-writes\n",
            include_str!("scripts/prelude.lua"),
            include_str!(concat!("scripts/", $file))
        )
    };
}

impl Script {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Open,
        Self::Probe,
        Self::Acquire,
        Self::Renew,
        Self::Release,
        Self::Leases,
        Self::Topology,
        Self::Look,
        Self::Owned,
        Self::Swap,
        Self::Save,
        Self::Commit,
        Self::Append,
        Self::OpenSession,
        Self::CloseSession,
        Self::Nonce,
        Self::Purge,
        Self::CopyOpen,
        Self::CopySave,
        Self::CopyPut,
    ];

    /// Its text.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Open => writes!("open.lua"),
            Self::Probe => writes!("probe.lua"),
            Self::Acquire => writes!("acquire.lua"),
            Self::Renew => writes!("renew.lua"),
            Self::Release => writes!("release.lua"),
            Self::Leases => reads!("leases.lua"),
            Self::Topology => writes!("topology.lua"),
            Self::Look => reads!("look.lua"),
            Self::Owned => reads!("owned.lua"),
            Self::Swap => writes!("swap.lua"),
            Self::Save => writes!("owners.lua", "judge.lua", "save.lua"),
            Self::Commit => writes!("owners.lua", "judge.lua", "journal.lua", "commit.lua"),
            Self::Append => writes!("journal.lua", "append.lua"),
            Self::OpenSession => writes!("open_session.lua"),
            Self::CloseSession => writes!("close_session.lua"),
            Self::Nonce => writes!("nonce.lua"),
            Self::Purge => writes!("purge.lua"),
            Self::CopyOpen => writes!("copy_open.lua"),
            Self::CopySave => writes!("owners.lua", "copies.lua", "copy_save.lua"),
            Self::CopyPut => writes!("owners.lua", "copies.lua", "copy_put.lua"),
        }
    }
}

/// What one command of a call asks for.
#[derive(Clone, Debug)]
pub(super) enum Request {
    /// A script with its arguments.
    Script(Script, Vec<Vec<u8>>),
    /// A command that needs no judgement.
    Command(Cmd),
}

impl Request {
    /// A script with arguments that are text.
    pub fn script<const N: usize>(script: Script, arguments: [String; N]) -> Self {
        Self::Script(script, arguments.into_iter().map(String::into_bytes).collect())
    }

    /// About how many bytes it is on the wire.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Script(_, arguments) => arguments.iter().map(Vec::len).sum(),
            Self::Command(command) => command.args_iter().len() * 32,
        }
    }

    /// The command, once the server has told the names by which it knows the scripts.
    pub fn command(&self, names: &[String], base: &str) -> Cmd {
        match self {
            Self::Command(command) => command.clone(),
            Self::Script(script, arguments) => {
                let mut command = cmd("EVALSHA");
                command.arg(&names[*script as usize]).arg(1).arg(base);
                for argument in arguments {
                    command.arg(argument);
                }
                command
            }
        }
    }
}
