//! The objects beside pods that belong to a `ZoneServer`: its keys, and what keeps a drain from taking everything at once.

use darkages_crds::ZoneServer;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use rand::Rng as _;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::certificate::{ZONE_NAME, zone_secret};
use super::names::{self, FIELD_MANAGER};
use super::office::Office;
use super::status::Problem;
use crate::authority::{Authority, AuthorityError, Purpose, secret};
use crate::deadline::{Call, CallError, within};

/// What a steward needs of them.
#[derive(Clone, Debug)]
pub struct Children {
    /// How zones are dialled: whom the operator trusts, and whom it shows itself as.
    pub tls: ClientTlsConfig,
}

#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

impl Children {
    /// Makes what is missing and renews what ends soon.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub async fn tend(office: &Office, owner: &ZoneServer) -> Result<Self, Problem> {
        tend(office, owner).await.map_err(|error| Problem { reason: "KeysUnavailable", message: error.to_string() })
    }
}

async fn tend(office: &Office, owner: &ZoneServer) -> Result<Children, ChildError> {
    let secrets = office.api::<Secret>(owner);
    let now = Timestamp::now();
    let name = owner.name_any();
    let find = async |name: String| within(Call::Read, secrets.get_opt(&name)).await;
    if find(names::world_key_secret(&name)).await?.is_none() {
        // Never replaced: tokens that were given out are sealed with it, and every zone of the world has to have the same.
        let metadata = names::metadata(owner, names::world_key_secret(&name));
        let key = secret(metadata, "Opaque", vec![("key", &new_key())], None);
        office.write(secrets.create(&PostParams::default(), &key)).await?;
    }
    let kept = |authority: &Authority| authority.secret(names::metadata(owner, names::authority_secret(&name)));
    let authority = match find(names::authority_secret(&name)).await? {
        Some(found) => {
            let before = Authority::read(&found)?;
            let authority = before.clone().at(now)?;
            if authority != before {
                let mut changed = kept(&authority);
                changed.metadata.resource_version = found.resource_version();
                office.write(secrets.replace(&found.name_any(), &PostParams::default(), &changed)).await?;
            }
            authority
        }
        None => {
            let authority = Authority::new(now)?;
            office.write(secrets.create(&PostParams::default(), &kept(&authority))).await?;
            authority
        }
    };
    let there = find(names::zone_secret(&name)).await?;
    let wanted = zone_secret(&authority, owner, there.as_ref(), now)?;
    if there.is_none_or(|there| there.data != wanted.data) {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        office.write(secrets.patch(&wanted.name_any(), &params, &Patch::Apply(&wanted))).await?;
    }
    let own = authority.issue(Purpose::Client, now)?;
    let tls = ClientTlsConfig::new()
        .domain_name(ZONE_NAME)
        .ca_certificate(Certificate::from_pem(authority.trusted()))
        .identity(Identity::from_pem(own.certificate, own.key));
    Ok(Children { tls })
}

/// Lets evictions take one pod at a time: `available` others have to be there. Whoever goes is taken over first, so that no
/// more is needed, and a drain never waits for ever: the number follows the pods that there are.
///
/// # Errors
/// Those of the API server.
pub async fn budget(office: &Office, owner: &ZoneServer, available: usize) -> Result<(), CallError> {
    let name = owner.name_any();
    let selector = [(names::ZONE_SERVER_LABEL.to_owned(), name.clone())].into();
    let budget = PodDisruptionBudget {
        metadata: names::metadata(owner, name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(i32::try_from(available).unwrap_or(i32::MAX))),
            selector: Some(LabelSelector { match_labels: Some(selector), match_expressions: None }),
            // A pod that does not work protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    };
    let api = office.api::<PodDisruptionBudget>(owner);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    office.write(api.patch(&name, &params, &Patch::Apply(&budget))).await.map(drop)
}

/// A key as zones read it.
fn new_key() -> String {
    const KEY_BYTES: usize = 32;
    let mut key = [0_u8; KEY_BYTES];
    rand::rng().fill_bytes(&mut key);
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}
