//! The pod of a zone: how it is made, and what its status says of it. Pure.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::net::IpAddr;

use darkages_crds::ZoneServer;
use darkages_crds::zone_server::{NetworkType, PodTemplate, PortRange};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, Pod,
    PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext,
    Service, ServicePort, ServiceSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{Resource as _, ResourceExt as _};

use super::names;

/// Where a zone listens for players and other zones, unless it has a port of its node.
pub const GAME_PORT: u16 = 7777;

/// What lets cluster-autoscaler take a node away that has pods of a controller which it does not know: ours are handed over.
const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";

/// Where it listens for the operator.
pub const CONTROL_PORT: u16 = 7778;

/// Where Prometheus and the kubelet ask it.
pub const HTTP_PORT: u16 = 7779;

/// How long a zone that is told to go waits to be taken over. As long as the pool can be empty while a node starts.
const DRAIN_SECONDS: i64 = 300;

/// What it has beside that to save its players in.
const SAVE_SECONDS: i64 = 30;

/// The user that zones run as: `nonroot` of distroless images, which nothing else is.
const USER: i64 = 65_532;

const CONTAINER: &str = "zone";

/// Everything that a zone pod is made from, beside its name and its port.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// Whose it is.
    pub owner: &'a ZoneServer,
    /// The image, unless the template names one.
    pub image: &'a str,
}

