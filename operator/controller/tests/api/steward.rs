//! What a steward makes and says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use darkages_controller::fleet::Fleet;
use darkages_controller::gallery::Gallery;
use darkages_controller::metrics::Metrics;
use darkages_controller::operator::{OperatorConfig, run};
use darkages_crds::ZoneServer;
use darkages_servers::kubernetes::Cluster;
use darkages_servers::redis;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{client, define, stand, until};

/// A namespace with an operator of its own.
struct Scene {
    client: Client,
    namespace: String,
    operator: JoinHandle<()>,
}

fn operator(client: &Client, namespace: &str) -> JoinHandle<()> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let identity = format!("operator-{}", STARTED.fetch_add(1, Ordering::Relaxed));
    let mut leadership = stand(client, namespace, &identity);
    let fleet = Arc::new(Fleet::watch(client, Some(namespace)));
    let metrics = Metrics::new(Arc::clone(&fleet), leadership.mandate());
    let config =
        OperatorConfig { identity, zone_image: "zone-server:test".to_owned(), metrics, gallery: Gallery::default() };
    let client = client.clone();
    tokio::spawn(async move {
        run(client, config, fleet, &mut leadership, std::future::pending()).await;
    })
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.operator.abort();
    }
}

impl Scene {
    async fn new() -> Self {
        let (client, namespace) = (client().await, Cluster::shared().new_namespace());
        define(&client).await;
        let restricted = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.patch(&namespace, &PatchParams::default(), &Patch::Merge(restricted)).await.expect("it is labelled");
        // A cluster's own controllers make it, and pods are not admitted without.
        let account = ServiceAccount {
            metadata: ObjectMeta { name: Some("default".to_owned()), ..ObjectMeta::default() },
            ..ServiceAccount::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
        accounts.create(&PostParams::default(), &account).await.expect("it is taken");
        let operator = operator(&client, &namespace);
        Self { client, namespace, operator }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn apply(&self, spec: Value) {
        let mut all = json!({"world": "meadow", "bounds": {"minX": 0, "minY": 0, "maxX": 400, "maxY": 400}});
        all.as_object_mut().expect("a map").extend(spec.as_object().expect("a map").clone());
        let zone_server = json!({"apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "metadata": {"name": "meadow"}, "spec": all});
        let params = PatchParams::apply("test").force();
        self.api::<ZoneServer>().patch("meadow", &params, &Patch::Apply(zone_server)).await.expect("it is taken");
    }

    async fn store(&self, url: &str) {
        let secret = Secret {
            metadata: ObjectMeta { name: Some("darkages-store".into()), ..ObjectMeta::default() },
            string_data: Some([("url".to_owned(), url.to_owned())].into()),
            ..Secret::default()
        };
        self.api().create(&PostParams::default(), &secret).await.expect("it is taken");
    }

    async fn condition(&self, type_: &str) -> Option<(String, String, String)> {
        let found = self.api::<ZoneServer>().get("meadow").await.ok()?.status?;
        let condition = found.conditions.into_iter().find(|condition| condition.type_ == type_)?;
        Some((condition.status, condition.reason, condition.message))
    }

    async fn pods(&self) -> Vec<Pod> {
        self.api::<Pod>().list(&ListParams::default()).await.expect("they are listed").items
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn pods_keys_and_a_budget_are_made_as_the_restricted_standard_has_it() {
    let scene = Scene::new().await;
    scene.apply(json!({"replicas": 2})).await;
    let said = until("the missing secret is named", async || {
        scene.condition("Ready").await.filter(|(_, reason, _)| reason == "StoreSecretMissing")
    });
    let (holds, _, message) = said.await;
    assert_eq!(holds, "False");
    assert!(message.starts_with("spec.storage.urlSecretRef.name: there is no secret darkages-store"), "{message}");
    assert!(scene.pods().await.is_empty(), "pods could not start without it");

    let redis = redis::single();
    scene.store(&redis.url).await;
    // Two for shards and one that waits. None of them runs here, so there are no more however long one waits.
    until("there are pods", async || (scene.pods().await.len() == 3).then_some(())).await;
    let (_, reason, message) = scene.condition("Ready").await.expect("it is told");
    assert_eq!((reason.as_str(), message.as_str()), ("Starting", "0 of 2 shards are served"));
    let secrets = ["meadow-world-key", "meadow-authority", "meadow-zones"];
    for name in secrets {
        let secret = scene.api::<Secret>().get(name).await.expect("it was made");
        assert!(
            secret.metadata.owner_references.is_some_and(|owners| owners[0].kind == "ZoneServer"),
            "{name} goes with it"
        );
    }
    let budget = scene.api::<PodDisruptionBudget>().get("meadow").await.expect("it was made");
    assert!(budget.spec.expect("it has a spec").min_available.is_some());
    let zone_server = scene.api::<ZoneServer>().get("meadow").await.expect("it is there");
    let status = zone_server.status.expect("it has one");
    assert_eq!((status.replicas, status.ready_replicas, status.players), (2, 0, None));
    assert_eq!(status.observed_generation, zone_server.metadata.generation);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn a_status_that_was_lost_is_whole_again_when_the_next_operator_starts() {
    let scene = Scene::new().await;
    let redis = redis::single();
    scene.store(&redis.url).await;
    scene.apply(json!({"replicas": 3})).await;
    let map = async || scene.api::<ZoneServer>().get("meadow").await.ok()?.status?.topology;
    let before = until("there is a map", map).await;
    scene.operator.abort();
    let nothing = json!({"status": null});
    let api = scene.api::<ZoneServer>();
    api.patch_status("meadow", &PatchParams::default(), &Patch::Merge(nothing)).await.expect("it is lost");
    assert_eq!(map().await, None);
    let next = operator(&scene.client, &scene.namespace);
    let after = until("the map is back", map).await;
    next.abort();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn whoever_is_deleted_goes_when_its_pods_are_gone() {
    let scene = Scene::new().await;
    let redis = redis::single();
    scene.store(&redis.url).await;
    scene.apply(json!({})).await;
    until("there are pods", async || (scene.pods().await.len() == 2).then_some(())).await;
    let api = scene.api::<ZoneServer>();
    assert!(api.get("meadow").await.expect("it is there").metadata.finalizers.is_some(), "it is kept until then");
    api.delete("meadow", &Default::default()).await.expect("it is deleted");
    until("it is gone", async || api.get_opt("meadow").await.ok()?.is_none().then_some(())).await;
    assert!(scene.pods().await.is_empty());
}
