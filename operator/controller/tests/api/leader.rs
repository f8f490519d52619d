//! One of several operators acts.

use darkages_controller::leader::Leadership;
use darkages_servers::kubernetes::Cluster;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::{client, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn one_of_two_operators_leads_and_the_other_follows_when_it_is_gone() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let stand = |name: &str| Leadership::stand(client.clone(), &namespace, "operator", name.to_owned());
    let mut first = stand("first");
    first.won().await;
    let second = stand("second");
    let leases = Api::<Lease>::namespaced(client.clone(), &namespace);
    let holder = async || leases.get("operator").await.ok()?.spec?.holder_identity;
    let renewed = async || leases.get("operator").await.ok()?.spec?.renew_time;
    let before = renewed().await;
    until("it is renewed", async || renewed().await.filter(|now| Some(now) != before.as_ref())).await;
    assert!(first.mandate().holds() && !second.mandate().holds());
    assert_eq!(holder().await.as_deref(), Some("first"));

    let old = first.mandate();
    drop(first);
    until("the second leads", async || second.mandate().holds().then_some(())).await;
    assert!(!old.holds(), "the first had given up before");
    assert_eq!(holder().await.as_deref(), Some("second"));
    let spec = leases.get("operator").await.expect("it is there").spec.expect("it has a spec");
    assert_eq!(spec.lease_transitions, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn whoever_cannot_renew_gives_up_before_another_could_take_over() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let mut leader = Leadership::stand(client.clone(), &namespace, "operator", "first".to_owned());
    leader.won().await;
    let leases = Api::<Lease>::namespaced(client, &namespace);
    let taken = json!({"spec": {"holderIdentity": "thief"}});
    leases.patch("operator", &PatchParams::default(), &Patch::Merge(taken)).await.expect("the lease is taken");
    leader.lost().await;
    assert!(!leader.mandate().holds());
}