impl Recipe<'_> {
    /// A number for everything in the pods of this recipe. Not for tags or ports, which differ.
    #[must_use]
    pub fn hash(&self) -> String {
        let pod = self.pod(String::new(), GAME_PORT);
        let text = serde_json::to_string(&(pod.spec, pod.metadata.labels, pod.metadata.annotations));
        let mut hasher = Fnv::default();
        // Plain data becomes JSON; were it not so, all pods would be the same.
        hasher.write(text.unwrap_or_default().as_bytes());
        format!("{:016x}", hasher.finish())
    }

    /// The pod of a zone.
    #[must_use]
    pub fn made(&self, name: String, port: u16) -> Pod {
        let hash = self.hash();
        let own = [(names::TEMPLATE_HASH_LABEL.to_owned(), hash), (names::ZONE_LABEL.to_owned(), name.clone())];
        let mut pod = self.pod(name, port);
        pod.metadata.labels.get_or_insert_default().extend(own);
        pod
    }

    fn pod(&self, name: String, port: u16) -> Pod {
        let PodTemplate {
            image: _,
            image_pull_secrets,
            resources: _,
            node_selector,
            tolerations,
            affinity,
            topology_spread_constraints,
            priority_class_name,
            labels,
            annotations,
            env: _,
        } = &self.owner.spec.template;
        let mut metadata = names::metadata(self.owner, name);
        // Ours last: by some of them the operator finds its pods.
        metadata.labels = Some(labels.clone().into_iter().chain(metadata.labels.into_iter().flatten()).collect());
        let mut annotations = annotations.clone();
        annotations.entry(SAFE_TO_EVICT.to_owned()).or_insert_with(|| "true".to_owned());
        metadata.annotations = Some(annotations);
        Pod {
            metadata,
            spec: Some(PodSpec {
                affinity: affinity.clone(),
                automount_service_account_token: Some(false),
                containers: vec![self.container(port)],
                enable_service_links: Some(false),
                image_pull_secrets: some(image_pull_secrets),
                node_selector: Some(node_selector.clone()).filter(|labels| !labels.is_empty()),
                priority_class_name: priority_class_name.clone(),
                security_context: Some(PodSecurityContext {
                    fs_group: Some(USER),
                    run_as_group: Some(USER),
                    run_as_non_root: Some(true),
                    run_as_user: Some(USER),
                    seccomp_profile: Some(SeccompProfile {
                        type_: "RuntimeDefault".to_owned(),
                        ..SeccompProfile::default()
                    }),
                    ..PodSecurityContext::default()
                }),
                termination_grace_period_seconds: Some(DRAIN_SECONDS + SAVE_SECONDS),
                tolerations: some(tolerations),
                topology_spread_constraints: some(topology_spread_constraints),
                volumes: Some(self.volumes()),
                ..PodSpec::default()
            }),
            ..Pod::default()
        }
    }

    fn container(&self, port: u16) -> Container {
        let spec = &self.owner.spec;
        let template = &spec.template;
        let own_port = if spec.network.type_ == NetworkType::HostPort { port } else { GAME_PORT };
        let own_address = if spec.network.type_ == NetworkType::PodIp { "POD_IP" } else { "HOST_IP" };
        let secret = &spec.storage.url_secret_ref;
        let args = [
            "--zone=$(DARKAGES_POD_NAME)".to_owned(),
            format!("--world={}", spec.world),
            format!("--listen=0.0.0.0:{own_port}"),
            format!("--advertise=$(DARKAGES_{own_address}):{port}"),
            format!("--control=0.0.0.0:{CONTROL_PORT}"),
            "--control-tls=/etc/darkages/tls".to_owned(),
            format!("--http=0.0.0.0:{HTTP_PORT}"),
            format!("--store-file=/etc/darkages/store/{}", secret.key),
            "--world-key-file=/etc/darkages/world/key".to_owned(),
            format!("--capacity={}", spec.zone_capacity()),
            format!("--drain-seconds={DRAIN_SECONDS}"),
        ];
        let mut env = vec![
            field("DARKAGES_POD_NAME", "metadata.name"),
            field("DARKAGES_POD_IP", "status.podIP"),
            field("DARKAGES_HOST_IP", "status.hostIP"),
        ];
        env.extend(template.env.iter().map(|variable| EnvVar {
            name: variable.name.clone(),
            value: variable.value.clone(),
            value_from: variable.value_from.clone(),
        }));
        Container {
            name: CONTAINER.to_owned(),
            image: Some(template.image.as_deref().unwrap_or(self.image).to_owned()),
            args: Some(args.into()),
            env: Some(env),
            ports: Some(vec![
                ContainerPort {
                    host_port: (spec.network.type_ == NetworkType::HostPort).then_some(port.into()),
                    ..container_port("game", own_port, "UDP")
                },
                container_port("control", CONTROL_PORT, "TCP"),
                container_port("http", HTTP_PORT, "TCP"),
            ]),
            readiness_probe: Some(probe("/readyz", 1, 3)),
            // Ten seconds without a tick: nobody plays there, and whoever starts it anew helps.
            liveness_probe: Some(probe("/healthz", 2, 5)),
            startup_probe: Some(probe("/healthz", 1, 60)),
            resources: Some(ResourceRequirements {
                requests: Some(template.resources.requests.clone()).filter(|requests| !requests.is_empty()),
                limits: Some(template.resources.limits.clone()).filter(|limits| !limits.is_empty()),
                claims: None,
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
                read_only_root_filesystem: Some(true),
                ..SecurityContext::default()
            }),
            termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
            volume_mounts: Some(vec![mount("tls"), mount("store"), mount("world")]),
            ..Container::default()
        }
    }

    fn volumes(&self) -> Vec<Volume> {
        let name = self.owner.name_any();
        let volume = |volume: &str, secret: String| Volume {
            name: volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret),
                default_mode: Some(0o440),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        };
        vec![
            volume("tls", names::zone_secret(&name)),
            volume("store", self.owner.spec.storage.url_secret_ref.name.clone()),
            volume("world", names::world_key_secret(&name)),
        ]
    }

    /// The service by which a zone has a port of all nodes; it goes with the pod. None where zones need none.
    #[must_use]
    pub fn service(&self, pod: &Pod, port: u16) -> Option<Service> {
        if self.owner.spec.network.type_ != NetworkType::NodePort {
            return None;
        }
        let name = pod.name_any();
        let mut metadata = names::metadata(self.owner, name.clone());
        metadata.owner_references = Some(pod.controller_owner_ref(&()).into_iter().collect::<Vec<OwnerReference>>());
        let ports = ServicePort {
            name: Some("game".to_owned()),
            node_port: Some(port.into()),
            port: GAME_PORT.into(),
            protocol: Some("UDP".to_owned()),
            target_port: Some(IntOrString::String("game".to_owned())),
            ..ServicePort::default()
        };
        Some(Service {
            metadata,
            spec: Some(ServiceSpec {
                // What comes to the pod's own node, whose address everybody is told, needs no way through another one.
                external_traffic_policy: Some("Local".to_owned()),
                ports: Some(vec![ports]),
                publish_not_ready_addresses: Some(true),
                selector: Some(BTreeMap::from([(names::ZONE_LABEL.to_owned(), name)])),
                type_: Some("NodePort".to_owned()),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        })
    }
}

/// A port for one more zone: the first that none of these has. `None` when all are taken.
#[must_use]
pub fn free_port(range: Option<PortRange>, pods: &[ZonePod]) -> Option<u16> {
    let Some(PortRange { min, max }) = range else { return Some(GAME_PORT) };
    (min..=max).find(|port| pods.iter().all(|pod| pod.port != Some(*port)))
}

/// What a pod's status says of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZonePod {
    /// Its name, which is the zone's.
    pub name: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// What it was made from.
    pub hash: String,
    /// Its node.
    pub node: Option<String>,
    /// The port that everybody is told.
    pub port: Option<u16>,
    /// Whether it was told to go.
    pub leaving: bool,
    /// Whether its containers have ended for good.
    pub ended: bool,
    /// Its address and which of its containers runs, while one does.
    pub running: Option<(IpAddr, String)>,
    /// Why it does not run, in the words of Kubernetes: a reason and a message.
    pub trouble: Option<(String, String)>,
}

