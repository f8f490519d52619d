//! The clients of a pod of the model.

use std::collections::BTreeMap;

use darkages_topology::{HandoffId, InputSeq, PlayerId, ShardId};

use super::Time;
use super::cx::Cx;
use super::mail::{Mail, Node, Snapshot};
use super::pod::{Pod, elapsed};
use super::store::ModelStore;
use super::world::{Body, ModelWorld, walk};
use crate::handoff::{Event, InputBuffer};

/// A session is gone when nothing was heard for so long.
const SILENCE: Time = 1_500_000;

/// A player without a client leaves the world after so long.
const LINGER: Time = 2_000_000;

/// Inputs that are applied in one tick, at most: those that gathered while nobody acted are caught up with.
const INPUTS_PER_TICK: usize = 4;

/// A client's session.
#[derive(Debug)]
struct Session {
    client: usize,
    conn: u32,
    heard: Time,
    inputs: InputBuffer<()>,
    /// The oldest input that the client still holds: earlier ones never come.
    oldest: InputSeq,
    number: u32,
    acked: Option<u32>,
}

/// The clients of a pod, by player.
#[derive(Debug, Default)]
pub struct Sessions {
    of: BTreeMap<PlayerId, Session>,
    /// Since when players are without a client.
    alone: BTreeMap<PlayerId, Time>,
}

impl Sessions {
    /// Tells a client something on its connection.
    pub fn tell(&self, player: PlayerId, what: impl FnOnce(u32) -> Mail, me: usize, cx: &mut Cx) {
        if let Some(session) = self.of.get(&player) {
            cx.send_reliably(Node::Pod(me), Node::Client(session.client), what(session.conn));
        }
    }

    /// The pod acts for the player: inputs count from the state on.
    pub fn playing(&mut self, player: PlayerId, world: &mut ModelWorld) {
        if let (Some(session), Some(body)) = (self.of.get_mut(&player), world.body(player)) {
            session.inputs.applied(body.last_input);
        }
    }

    pub fn close(&mut self, player: PlayerId, me: usize, cx: &mut Cx) {
        self.alone.remove(&player);
        if let Some(session) = self.of.remove(&player) {
            let mail = Mail::Closed { conn: session.conn };
            cx.send_reliably(Node::Pod(me), Node::Client(session.client), mail);
        }
    }

    pub fn close_all(&mut self, me: usize, cx: &mut Cx) {
        let players: Vec<PlayerId> = self.of.keys().copied().collect();
        for player in players {
            self.close(player, me, cx);
        }
        self.alone.clear();
    }

    pub fn apply_inputs(&mut self, player: PlayerId, body: &mut Body, cx: &mut Cx) {
        let Some(session) = self.of.get_mut(&player) else { return };
        let lost = session.inputs.skip_to(session.oldest);
        if lost > 0 {
            body.last_input = session.inputs.last_applied();
            cx.stats.inputs_lost += u64::from(lost);
            cx.checks.skipped(player, lost, body.last_input, body.position);
        }
        for _ in 0..INPUTS_PER_TICK {
            let Some((seq, ())) = session.inputs.take_next() else { return };
            let before = (body.last_input, body.position);
            body.position = walk(player, seq, body.position);
            body.last_input = seq;
            cx.checks.applied(player, before, seq, body.position);
            cx.stats.inputs_applied += 1;
        }
    }

    pub fn send_snapshots(&mut self, me: usize, tick: u64, world: &ModelWorld, cx: &mut Cx) {
        let visible = world.visible();
        for (player, session) in &mut self.of {
            let Some(body) = world.players.get(player) else { continue };
            session.number += 1;
            // A baseline that is too old has left the client's history: a keyframe instead.
            let baseline = session.acked.filter(|acked| session.number - acked < 60);
            let snapshot = Snapshot {
                conn: session.conn,
                number: session.number,
                baseline,
                epoch: body.epoch,
                tick,
                applied: body.last_input,
                visible,
            };
            cx.send(Node::Pod(me), Node::Client(session.client), Mail::Snapshot(snapshot));
        }
    }

    /// The client's connection for a player, where there is one.
    pub fn client(&self, player: PlayerId) -> Option<usize> {
        self.of.get(&player).map(|session| session.client)
    }

    fn is(&self, player: PlayerId, conn: u32) -> bool {
        self.of.get(&player).is_some_and(|session| session.conn == conn)
    }
}

