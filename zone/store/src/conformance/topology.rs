//! The shard map: one document, one winner for each revision.

use darkages_topology::Revision;

use super::Factory;
use super::scene::Scene;
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::StoreError;
use crate::limits::MAX_TOPOLOGY_BYTES;

pub(super) async fn all(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let store = &scene.store;
    assert_eq!(store.load_topology().await.expect("load"), None, "not written yet");
    let (first, second) = (document(1, b"one"), document(2, b"two"));
    let swap = store.compare_and_swap_topology(Some(Revision(1)), second.clone()).await.expect("swap");
    assert_eq!(swap, TopologySwapped::Conflict(None), "there is no revision 1");
    let swap = store.compare_and_swap_topology(None, first.clone()).await.expect("swap");
    assert_eq!(swap, TopologySwapped::Done);
    let swap = store.compare_and_swap_topology(None, second.clone()).await.expect("swap");
    assert_eq!(swap, TopologySwapped::Conflict(Some(first.clone())), "somebody was first");
    let swap = store.compare_and_swap_topology(Some(Revision(1)), second.clone()).await.expect("swap");
    assert_eq!(swap, TopologySwapped::Done);
    let back = store.compare_and_swap_topology(Some(Revision(2)), first).await.expect_err("a revision never goes back");
    assert!(matches!(back, StoreError::Invalid { .. }), "{back}");
    let huge = document(3, &vec![0; MAX_TOPOLOGY_BYTES + 1]);
    let huge = store.compare_and_swap_topology(Some(Revision(2)), huge).await.expect_err("too large");
    assert!(matches!(huge, StoreError::Invalid { .. }), "{huge}");

    let scene = scene.reopen().await;
    assert_eq!(scene.store.load_topology().await.expect("load"), Some(second), "it survives");
}

fn document(revision: u64, bytes: &[u8]) -> TopologyDocument {
    TopologyDocument { revision: Revision(revision), bytes: bytes.to_vec() }
}
