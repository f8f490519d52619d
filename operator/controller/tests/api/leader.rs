//! One of several operators acts.

use darkages_controller::operator::LEASE;
use darkages_servers::kubernetes::Cluster;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::{client, stand, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn one_of_two_operators_leads_and_the_other_follows_when_it_is_gone() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let mut first = stand(&client, &namespace, "first");
    first.won().await;
    let second = stand(&client, &namespace, "second");
    let leases = Api::<Lease>::namespaced(client.clone(), &namespace);
    let holder = async || leases.get(LEASE).await.ok()?.spec?.holder_identity;
    let renewed = async || leases.get(LEASE).await.ok()?.spec?.renew_time;
    let before = renewed().await;
    until("it is renewed", async || renewed().await.filter(|now| Some(now) != before.as_ref())).await;
    assert!(first.mandate().holds() && !second.mandate().holds());
    assert_eq!(holder().await.as_deref(), Some("first"));

    let old = first.mandate();
    drop(first);
    until("the second leads", async || second.mandate().holds().then_some(())).await;
    assert!(!old.holds(), "the first had given up before");
    assert_eq!(holder().await.as_deref(), Some("second"));
    let spec = leases.get(LEASE).await.expect("it is there").spec.expect("it has a spec");
    assert_eq!(spec.lease_transitions, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn whoever_cannot_renew_gives_up_before_another_could_take_over() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let mut leader = stand(&client, &namespace, "first");
    leader.won().await;
    let leases = Api::<Lease>::namespaced(client, &namespace);
    let taken = json!({"spec": {"holderIdentity": "thief"}});
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(taken)).await.expect("the lease is taken");
    leader.lost().await;
    assert!(!leader.mandate().holds());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn whoever_resigns_leaves_the_lease_to_the_next_one_at_once() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let mut first = stand(&client, &namespace, "first");
    first.won().await;
    let mandate = first.mandate();
    first.resign().await;
    assert!(!mandate.holds());
    let leases = Api::<Lease>::namespaced(client.clone(), &namespace);
    let spec = leases.get(LEASE).await.expect("it is there").spec.expect("it has a spec");
    assert_eq!(spec.holder_identity.as_deref(), Some(""), "nobody has to wait until it is over");
    let mut second = stand(&client, &namespace, "second");
    second.won().await;
}
