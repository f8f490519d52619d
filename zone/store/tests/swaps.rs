//! Concurrent swaps, whatever their number and order: exactly one winner for each state of a record.

mod rivals;

use std::sync::Arc;

use darkages_store::{Embedded, ManualClock};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_state_of_a_record_has_one_successor(attempts in rivals::attempts()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        let store = Embedded::in_memory("swaps", Arc::new(ManualClock::default())).expect("memory");
        let (done, records) = runtime.block_on(rivals::rivals(Arc::new(store), attempts));
        rivals::check(done, records)?;
    }
}
