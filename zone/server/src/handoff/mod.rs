//! The handoff: players move from one zone to another while they play.
//!
//! [`ZoneMachine`] is the protocol of DESIGN §7 as a state machine without clock and without I/O. What flows in are
//! [`Event`]s, what flows out are [`Action`]s; the world is changed through [`Players`]. It holds every player that one
//! incarnation of a shard acts for, expects, or has released and not yet forgotten. What holds, for any order of events:
//!
//! - **I1** at most one zone acts for a player. A zone acts only while its lease is certain; it stops before it releases; a
//!   release is for one incarnation of the taker, and one of an old owner epoch is ignored; whoever takes a player without a
//!   release does so by a compare-and-swap that the store refuses while the old incarnation may act.
//! - **I2** somebody acts in the end. A swap whose answer was lost is looked up before anything else; a release is remembered
//!   until the record is closed and put into the record when the taker is silent; a taker that waits too long looks there.
//! - Every change of owner, also claiming, taking over and taking back, raises the owner epoch by one.
//!
//! Where a zone can be told to crash, phase by phase, is [`CrashPoint`]; the driver passes the points.
//!
//! # What the driver does
//!
//! One machine per incarnation: acquire the shard's lease, then [`ZoneMachine::new`] with its [`Fence`] and pass
//! [`Event::Lease`]. After [`Action::StopAll`] acquire anew and make a new machine for newcomers; keep stepping the old one,
//! if it [`remembers`](ZoneMachine::remembers) anybody, so that their final states reach their takers. Never make a second
//! machine with the same [`Fence`], even if a late renewal says that its lease is good after all: release that lease.
//!
//! **A tick** runs in this order: pass everything that arrived (messages, answers of the store, clients) as events; pass
//! [`Event::Want`] for whom [`has_left`] says so; pass [`Event::Tick`]; carry out the actions; apply inputs and simulate tick
//! [`Moment::tick`]; check [`ZoneMachine::may_act`] with the time of now; send snapshots and ghosts, write checkpoints. Until
//! the next tick is over, every event carries the tick that comes next. So a cut tick is the first that the taker simulates
//! and the first that the giver does not.
//!
//! **The lease** is renewed by the driver (every third of its duration). Each answer becomes [`Event::Lease`] with the time at
//! which the renewal was *sent* plus the duration, or [`Event::LeaseOver`]. Read [`Moment::elapsed`] from a clock that goes on
//! while the process is stopped. [`Event::StoreReach`] tells when the store stops and starts answering.
//!
//! **The store.** Calls of one player are one at a time, those of different players go together: collect the
//! [`Action::Store`]s of a tick into one `swap` and one `owners`, and answer each by [`Event::Stored`]. Drop nothing: answer
//! [`StoreAnswer::Unavailable`] for errors. Checkpoints and transactions carry [`ZoneMachine::write_epoch`]; when the store
//! refuses one, pass [`Event::WriteRefused`].
//!
//! **Durable actions** of a player start only when [`ZoneMachine::may_start_durable`] allows it. When it answers
//! [`NotNow::HandingOver`], pass the request as [`Event::Command`]: it goes along to the taker, who gets it in
//! [`Action::Playing`]. A request that neither zone answers is repeated by the client under the same request id after it
//! follows a new owner epoch: requests do not go along when the release goes through the record. When the parties are on two
//! shards, [`who_moves`] is wanted on the other's with [`Reason::Durable`].
//!
//! **Inputs.** A client sends its inputs to both zones while it is attached to both. The taker keeps them (see
//! [`InputBuffer`]) until it acts, then applies those after the last applied input in the state.
//!
//! **Ghosts.** Frames to neighbours show whom this zone simulates, and where [`ZoneMachine::remembered`] players stood last, as
//! of the tick at which they were released. A
//! zone that hears of a ghost no more shows it for another second, because between two frames its owner may change.
//!
//! **Peers.** A session between zones proves shard and epoch of both. It becomes [`Event::PeerUp`] and [`Event::PeerDown`];
//! messages travel as [`PeerMessage::encode`] on a reliable channel.
//!
//! **Clients.** [`Event::Attached`] for every session of a player that is admitted, however it came; [`Event::Detached`] when
//! the last one of the player is gone; [`Event::Leave`] when the player asks for it or has been without a client for as
//! long as the game lets them stand. A player whose record lies with another shard is dismissed with
//! [`Dismissal::Elsewhere`].
//!
//! **Going.** To drain or retire a shard, pass [`Event::Ready`] with `false` and want everybody on the owner of their ground
//! with [`Reason::Ground`]. The zone may go when [`ZoneMachine::is_empty`], reported after it was told that it goes.

mod action;
mod border;
mod config;
mod core;
mod crash_point;
mod entry;
mod event;
mod incoming;
mod inputs;
mod lease;
mod leaving;
pub mod limits;
mod machine;
mod message;
mod npc;
mod outgoing;
mod owned;
mod peer;
mod players;
mod released;
mod subject;
mod wire;

pub use action::{Action, CallId, StoreRequest};
pub use border::{has_left, who_moves};
pub use config::{Config, Variant};
pub use crash_point::{CrashPoint, Side};
pub use event::{Event, Moment, StoreAnswer};
pub use inputs::InputBuffer;
pub use machine::{Counts, NotNow, ZoneMachine};
pub use message::{DecodeError, PeerMessage};
pub use players::{Players, UnreadableState};
pub use subject::{Cause, Dismissal, Outcome, Reason, Refusal, Subject};

#[cfg(doc)]
use darkages_store::Fence;

#[cfg(test)]
mod tests;