impl From<&Pod> for ZonePod {
    fn from(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
        let state = container.and_then(|container| container.state.as_ref());
        let runs = state.is_some_and(|state| state.running.is_some());
        let address = status.and_then(|status| status.pod_ip.as_deref()?.parse().ok());
        let id = container.and_then(|container| container.container_id.clone());
        Self {
            name: pod.name_any(),
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            hash: pod.labels().get(names::TEMPLATE_HASH_LABEL).cloned().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            port: advertised(pod),
            leaving: pod.metadata.deletion_timestamp.is_some(),
            ended: status.is_some_and(|status| matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"))),
            running: address.zip(id).filter(|_| runs),
            trouble: trouble(pod),
        }
    }
}

fn advertised(pod: &Pod) -> Option<u16> {
    let args = pod.spec.as_ref()?.containers.first()?.args.as_ref()?;
    let told = args.iter().find_map(|arg| arg.strip_prefix("--advertise="))?;
    told.rsplit_once(':')?.1.parse().ok()
}

/// Why a pod does not run: it has no node, or its container waits for something other than its turn.
fn trouble(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    let unscheduled = unscheduled.map(|condition| (condition.reason.clone(), condition.message.clone()));
    let waiting = status.container_statuses.iter().flatten().filter_map(|container| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        Some((waiting.reason.clone(), waiting.message.clone()))
    });
    let starts = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing");
    let told =
        unscheduled.chain(waiting).map(|(reason, message)| (reason.unwrap_or_default(), message.unwrap_or_default()));
    told.into_iter().find(|(reason, _)| !reason.is_empty() && !starts(reason))
}

fn field(name: &str, path: &str) -> EnvVar {
    let field_ref = Some(ObjectFieldSelector { field_path: path.to_owned(), ..ObjectFieldSelector::default() });
    let value_from = Some(EnvVarSource { field_ref, ..EnvVarSource::default() });
    EnvVar { name: name.to_owned(), value_from, ..EnvVar::default() }
}

