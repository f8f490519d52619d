//! What the endpoint asks about sessions and decides for them.

use super::{Phase, SecureSocket};
use crate::close::CloseReason;
use crate::error::SendError;
use crate::gatekeeper::Gatekeeper;
use crate::io::DatagramIo;
use crate::keys::KEY_BYTES;
use crate::stats::SessionStats;

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    pub(crate) fn public_key(&self) -> [u8; KEY_BYTES] {
        self.key.public()
    }

    pub(crate) fn gatekeeper_mut(&mut self) -> &mut G {
        &mut self.gatekeeper
    }

    /// Whether something waits that needs no datagram.
    pub(crate) fn has_news(&self) -> bool {
        !self.inbox.is_empty() || !self.parting.is_empty()
    }

    /// Counts a message against the bounds before it is queued.
    pub(crate) fn charge(&mut self, id: u32, cost: usize) -> Result<(), SendError> {
        let session = self.sessions.get_mut(&id).ok_or(SendError::UnknownSession)?;
        if !session.phase.is_open() || session.accounts.ended.is_some() {
            return Err(SendError::NotOpen);
        }
        if session.accounts.queued + cost > self.limits.send_queue_bytes {
            return Err(SendError::QueueFull);
        }
        let stats = &mut self.outlet.stats;
        if stats.queued_bytes + cost > self.limits.total_send_queue_bytes {
            return Err(SendError::TotalQueueFull);
        }
        session.accounts.queued += cost;
        stats.queued_bytes += cost;
        stats.messages_out += 1;
        Ok(())
    }

    /// The application ends a session.
    pub(crate) fn close(&mut self, id: u32, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.phase {
            Phase::Dialing(_) => self.forget(id),
            Phase::HalfOpen { .. } => self.part(id, reason),
            Phase::Open { .. } => {
                session.accounts.silenced = true;
                if session.accounts.ended.replace(reason).is_none() {
                    // Messages queued before go out first, so the farewell waits for the end of the next poll.
                    self.parting.push(id);
                }
            }
            Phase::Closing { .. } | Phase::Ended => session.accounts.silenced = true,
        }
    }

    pub(crate) fn is_silenced(&self, id: u32) -> bool {
        self.sessions.get(&id).is_none_or(|session| session.accounts.silenced)
    }

    /// What the gatekeeper said about a session that laminar has just connected.
    pub(crate) fn admission(&mut self, id: u32) -> Option<Vec<u8>> {
        let session = self.sessions.get_mut(&id)?;
        let admission = std::mem::take(&mut session.admission);
        (!session.accounts.silenced).then_some(admission)
    }

    /// laminar has let go of a session. Answers the reason when the application should hear of it.
    pub(crate) fn disconnected(&mut self, id: u32) -> Option<CloseReason> {
        let session = self.sessions.get_mut(&id)?;
        session.accounts.connected = false;
        let reason = session.accounts.ended.unwrap_or(CloseReason::Done);
        let told = !session.accounts.silenced;
        if let Phase::Ended = session.phase {
            self.forget(id);
        }
        told.then_some(reason)
    }

    pub(crate) fn session_stats(&self, id: u32) -> Option<SessionStats> {
        let session = self.sessions.get(&id)?;
        Some(SessionStats {
            remote: session.path.proven(),
            rtt_us: session.accounts.rtt_us,
            packets_tracked: session.accounts.tracked,
            packets_lost: session.accounts.lost,
            queued_bytes: session.accounts.queued,
        })
    }
}
