//! A namespace of the shared API server, which has our definitions.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use darkages_crds::ZoneServer;
use darkages_servers::kubernetes::Cluster;
use serde_json::Value;

/// What one test has to itself.
pub struct World {
    cluster: &'static Cluster,
    namespace: String,
}

/// What `kubectl` said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl World {
    pub fn new() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        let cluster = Cluster::shared();
        INSTALLED.get_or_init(|| install(cluster));
        Self { cluster, namespace: cluster.new_namespace() }
    }

    /// The namespace that it has to itself.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs `kubectl` in the namespace with this as its input.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Said {
        let mut kubectl = self.cluster.kubectl();
        kubectl.args(["--namespace", &self.namespace]).args(arguments);
        run(kubectl, input)
    }

    /// Runs `kubectl` and returns what it prints.
    pub fn must(&self, arguments: &[&str], input: &str) -> String {
        let said = self.kubectl(arguments, input);
        assert!(said.ok, "kubectl {arguments:?}: {}", said.err);
        said.out
    }

    /// Applies a manifest as users do.
    pub fn apply(&self, manifest: &str) -> Said {
        self.kubectl(&["apply", "--server-side", "--filename", "-"], manifest)
    }

    /// A world with this in its spec beside name and bounds.
    pub fn make(&self, name: &str, spec: Value) {
        let mut manifest = serde_json::json!({
            "apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "metadata": {"name": name},
            "spec": {"world": "midgard", "bounds": {"minX": 0, "minY": 0, "maxX": 1000, "maxY": 1000}},
        });
        let Value::Object(more) = spec else { panic!("a spec is an object") };
        manifest["spec"].as_object_mut().expect("it is one").extend(more);
        let said = self.apply(&manifest.to_string());
        assert!(said.ok, "{}", said.err);
    }

    /// Writes a status, as the operator does.
    pub fn write_status(&self, name: &str, status: &Value) -> Said {
        let patch = serde_json::json!({"status": status}).to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("patch.json");
        std::fs::write(&file, patch).expect("written");
        let file = file.to_str().expect("it is text");
        self.kubectl(&["patch", "zs", name, "--subresource", "status", "--type", "merge", "--patch-file", file], "")
    }

    /// The resource, as our types read it.
    pub fn get(&self, name: &str) -> ZoneServer {
        let json = self.must(&["get", "zs", name, "--output", "json"], "");
        serde_json::from_str(&json).expect("our types read what the API server keeps")
    }
}

/// A folder of this crate.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn install(cluster: &Cluster) {
    let generated = folder("generated");
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--filename"]).arg(&generated);
    let said = run(apply, "");
    assert!(said.ok, "the definitions are refused: {}", said.err);
    assert_eq!(said.err, "", "the API server has nothing to say of the definitions");
    let mut wait = cluster.kubectl();
    wait.args(["wait", "--for=condition=Established", "--timeout=60s", "--filename"]).arg(&generated);
    let said = run(wait, "");
    assert!(said.ok, "{}", said.err);
}

fn run(mut command: Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl runs");
    // It reads all of it or fails, which its exit code tells.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("kubectl ends");
    let text = |bytes| String::from_utf8(bytes).expect("kubectl writes text");
    Said { ok: status.success(), out: text(stdout), err: text(stderr) }
}