impl Pod {
    /// Something comes from a client.
    pub fn on_client(&mut self, mail: Mail, cx: &mut Cx, store: &ModelStore) {
        match mail {
            Mail::Attach { client, conn, shard, handoff } => self.attach(client, conn, shard, handoff, cx, store),
            Mail::Inputs { client, conn, from, to, acked } => self.inputs(client, conn, from, to, acked, cx),
            Mail::AskTrade { client, conn, request, with } => {
                let player = player_of(client);
                if self.sessions.is(player, conn) {
                    self.ask_trade(player, request, with, cx, store);
                }
            }
            Mail::Leave { client, conn } => {
                let player = player_of(client);
                if self.sessions.is(player, conn) {
                    self.sessions.of.remove(&player);
                    self.step(Event::Detached { player }, cx, store);
                    self.leave(player, cx, store);
                }
            }
            Mail::Bye { client, conn } => {
                let player = player_of(client);
                if self.sessions.is(player, conn) {
                    self.lose_session(player, cx, store);
                }
            }
            _ => {}
        }
    }

    fn attach(
        &mut self,
        client: usize,
        conn: u32,
        shard: ShardId,
        handoff: Option<HandoffId>,
        cx: &mut Cx,
        store: &ModelStore,
    ) {
        let player = player_of(client);
        let is_here = self.machine.as_ref().is_some_and(|machine| machine.fence().shard == shard && !machine.is_over());
        if !is_here {
            return;
        }
        cx.send_reliably(self.node(), Node::Client(client), Mail::Welcome { conn });
        // A late attachment of an earlier connection does not end a newer one.
        if self.sessions.of.get(&player).is_some_and(|session| session.conn >= conn) {
            return;
        }
        let inputs = InputBuffer::new(InputSeq(0));
        let session = Session { client, conn, heard: cx.now, inputs, oldest: InputSeq(1), number: 0, acked: None };
        self.sessions.of.insert(player, session);
        self.sessions.alone.remove(&player);
        self.step(Event::Attached { player, handoff }, cx, store);
    }

    fn inputs(&mut self, client: usize, conn: u32, from: InputSeq, to: InputSeq, acked: Option<u32>, cx: &mut Cx) {
        let player = player_of(client);
        let Some(session) = self.sessions.of.get_mut(&player).filter(|session| session.conn == conn) else { return };
        session.heard = cx.now;
        session.acked = session.acked.max(acked);
        let kept = from.max(session.inputs.last_applied().next());
        for seq in kept.0..=to.0 {
            session.inputs.push(InputSeq(seq), ());
        }
        session.oldest = session.oldest.max(from);
    }

    fn lose_session(&mut self, player: PlayerId, cx: &mut Cx, store: &ModelStore) {
        self.sessions.of.remove(&player);
        self.step(Event::Detached { player }, cx, store);
    }

    /// Ends sessions of which nothing is heard; players whose client does not come back leave.
    pub fn sessions_time_out(&mut self, cx: &mut Cx, store: &ModelStore) {
        if !(cx.now / super::weather::TICK).is_multiple_of(10) {
            return;
        }
        let is_silent = |session: &&Session| session.heard + SILENCE < cx.now;
        let silent: Vec<usize> = self.sessions.of.values().filter(is_silent).map(|session| session.client).collect();
        for client in silent {
            self.lose_session(player_of(client), cx, store);
        }
        let Sessions { of, alone } = &mut self.sessions;
        alone.retain(|player, _| self.world.players.contains_key(player) && !of.contains_key(player));
        let mut gone = Vec::new();
        for &player in self.world.players.keys().filter(|player| !of.contains_key(player)) {
            if *alone.entry(player).or_insert(cx.now) + LINGER < cx.now {
                gone.push(player);
            }
        }
        for player in gone {
            self.leave(player, cx, store);
        }
    }

    fn leave(&mut self, player: PlayerId, cx: &mut Cx, store: &ModelStore) {
        cx.checks.came_or_left(player, self.world.tick);
        self.step(Event::Leave { player }, cx, store);
    }

    /// Whether a durable action of the player may start.
    pub fn may_start(&self, player: PlayerId, now: Time) -> Result<(), crate::handoff::NotNow> {
        let machine = self.machine.as_ref().ok_or(crate::handoff::NotNow::NotHere)?;
        machine.may_start_durable(player, elapsed(now))
    }
}

/// The player of a client: they have the same number.
pub const fn player_of(client: usize) -> PlayerId {
    PlayerId(client as u64)
}
