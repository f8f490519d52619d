//! The operator of a cluster, which all worlds share.

use std::sync::Once;
use std::time::Duration;

use crate::kubectl::{Kubectl, until};

/// Where it runs.
pub const NAMESPACE: &str = "darkages-system";

/// How long it may take until it runs.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

const DEFINITION: &str = include_str!("../../../crds/generated/zoneservers.darkages.io.yaml");
const OPERATOR: &str = include_str!("../manifests/operator.yaml");

/// Installs it, once for all tests of this process.
///
/// # Panics
/// When it does not come up.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let kubectl = Kubectl::given(NAMESPACE);
        kubectl.apply(DEFINITION);
        kubectl.run(&["wait", "--for=condition=Established", "crd/zoneservers.darkages.io", "--timeout=30s"]);
        kubectl.apply(OPERATOR);
        until("the operator runs", STARTS_WITHIN, || {
            let deployment = kubectl.get(&["deployment/zone-operator"])?;
            (deployment["status"]["readyReplicas"] == 2).then_some(())
        });
    });
}
