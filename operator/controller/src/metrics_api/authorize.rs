//! Whether a user may ask: what the cluster's own authorization says.

use axum::http::Method;
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use super::answers::{GROUP, METRIC, RESOURCE, VERSION};
use super::front_proxy::User;
use crate::deadline::{Call, CallError, within};

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The players of one world.
    Players {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// What the API has.
    Path(String),
}

/// Whether the user may.
///
/// # Errors
/// When the API server does not say.
pub async fn may(client: &Client, user: &User, method: &Method, wish: &Wish) -> Result<bool, CallError> {
    let reviews = Api::<SubjectAccessReview>::all(client.clone());
    let answer = within(Call::Read, reviews.create(&PostParams::default(), &review(user, method, wish))).await?;
    Ok(answer.status.is_some_and(|status| status.allowed && status.denied != Some(true)))
}

fn review(user: &User, method: &Method, wish: &Wish) -> SubjectAccessReview {
    let User { name: user, uid, groups, extra } = user.clone();
    let verb = Some(method.as_str().to_ascii_lowercase());
    let text = |text: &str| Some(text.to_owned());
    let (resource_attributes, non_resource_attributes) = match wish {
        Wish::Players { namespace, name } => {
            let attributes = ResourceAttributes {
                group: text(GROUP),
                version: text(VERSION),
                namespace: text(namespace),
                resource: text(RESOURCE),
                name: text(name),
                subresource: text(METRIC),
                verb,
                ..ResourceAttributes::default()
            };
            (Some(attributes), None)
        }
        Wish::Path(path) => (None, Some(NonResourceAttributes { path: text(path), verb })),
    };
    let spec = SubjectAccessReviewSpec {
        user: Some(user),
        uid,
        groups: Some(groups),
        extra: Some(extra),
        resource_attributes,
        non_resource_attributes,
    };
    SubjectAccessReview { spec, ..SubjectAccessReview::default() }
}
