//! Kubernetes: an API server with its etcd, started by `e2e/cluster/cluster.sh`, gone with the test.
//!
//! It is the child of a shell that waits for the end of its input and then ends the server and removes its folder. The other
//! end of that pipe is the test's, so the server goes whatever becomes of the test: when it ends, panics or is killed.
//!
//! An API server keeps resources, holds them to their schemas and answers `kubectl`; nothing runs on it. Tests that need
//! pods want a whole cluster (docs/CLUSTER.md).

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Names the kubeconfig of a cluster that tests may use instead of a server of their own. Not `KUBECONFIG`, which may name
/// one that matters.
pub const GIVEN: &str = "TEST_KUBECONFIG";

/// How long a server may take until it serves: more than `cluster.sh` gives itself. It takes some 5 s on a machine that has
/// nothing else to do.
const START_DEADLINE: Duration = Duration::from_secs(300);

/// Between two looks at a server that starts.
const LOOK: Duration = Duration::from_millis(50);

/// Starts the server, says how that ended in the file `started`, and ends it when nobody holds the other end of its input.
const KEEPER: &str = r#"
"$CLUSTER" api "$FOLDER" >"$FOLDER/out" 2>&1 </dev/null
echo $? >"$FOLDER/started.new" && mv "$FOLDER/started.new" "$FOLDER/started"
cat >/dev/null
"$CLUSTER" down "$FOLDER" && rm -rf "$FOLDER"
"#;

/// An API server that tests may do anything with.
pub struct Cluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// The server, when it is our own.
    own: Option<Own>,
}

/// A server of our own. It ends when this is dropped.
struct Own {
    keeper: Child,
    folder: PathBuf,
}

impl Cluster {
    /// Starts a server.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let kubectl = program("kubectl").expect("Kubernetes is missing: run `make api` once, which builds it");
        let own = Own::start();
        Self { kubeconfig: own.folder.join("admin.conf"), kubectl, own: Some(own) }
    }

    /// The server that all tests of this binary share: the one that [`GIVEN`] names, or one that goes with the process.
    ///
    /// # Panics
    /// When it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os(GIVEN) {
            Some(given) => Self::given(given),
            None => Self::start(),
        })
    }

    fn given(kubeconfig: OsString) -> Self {
        let kubectl = program("kubectl").unwrap_or_else(|| PathBuf::from("kubectl"));
        Self { kubeconfig: kubeconfig.into(), kubectl, own: None }
    }

    /// What clients read to reach it, as `KUBECONFIG` names it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// `kubectl`, told which server to talk to.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.env("KUBECONFIG", &self.kubeconfig).stdin(Stdio::null());
        if let Some(own) = &self.own {
            kubectl.env("KUBECACHEDIR", own.folder.join("kubectl"));
        }
        kubectl
    }

    /// A namespace that nobody has used in this run.
    ///
    /// # Panics
    /// When the server does not make it.
    pub fn new_namespace(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let made = self.kubectl().args(["create", "namespace", &name]).output().expect("kubectl runs");
        assert!(made.status.success(), "namespace {name}: {}", String::from_utf8_lossy(&made.stderr));
        name
    }
}

impl Own {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("darkages-kubernetes-").tempdir().expect("a folder").keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).env("CLUSTER", repository().join("e2e/cluster/cluster.sh")).env("FOLDER", &folder);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C at the terminal is for the test; the keeper has to tidy up after it.
        keeper.process_group(0);
        let own = Self { keeper: keeper.spawn().expect("a shell starts"), folder };
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            match fs::read_to_string(own.folder.join("started")) {
                Ok(code) if code.trim() == "0" => return own,
                Ok(_) => panic!("the API server does not start:\n{}", own.last_words()),
                Err(_) => assert!(Instant::now() < deadline, "no API server within {START_DEADLINE:?}"),
            }
            thread::sleep(LOOK);
        }
    }

    fn last_words(&self) -> String {
        fs::read_to_string(self.folder.join("out")).unwrap_or_default()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("it exists")
}

/// One of the programs that `cluster.sh build api` has built.
fn program(name: &str) -> Option<PathBuf> {
    Some(repository().join(".cache/cluster/bin").join(name)).filter(|path| path.exists())
}
