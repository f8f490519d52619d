//! The machine under a cluster, for what no `kubectl` can do: a node whose power fails, an API server that hangs.

use std::fs;
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
        // First, so that a node that died by half is started again as well.
        let dead = Dead(self, index);
        self.run(&["kill-node", &dead.1]);
        dead
    }

    /// Ends the program of a pod in the middle of whatever it does: without a signal that it could heed, and without anybody
    /// who is told.
    ///
    /// # Panics
    /// When the pod runs no program on this machine.
    pub fn kill_pod(&self, pod: &str) {
        let named = format!("DARKAGES_POD_NAME={pod}");
        let is_it = |process: &Path| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == named.as_bytes())
        };
        let processes = fs::read_dir("/proc").expect("it is Linux").flatten().map(|entry| entry.path());
        let found =
            processes.filter(|process| is_it(process)).filter_map(|process| Some(process.file_name()?.to_owned()));
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "pod {pod} runs no program here");
        let killed = Command::new("kill").arg("-KILL").args(found).status().expect("kill runs");
        assert!(killed.success(), "its program ended by itself");
    }

    /// Lets the API server answer nobody.
    #[must_use]
    pub fn pause_api_server(&self) -> Paused<'_> {
        let paused = Paused(self);
        self.run(&["pause"]);
        paused
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
