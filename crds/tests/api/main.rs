//! A real API server with our definitions, as users and controllers meet it: by `kubectl`.
//!
//! Ignored unless asked for, because it takes a Kubernetes that has been built: `make api` does both.

mod manifests;
mod server;
mod status;
mod world;
