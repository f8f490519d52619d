//! The metrics API, asked as an API server's front proxy asks it.

use std::path::PathBuf;

use axum::http::{Request, StatusCode};
use darkages_controller::leader::Leadership;
use darkages_controller::metrics_api::registration::trust;
use darkages_controller::metrics_api::{AUTHORITY, MetricsApi};
use darkages_crds::ZoneServer;
use darkages_servers::kubernetes::Cluster;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::api::{Api, Patch, PatchParams};
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{client, leading, until};

const SERVICE: &str = "zone-operator-metrics";
const REGISTRATION: &str = "v1beta2.custom.metrics.k8s.io";
const BASE: &str = "/apis/custom.metrics.k8s.io/v1beta2";

/// A metrics API of an operator that leads.
struct Scene {
    client: Client,
    namespace: String,
    address: String,
    leadership: Option<Leadership>,
    serving: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Scene {
    async fn new() -> Self {
        let (client, namespace) = (client().await, Cluster::shared().new_namespace());
        let (leadership, census) = leading(&client, &namespace).await;
        let api = MetricsApi {
            client: client.clone(),
            namespace: namespace.clone(),
            service: SERVICE.to_owned(),
            census,
            mandate: leadership.mandate(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("https://{}", listener.local_addr().expect("it has one"));
        Self { client, namespace, address, leadership: Some(leadership), serving: tokio::spawn(api.run(listener)) }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A client of the API that shows the certificate of this name in the cluster's folder.
    async fn caller(&self, certificate: Option<&str>) -> Client {
        let secrets = self.api::<Secret>();
        let authority = until("the authority is made", async || secrets.get_opt(AUTHORITY).await.ok()?).await;
        let trusted = ["current.crt"].map(|part| authority.data.as_ref().expect("it has data")[part].0.clone());
        let mut config = Config::new(self.address.parse().expect("an address"));
        // An error is an answer here.
        config.default_retry = false;
        config.root_cert = Some(trusted.iter().map(|pem| der(pem)).collect());
        config.tls_server_name = Some(format!("{SERVICE}.{}.svc", self.namespace));
        if let Some(name) = certificate {
            let file = |end: &str| Some(pki(name).with_extension(end).to_string_lossy().into_owned());
            let auth = AuthInfo { client_certificate: file("crt"), client_key: file("key"), ..AuthInfo::default() };
            config.auth_info = auth;
        }
        Client::try_from(config).expect("a client")
    }

    fn path(&self, name: &str) -> String {
        format!("{BASE}/namespaces/{}/zoneservers.darkages.io/{name}/ccu", self.namespace)
    }

    async fn apply(&self, patch: Value, status: bool) {
        let (api, params) = (self.api::<ZoneServer>(), PatchParams::apply("test").force());
        let result = match status {
            true => api.patch_status("meadow", &PatchParams::default(), &Patch::Merge(patch)).await,
            false => api.patch("meadow", &params, &Patch::Apply(patch)).await,
        };
        result.expect("it is taken");
    }
}

fn pki(name: &str) -> PathBuf {
    Cluster::shared().kubeconfig().with_file_name("pki").join(name)
}

fn der(pem: &[u8]) -> Vec<u8> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    CertificateDer::from_pem_slice(pem).expect("a certificate").to_vec()
}

/// What is answered to a user of these groups.
async fn ask(caller: &Client, path: &str, user: &str, group: &str) -> Result<Value, (u16, String)> {
    let request = Request::get(path).header("X-Remote-User", user).header("X-Remote-Group", group);
    match caller.request::<Value>(request.body(Vec::new()).expect("a request")).await {
        Ok(value) => Ok(value),
        Err(kube::Error::Api(status)) => Err((status.code, status.message.clone())),
        Err(other) => Err((0, other.to_string())),
    }
}

async fn ask_as_admin(caller: &Client, path: &str) -> Result<Value, (u16, String)> {
    ask(caller, path, "admin", "system:masters").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn players_that_are_not_known_are_an_error_and_never_none() {
    let mut scene = Scene::new().await;
    let caller = scene.caller(Some("front-client")).await;
    let path = scene.path("meadow");
    let missing =
        until("it serves", async || ask_as_admin(&caller, &path).await.err().filter(|(code, _)| *code == 404));
    let (_, message) = missing.await;
    assert_eq!(message, format!("there is no ZoneServer meadow in namespace {}", scene.namespace));

    let spec = json!({"world": "meadow", "bounds": {"minX": 0, "minY": 0, "maxX": 400, "maxY": 400}});
    let object = json!({"apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "metadata": {"name": "meadow"}, "spec": spec});
    scene.apply(object, false).await;
    let unknown =
        until("it is seen", async || ask_as_admin(&caller, &path).await.err().filter(|(code, _)| *code == 503));
    assert!(unknown.await.1.ends_with("a zone does not say how many it has"));

    scene.apply(json!({"status": {"players": 417}}), true).await;
    let known = until("it is counted", async || ask_as_admin(&caller, &path).await.ok()).await;
    let item = &known["items"][0];
    assert_eq!(known["items"].as_array().map(Vec::len), Some(1));
    assert_eq!((&item["value"], &item["metric"]["name"]), (&json!("417"), &json!("ccu")));
    assert_eq!(item["describedObject"]["kind"], "ZoneServer");
    item["timestamp"].as_str().expect("a text").parse::<jiff::Timestamp>().expect("a time");

    let refused = async |path: String| ask_as_admin(&caller, &path).await.expect_err("refused");
    assert_eq!(refused(scene.path("*")).await.0, 400);
    assert_eq!(refused(format!("{path}?metricLabelSelector=a%3Db")).await.0, 404);
    assert_eq!(refused(path.replace("/ccu", "/cpu")).await.0, 404);
    assert_eq!(refused(path.replace("meadow/ccu", "%6Deadow/ccu")).await.0, 400);

    // The number is an old one as soon as no operator acts.
    drop(scene.leadership.take());
    let old = until("it is noticed", async || ask_as_admin(&caller, &path).await.err()).await;
    assert_eq!(old.0, 503);
    assert!(old.1.ends_with("no operator acts"), "{}", old.1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn only_the_front_proxy_is_believed_and_only_for_users_who_may() {
    let scene = Scene::new().await;
    let caller = scene.caller(Some("front-client")).await;
    let discovered = until("it serves", async || ask_as_admin(&caller, BASE).await.ok()).await;
    assert_eq!(discovered["resources"][0]["name"], "zoneservers.darkages.io/ccu");
    // Anybody who is somebody may see which APIs there are.
    assert!(ask(&caller, BASE, "somebody", "system:authenticated").await.is_ok());
    let (code, message) =
        ask(&caller, &scene.path("meadow"), "somebody", "system:authenticated").await.expect_err("no");
    assert_eq!(code, 403);
    assert!(message.starts_with("user somebody may not GET"), "{message}");

    let nobody = scene.caller(None).await;
    let (code, message) = ask_as_admin(&nobody, BASE).await.expect_err("nobody in particular");
    assert_eq!(code, StatusCode::UNAUTHORIZED.as_u16());
    assert!(message.contains("client certificate of the front proxy"), "{message}");
    // One that the cluster's authority signed, but not that of front proxies.
    let (code, _) = ask_as_admin(&scene.caller(Some("admin")).await, BASE).await.expect_err("not the front proxy");
    assert_eq!(code, 0, "it does not get beyond the handshake");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn a_registration_of_another_provider_is_left_alone_and_ours_is_told_whom_to_trust() {
    let client = client().await;
    let registrations = Api::<APIService>::all(client.clone());
    let register = async |namespace: &str, service: &str| {
        let spec = json!({
            "group": "custom.metrics.k8s.io", "version": "v1beta2", "groupPriorityMinimum": 100, "versionPriority": 100,
            "service": {"namespace": namespace, "name": service}, "caBundle": null,
        });
        let object = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": REGISTRATION}, "spec": spec,
        });
        let params = PatchParams::apply("test").force();
        registrations.patch(REGISTRATION, &params, &Patch::Apply(object)).await.expect("it is taken");
    };
    let bundle = async || registrations.get(REGISTRATION).await.expect("it is there").spec?.ca_bundle;
    register("monitoring", "prometheus-adapter").await;
    let scene = Scene::new().await;
    let refused = trust(registrations.clone(), &scene.namespace, SERVICE, "ours").await.expect_err("it is another's");
    let message = refused.to_string();
    assert!(message.contains("is for service monitoring/prometheus-adapter, not for"), "{message}");
    // It is served all the same, to whoever finds another way to it.
    let caller = scene.caller(Some("front-client")).await;
    until("it serves", async || ask_as_admin(&caller, BASE).await.ok()).await;
    assert_eq!(bundle().await, None);

    register(&scene.namespace, SERVICE).await;
    let told = until("it is told whom to trust", bundle).await;
    let authority = scene.api::<Secret>().get(AUTHORITY).await.expect("it is there").data.expect("it has data");
    let text = String::from_utf8(told.0).expect("PEM");
    for part in ["current.crt", "next.crt"] {
        let certificate = String::from_utf8(authority[part].0.clone()).expect("PEM");
        assert!(text.contains(certificate.trim_end()), "{part} is trusted");
    }
    registrations.delete(REGISTRATION, &Default::default()).await.expect("it goes");
}
