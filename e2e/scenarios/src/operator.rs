//! The operator of a cluster, which all worlds share, installed as users install it: by the charts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use crate::kubectl::{Kubectl, until};

/// Where it runs.
pub const NAMESPACE: &str = "darkages-system";

/// Its deployment, by the name of the release.
const DEPLOYMENT: &str = "deployment/darkages-operator";

/// How long it may take until it runs.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// Installs it, once for all tests of this process.
///
/// # Panics
/// When it does not come up.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let kubectl = Kubectl::given(NAMESPACE);
        // On a cluster of somebody's it may be there.
        let _ = kubectl.try_run(&["create", "namespace", NAMESPACE], "");
        kubectl.run(&["label", "--overwrite", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"]);
        helm(&kubectl, "darkages-crds", &[]);
        kubectl.run(&["wait", "--for=condition=Established", "crd/zoneservers.darkages.io", "--timeout=30s"]);
        let values = "image.tag=test,image.pullPolicy=Never,metricsApi.enabled=true,externalScaler.enabled=true";
        helm(&kubectl, "darkages", &["--set", values]);
        until("the operator runs", STARTS_WITHIN, || {
            let deployment = kubectl.get(&[DEPLOYMENT])?;
            (deployment["status"]["readyReplicas"] == 2).then_some(())
        });
    });
}

/// Where it answers for pods. By number, for clusters of tests have no names.
///
/// # Panics
/// When it has no service.
#[must_use]
pub fn url() -> String {
    let service = Kubectl::given(NAMESPACE).get(&["service/darkages-operator"]).expect("the chart makes it");
    format!("http://{}:8080", service["spec"]["clusterIP"].as_str().expect("it has an address"))
}

/// Installs a chart, or upgrades it.
fn helm(kubectl: &Kubectl, chart: &str, more: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = root.join(".cache/tools/go/helm");
    let mut helm = Command::new(if built.exists() { built } else { PathBuf::from("helm") });
    helm.arg("--kubeconfig").arg(kubectl.kubeconfig()).args(["upgrade", "--install", chart]);
    helm.arg(root.join("charts").join(chart)).args(["--namespace", NAMESPACE]).args(more);
    let output = helm.output().expect("helm runs: charts/check/prepare builds it");
    assert!(output.status.success(), "helm: {}", String::from_utf8_lossy(&output.stderr));
}
