//! A stage for scenarios on a cluster: an operator, worlds of their own in namespaces of their own, and bots that play there.
//!
//! What flows in are manifests and what `kubectl` says, what flows out are the reports of the bots. The cluster may be any that
//! `TEST_KUBECONFIG` names and that has the images (docs/CLUSTER.md).

#![forbid(unsafe_code)]

pub mod kubectl;
pub mod machine;
pub mod operator;
pub mod world;

pub use kubectl::{Kubectl, until};
pub use machine::Machine;
pub use world::World;