fn container_port(name: &str, port: u16, protocol: &str) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(name: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: format!("/etc/darkages/{name}"),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn probe(path: &str, period_seconds: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("http".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo; draft-eastlake-fnv): the same in every build, which the hasher of `std` does not promise.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn owner(fields: Value) -> ZoneServer {
        let mut spec = json!({"world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}});
        spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        ZoneServer::new("meadow", serde_json::from_value(spec).expect("it is one"))
    }

    fn arguments(pod: &Pod) -> Vec<String> {
        pod.spec.as_ref().expect("a spec").containers[0].args.clone().expect("arguments")
    }

    #[test]
    fn pods_are_made_anew_for_what_is_in_them_and_for_nothing_else() {
        let hash = |fields| Recipe { owner: &owner(fields), image: "zone:1" }.hash();
        let plain = hash(json!({}));
        assert_eq!(plain, hash(json!({"replicas": 7, "standby": 3, "split": {"maxPlayers": 400}})));
        assert_ne!(plain, hash(json!({"template": {"env": [{"name": "RUST_LOG", "value": "debug"}]}})));
        assert_ne!(plain, hash(json!({"template": {"labels": {"team": "red"}}})));
        assert_ne!(plain, hash(json!({"zoneCapacity": 600})));
        assert_ne!(plain, Recipe { owner: &owner(json!({})), image: "zone:2" }.hash());
        assert_eq!(plain, hash(json!({"template": {"image": "zone:1"}})), "the same image, whoever names it");
    }

    #[test]
    fn everybody_is_told_the_address_that_the_network_has() {
        let recipe = |fields: Value, port| {
            let owner = owner(fields);
            let recipe = Recipe { owner: &owner, image: "zone:1" };
            let pod = recipe.made("meadow-x".into(), port);
            let service = recipe.service(&pod, port);
            (pod, service)
        };
        let (pod, service) = recipe(json!({}), GAME_PORT);
        assert!(arguments(&pod).contains(&"--advertise=$(DARKAGES_POD_IP):7777".to_owned()));
        assert_eq!((advertised(&pod), service), (Some(GAME_PORT), None));

        let range = json!({"min": 30_000, "max": 30_001});
        let (pod, service) = recipe(json!({"network": {"type": "HostPort", "portRange": range}}), 30_001);
        assert!(arguments(&pod).contains(&"--advertise=$(DARKAGES_HOST_IP):30001".to_owned()));
        assert!(arguments(&pod).contains(&"--listen=0.0.0.0:30001".to_owned()));
        assert_eq!((advertised(&pod), service), (Some(30_001), None));

        let (pod, service) = recipe(json!({"network": {"type": "NodePort", "portRange": range}}), 30_001);
        assert!(arguments(&pod).contains(&"--listen=0.0.0.0:7777".to_owned()));
        let spec = service.expect("each zone has its own").spec.expect("a spec");
        assert_eq!(spec.ports.expect("ports")[0].node_port, Some(30_001));
        let selects = spec.selector.expect("it selects");
        assert!(selects.iter().all(|(key, value)| pod.labels().get(key) == Some(value)), "its pod, and no other");
    }

    #[test]
    fn a_port_is_given_to_one_zone() {
        let range = Some(PortRange { min: 7, max: 8 });
        let first = ZonePod { port: Some(7), ..ZonePod::default() };
        let second = ZonePod { port: Some(8), ..ZonePod::default() };
        assert_eq!(free_port(range, &[]), Some(7));
        assert_eq!(free_port(range, std::slice::from_ref(&first)), Some(8));
        assert_eq!(free_port(range, &[first, second]), None);
        assert_eq!(free_port(None, &[]), Some(GAME_PORT));
    }

    #[test]
    fn labels_of_a_template_cannot_hide_a_pod_from_its_operator() {
        let owner = owner(json!({"template": {"labels": {"app.kubernetes.io/managed-by": "me", "team": "red"}}}));
        let pod = Recipe { owner: &owner, image: "zone:1" }.made("meadow-x".into(), GAME_PORT);
        assert_eq!(pod.labels()["app.kubernetes.io/managed-by"], "zone-operator");
        assert_eq!(pod.labels()["team"], "red");
    }

    #[test]
    fn what_keeps_a_pod_from_running_is_seen_and_its_start_is_not() {
        let pod = |status: Value| {
            let pod = json!({"metadata": {"name": "meadow-x"}, "status": status});
            ZonePod::from(&serde_json::from_value::<Pod>(pod).expect("it is one"))
        };
        let waits = |reason: &str| {
            let state = json!({"waiting": {"reason": reason, "message": "because"}});
            let container =
                json!({"name": "zone", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state});
            pod(json!({"containerStatuses": [container]})).trouble
        };
        assert_eq!(waits("ContainerCreating"), None);
        assert_eq!(waits("ErrImagePull"), Some(("ErrImagePull".into(), "because".into())));
        let condition =
            json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"});
        assert_eq!(pod(json!({"conditions": [condition]})).trouble, Some(("Unschedulable".into(), "no room".into())));
        assert!(pod(json!({"phase": "Failed"})).ended);
    }
}
