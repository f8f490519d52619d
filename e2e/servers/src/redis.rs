//! Redis: single servers, and the ways in which several hold a world together.

mod deployments;
mod server;

pub use deployments::{Deployment, cluster, pair, sentinel, single, tls};
pub use server::Server;
