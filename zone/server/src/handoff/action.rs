//! What the machine asks of its driver.

use darkages_store::{Fence, Swap};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardId, Tick};

use super::message::PeerMessage;
use super::subject::{Cause, Dismissal, Outcome, Subject};

/// A request to the store, unique within a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What is asked of the store for one player.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// Read the owner record.
    Look,
    /// Compare and swap it, under the fence of this machine.
    Swap(Swap),
}

/// Something that a driver does, in the order in which the machine says it.
///
/// World changes are no actions: they happen at once through [`Players`](super::Players).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send this to exactly that incarnation; drop it when there is no session with it.
    Send {
        /// To whom.
        to: Fence,
        /// What.
        message: PeerMessage,
    },
    /// Ask the store. All swaps that are pushed until the driver next looks go into one
    /// [`Store::swap`](darkages_store::Store::swap), all looks into one [`Store::owners`](darkages_store::Store::owners). Each
    /// is answered by one [`Event::Stored`](super::Event::Stored).
    Store {
        /// Comes back in the answer.
        call: CallId,
        /// Whose record.
        player: PlayerId,
        /// What to do.
        request: StoreRequest,
    },
    /// Mint a token for `to` and tell the client to attach there in the background, playing on here. May be repeated.
    Redirect {
        /// Whose client.
        player: PlayerId,
        /// The handoff.
        handoff: HandoffId,
        /// The taker.
        to: Fence,
        /// The owner epoch under which the taker will speak.
        owner_epoch: OwnerEpoch,
    },
    /// Tell the client that the redirect is off.
    CancelRedirect {
        /// Whose client.
        player: PlayerId,
        /// The handoff that was aborted.
        handoff: HandoffId,
    },
    /// This zone acts for the player now: snapshots to an attached client are authoritative and carry `owner_epoch`. Inputs
    /// that the client sent here before count from the player's last applied input on, which is in the state; older ones are
    /// dropped. `commands` are requests that the giver did not start; they go first.
    Playing {
        /// Who.
        player: PlayerId,
        /// Under which owner epoch.
        owner_epoch: OwnerEpoch,
        /// How it came to be.
        cause: Cause,
        /// Whether a client is attached.
        client: bool,
        /// Requests to start now, in order.
        commands: Vec<Box<[u8]>>,
    },
    /// This zone goes on acting for the player under a higher owner epoch: it took a handoff back. Snapshots carry it from
    /// now on.
    EpochRaised {
        /// Who.
        player: PlayerId,
        /// The owner epoch from now on.
        owner_epoch: OwnerEpoch,
    },
    /// This zone has stopped acting for the player at `cut`: no authoritative snapshot for that tick or a later one. The
    /// session stays until [`Action::Finished`], because the client may still need what was sent on it.
    Released {
        /// Who.
        player: PlayerId,
        /// The taker.
        to: Fence,
        /// The first tick that the taker simulates.
        cut: Tick,
    },
    /// Requests that came while a handoff was being committed, which did not happen: start them now, in order.
    Resume {
        /// Whose.
        player: PlayerId,
        /// The requests.
        commands: Vec<Box<[u8]>>,
    },
    /// A handoff that this zone started has ended. Count it by [`Outcome::label`]; when it moved, observe `ticks`. Sessions of
    /// a player who moved are closed now.
    Finished {
        /// Who or what.
        subject: Subject,
        /// How.
        outcome: Outcome,
        /// Ticks since it was started.
        ticks: u64,
    },
    /// End the client's session with this zone.
    Dismiss {
        /// Whose.
        player: PlayerId,
        /// Why.
        why: Dismissal,
        /// The shard that owns the player, where that is known.
        owner: Option<ShardId>,
    },
    /// The player has left the world and the final state is in the record.
    Gone {
        /// Who.
        player: PlayerId,
    },
    /// Ask the operator whether it reaches the store.
    ProbeOperator {
        /// Comes back in the answer.
        round: u64,
    },
    /// The store cannot be reached and nobody else reaches it either, so this zone plays on beyond its lease; durable actions
    /// are refused. Told once for each time it begins.
    PlayingOn,
    /// This incarnation is over: all players are out of the world already. Send no further snapshot, tell every client to join
    /// through the directory, write nothing under this fence. The machine only minds released players from now on; a new
    /// incarnation needs a new machine.
    StopAll {
        /// A static label: `lease_over`, `cut_off` or `fenced`.
        why: &'static str,
    },
    /// The store judged a swap to be no step of a handoff. A fault in this machine or a foreign writer; log and count it.
    Fault {
        /// Whose record.
        player: PlayerId,
        /// A static label.
        label: &'static str,
    },
}
