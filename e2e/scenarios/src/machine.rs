//! The machine under a cluster, for what no `kubectl` can do: a node whose power fails, an API server that hangs.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkages_servers::kubernetes::GIVEN;

/// A cluster that `e2e/cluster/cluster.sh` has started.
#[derive(Debug)]
pub struct Machine {
    folder: PathBuf,
}

impl Machine {
    /// That of the cluster which `TEST_KUBECONFIG` names; `None`, and a line that says so, when it is none of ours.
    #[must_use]
    pub fn of_the_cluster() -> Option<Self> {
        let kubeconfig = PathBuf::from(std::env::var_os(GIVEN)?);
        let folder = kubeconfig.parent()?.to_owned();
        if folder.join("node-0").is_dir() {
            return Some(Self { folder });
        }
        eprintln!("not run: this is for a cluster that e2e/cluster/cluster.sh started, whose nodes it can end");
        None
    }

    /// Ends everything on a node at once.
    #[must_use]
    pub fn kill_node(&self, name: &str) -> Dead<'_> {
        let index = name.rsplit('-').next().unwrap_or_default().to_owned();
        self.run(&["kill-node", &index]);
        Dead(self, index)
    }

    /// Lets the API server answer nobody.
    #[must_use]
    pub fn pause_api_server(&self) -> Paused<'_> {
        self.run(&["pause"]);
        Paused(self)
    }

    fn run(&self, arguments: &[&str]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cluster/cluster.sh");
        let (command, rest) = arguments.split_first().expect("a command");
        let ended = Command::new(script).arg(command).arg(&self.folder).args(rest).status().expect("bash runs");
        // A test that panics already has more to say.
        assert!(ended.success() || std::thread::panicking(), "cluster.sh {}", arguments.join(" "));
    }
}

/// A node without power, until this is dropped.
#[derive(Debug)]
pub struct Dead<'a>(&'a Machine, String);

impl Drop for Dead<'_> {
    fn drop(&mut self) {
        self.0.run(&["start-node", &self.1]);
    }
}

/// An API server that answers nobody, until this is dropped.
#[derive(Debug)]
pub struct Paused<'a>(&'a Machine);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.run(&["resume"]);
    }
}
