//! `kubectl`, as users have it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use darkages_servers::kubernetes::GIVEN;
use serde_json::Value;

/// Between two looks at something that is to become true.
const LOOK: Duration = Duration::from_millis(100);

/// `kubectl` in one namespace.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Kubectl {
    /// That of the cluster which `TEST_KUBECONFIG` names.
    ///
    /// # Panics
    /// When the variable is missing.
    #[must_use]
    pub fn given(namespace: &str) -> Self {
        let kubeconfig = std::env::var_os(GIVEN).unwrap_or_else(|| panic!("{GIVEN} is missing: run make e2e"));
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/cluster/bin/kubectl");
        let program = if built.exists() { built } else { PathBuf::from("kubectl") };
        Self { program, kubeconfig: kubeconfig.into(), namespace: namespace.to_owned() }
    }

    /// What it reads to reach the cluster.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What it says.
    ///
    /// # Errors
    /// What it says when it fails.
    pub fn try_run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut kubectl = Command::new(&self.program);
        kubectl.env("KUBECONFIG", &self.kubeconfig).arg("--namespace").arg(&self.namespace).args(arguments);
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = kubectl.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What it says.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments, "").unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
    }

    /// Applies a manifest.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn apply(&self, manifest: &str) {
        let applied = self.try_run(&["apply", "--server-side", "--filename", "-"], manifest);
        applied.unwrap_or_else(|error| panic!("kubectl apply: {error}\n{manifest}"));
    }

    /// An object, or a list of them; `None` when there is none.
    ///
    /// # Panics
    /// When it says something that is no JSON.
    #[must_use]
    pub fn get(&self, arguments: &[&str]) -> Option<Value> {
        let all: Vec<&str> = ["get", "--output", "json"].iter().chain(arguments).copied().collect();
        let text = self.try_run(&all, "").ok()?;
        Some(serde_json::from_str(&text).expect("kubectl writes JSON"))
    }
}

/// Waits until something is there, and says how long that took.
///
/// # Panics
/// When it is not in time.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> (T, Duration) {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, began.elapsed());
        }
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        thread::sleep(LOOK);
    }
}
