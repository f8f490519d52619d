//! Requests that were refused before the game saw them, so that a copy of one which comes later is refused, too.
//!
//! A client says a request again until it hears an answer, so copies may be under way when the answer is sent. What a client was
//! told to be refused must never happen.

use std::collections::{BTreeMap, VecDeque};

use darkages_protocol::ResultCode;
use darkages_store::RequestId;

/// Requests that are remembered, the newest. A client says one again some times a second, and each has at most one under way.
const MAX_REFUSED: usize = 4_096;

/// The newest refused requests.
#[derive(Debug, Default)]
pub(super) struct Refused {
    codes: BTreeMap<RequestId, ResultCode>,
    order: VecDeque<RequestId>,
}

impl Refused {
    /// Remembers a refusal.
    pub fn note(&mut self, request: RequestId, code: ResultCode) {
        if self.codes.insert(request, code).is_some() {
            return;
        }
        self.order.push_back(request);
        if self.order.len() > MAX_REFUSED
            && let Some(oldest) = self.order.pop_front()
        {
            self.codes.remove(&oldest);
        }
    }

    /// What was answered.
    pub fn code(&self, request: RequestId) -> Option<ResultCode> {
        self.codes.get(&request).copied()
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::PlayerId;

    use super::*;

    #[test]
    fn the_newest_refusals_are_remembered() {
        let request = |number| RequestId { player: PlayerId(1), number };
        let mut refused = Refused::default();
        for number in 0..=MAX_REFUSED as u64 {
            refused.note(request(number), ResultCode::StoreUnavailable);
            refused.note(request(number), ResultCode::StoreUnavailable);
        }
        assert_eq!(refused.code(request(0)), None);
        assert_eq!(refused.code(request(1)), Some(ResultCode::StoreUnavailable));
        assert_eq!((refused.codes.len(), refused.order.len()), (MAX_REFUSED, MAX_REFUSED));
    }
}
