//! The external scaler, asked as KEDA asks it.

use darkages_controller::scaler::contract::external_scaler_client::ExternalScalerClient;
use darkages_controller::scaler::contract::{GetMetricsRequest, ScaledObjectRef};
use darkages_controller::scaler::serve;
use darkages_crds::ZoneServer;
use darkages_servers::kubernetes::Cluster;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::net::TcpListener;
use tonic::Code;

use super::{client, leading, until};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an API server: make api"]
async fn keda_is_told_players_or_why_they_are_not_known() {
    let (client, namespace) = (client().await, Cluster::shared().new_namespace());
    let (_leadership, census) = leading(&client, &namespace).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("it has one"));
    let serving = tokio::spawn(serve(listener, census));
    let mut keda = ExternalScalerClient::connect(address).await.expect("it answers");
    let trigger = |fields: &[(&str, &str)]| ScaledObjectRef {
        name: "meadow".to_owned(),
        namespace: namespace.clone(),
        scaler_metadata: fields.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let whole = trigger(&[("zoneServer", "meadow"), ("ccuPerZone", "400")]);
    let question = || GetMetricsRequest { scaled_object_ref: Some(whole.clone()), metric_name: "ccu".to_owned() };

    let spec = keda.get_metric_spec(whole.clone()).await.expect("it says").into_inner().metric_specs;
    assert_eq!((spec.len(), spec[0].metric_name.as_str(), spec[0].target_size), (1, "ccu", 400));
    let refused = keda.get_metric_spec(trigger(&[("zoneServer", "meadow")])).await.expect_err("it says too little");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(keda.get_metrics(question()).await.expect_err("there is none").code(), Code::NotFound);

    let api = Api::<ZoneServer>::namespaced(client.clone(), &namespace);
    let bounds = json!({"minX": 0, "minY": 0, "maxX": 400, "maxY": 400});
    let object = json!({
        "apiVersion": "darkages.io/v1alpha1", "kind": "ZoneServer", "metadata": {"name": "meadow"},
        "spec": {"world": "meadow", "bounds": bounds},
    });
    let params = PatchParams::apply("test").force();
    api.patch("meadow", &params, &Patch::Apply(object)).await.expect("it is taken");
    let unknown = async || {
        let mut keda = keda.clone();
        keda.get_metrics(question()).await.err().filter(|status| status.code() == Code::Unavailable)
    };
    let status = until("it is seen", unknown).await;
    assert!(status.message().ends_with("a zone does not say how many it has"), "{status:?}");
    assert!(keda.is_active(whole.clone()).await.is_err(), "not known is not none");

    let mut told = keda.stream_is_active(whole.clone()).await.expect("it streams").into_inner();
    let players = async |players: u32| {
        let status = json!({"status": {"players": players}});
        api.patch_status("meadow", &PatchParams::default(), &Patch::Merge(status)).await.expect("it is taken");
    };
    players(417).await;
    assert!(told.message().await.expect("it goes on").expect("a word").result);
    let value = keda.get_metrics(question()).await.expect("it is known").into_inner().metric_values;
    assert_eq!((value.len(), value[0].metric_name.as_str(), value[0].metric_value), (1, "ccu", 417));
    players(0).await;
    assert!(!told.message().await.expect("it goes on").expect("a word").result);
    serving.abort();
}
