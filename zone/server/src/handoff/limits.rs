//! Bounds and times of a handoff. Ticks are 1/60 s; every time here is a number of ticks unless its name says otherwise.

use std::time::Duration;

/// Handoffs that a zone has under way before their release, at most. A split that moves 300 players needs three rounds of
/// some 20 ticks each; more at a time would only queue handshakes at the taker.
pub const MAX_UNDER_WAY: usize = 128;

/// Of these, handoffs of players for whom one has failed before, at most: clients that never attach must not hold the places of
/// those who would.
pub const MAX_RETRIES_UNDER_WAY: usize = 32;

/// Handoffs that a zone starts in one tick, at most, so that capturing states does not cost a tick its deadline.
pub const MAX_STARTS_PER_TICK: usize = 16;

/// Players that a zone expects or lets in at a time, at most. A PREPARE beyond is refused and comes again.
pub const MAX_INCOMING: usize = 1_024;

/// Released players that a zone remembers, at most. When so many are open it starts no further handoff.
pub const MAX_REMEMBERED: usize = 4_096;

/// Commands of one player that wait for the taker, at most; a player has a handful under way.
pub const MAX_COMMANDS: usize = 32;

/// Bytes of one such command, at most.
pub const MAX_COMMAND_BYTES: usize = 4 * 1024;

/// Bytes of a message between zones, at most: a state, its commands and a small head.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// NPCs that are on their way in or out at a time, at most, each.
pub const MAX_NPCS: usize = 1_024;

/// From a commit to the cut, so that the taker and the neighbours learn of it before it is there. The swap itself takes one
/// or two ticks, so a larger lead would make every handoff longer.
pub const CUT_LEAD: u64 = 2;

/// After so many ticks without the answer that it waits for, a message is sent again. Channels between zones are reliable;
/// this covers links that broke and came back.
pub const RESEND: u64 = 15;

/// The taker's answer to PREPARE is awaited so long.
pub const PREPARE_TIMEOUT: u64 = 60;

/// The client's attachment to the taker is awaited so long: some handshakes over a bad link, or one between processes that
/// are starved of processor time. Giving up sooner would make a busy machine do every handshake twice.
pub const ATTACH_TIMEOUT: u64 = 300;

/// A handoff for which everything is ready and that was not committed after so long is aborted.
pub const COMMIT_TIMEOUT: u64 = 120;

/// The taker keeps a reservation so long. More than [`ATTACH_TIMEOUT`] and [`COMMIT_TIMEOUT`] together, so that a commit
/// normally finds it.
pub const RESERVE_TIMEOUT: u64 = 600;

/// When the taker has heard nothing for so long after PREPARE or ATTACHED, it looks at the record.
pub const RELEASE_LATE: u64 = 60;

/// From one look at the record to the next.
pub const POLL: u64 = 20;

/// A release that was not acknowledged for so long is put into the record.
pub const RELEASE_SILENCE: u64 = 45;

/// A client that joins waits so long for the store to say who owns the player; then it is sent to the directory again.
pub const JOIN_TIMEOUT: u64 = 600;

/// A request to the store counts as unanswered after so long; what it did is looked up.
pub const CALL_TIMEOUT: u64 = 90;

/// After a failed request the store is left alone for so long.
pub const CALL_BACKOFF: u64 = 10;

/// First wait before a handoff that failed is tried again; doubled with each failure.
pub const RETRY_FIRST: u64 = 30;

/// Longest such wait.
pub const RETRY_MOST: u64 = 600;

/// A player who came across a border stays at least so long before going back across it.
pub const MIN_STAY: u64 = 60;

/// A player who was brought here for a durable action stays at least so long before going home.
pub const DURABLE_STAY: u64 = 180;

/// A player is handed over for walking only when this far beyond the border, in 1/64 m: 2 m, so that nobody who walks along
/// a border is handed to and fro.
pub const BORDER_HYSTERESIS: i32 = 2 * darkages_topology::world::UNITS_PER_METRE;

/// PREPARE and RELEASE are ignored when older than this. A zone remembers the owner epochs of players who left for twice as
/// long, so a late message never finds that it was forgotten (ADR 5).
pub const MESSAGE_LIFETIME: u64 = 3_600;

/// A zone stops so long before its lease ends by its own clock: clocks may drift apart by this much within one lease.
pub const LEASE_MARGIN: Duration = Duration::from_millis(50);

/// While the store does not answer, neighbours and operator are asked this often.
pub const PROBE_EVERY: Duration = Duration::from_millis(250);

/// Probes start when no more than this is left of the lease.
pub const PROBE_BEFORE: Duration = Duration::from_millis(900);

/// Who answers that it does not reach the store takes nothing from the asker for so long, whatever it reaches meanwhile.
pub const PROMISE: Duration = Duration::from_millis(1_000);
