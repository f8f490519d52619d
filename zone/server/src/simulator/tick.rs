//! One tick of a pod of the model, in the order that [`handoff`](crate::handoff) asks for.

use std::rc::Rc;

use darkages_store::Fence;
use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardId};

use super::cx::Cx;
use super::mail::{Ask, Mail, Node};
use super::map::Map;
use super::pod::{Peer, Pod, elapsed};
use super::store::ModelStore;
use super::weather::TICK;
use super::world::walk;
use crate::handoff::{Event, Reason, Subject, has_left};

/// Ticks after a change of the map during which everybody beyond the border goes, hysteresis or not.
const MAP_SETTLES: u64 = 90;

impl Pod {
    /// One tick.
    pub fn on_tick(&mut self, cx: &mut Cx, store: &ModelStore) {
        cx.at(cx.now + TICK, self.node(), Mail::Tick { life: self.life });
        self.tick = (self.tick + 1).max(cx.now / TICK + 1_000 + self.skew);
        self.next_tick = self.tick;
        self.world.tick = self.tick;
        self.keep_lease(cx, store);
        self.keep_peers(cx, store);
        if self.machine.is_none() {
            self.next_tick += 1;
            return;
        }
        self.get_ready(cx, store);
        self.sessions_time_out(cx, store);
        self.wants(cx, store);
        self.step(Event::Tick, cx, store);
        for _ in 0..self.old.len() {
            // Each goes to the end, so this takes them in turn.
            self.old.rotate_left(1);
            self.step_old(self.old.len() - 1, Event::Tick, cx, store);
        }
        self.trades_time_out(cx);
        let may_act = self.machine.as_ref().is_some_and(|machine| machine.may_act(elapsed(cx.now)));
        if may_act && !self.is_doomed {
            self.simulate(cx);
        }
        self.next_tick = self.tick + 1;
    }

    /// Lets players in once the ghosts are known, and nobody once the shard has lost its ground.
    fn get_ready(&mut self, cx: &mut Cx, store: &ModelStore) {
        let is_retiring = self.is_retiring();
        if self.unheard.as_ref().is_some_and(|(unheard, until)| unheard.is_empty() || *until < cx.now) {
            self.unheard = None;
            self.step(Event::Ready { ready: !is_retiring }, cx, store);
        } else if is_retiring && std::mem::take(&mut self.is_map_new) {
            self.step(Event::Ready { ready: false }, cx, store);
        }
    }

    /// Whether this pod's shard has lost its ground, as far as the pod knows.
    pub fn is_retiring(&self) -> bool {
        self.shard().is_some_and(|shard| self.world.map.topology.is_retiring(shard))
    }

    fn keep_peers(&mut self, cx: &mut Cx, store: &ModelStore) {
        let Some(machine) = &self.machine else { return };
        if !self.tick.is_multiple_of(12) {
            return;
        }
        let fence = machine.fence();
        if !machine.is_over() {
            for (_, pod) in self.world.map.pods().filter(|&(_, pod)| pod != self.index) {
                cx.send(Node::Pod(self.index), Node::Pod(pod), Mail::Hello { from: fence, pod: self.index });
            }
        }
        let is_silent = |peer: &&Peer| peer.heard + 1_200_000 < cx.now;
        let silent: Vec<Fence> = self.peers.values().filter(is_silent).map(|peer| peer.fence).collect();
        for peer in silent {
            self.peers.remove(&peer.shard);
            self.step(Event::PeerDown { peer }, cx, store);
        }
    }

    /// Says who ought to be elsewhere.
    fn wants(&mut self, cx: &mut Cx, store: &ModelStore) {
        let Some(me) = self.shard() else { return };
        let map = Rc::clone(&self.world.map);
        let ground = map.ground(me);
        let is_new = self.tick < self.map_changed + MAP_SETTLES;
        let repeat = self.tick.is_multiple_of(20);
        let mut changed = Vec::new();
        for (&player, body) in &mut self.world.players {
            let wanted = wanted(ground, &map, body.position, is_new, me);
            if wanted != body.wanted || (repeat && wanted.is_some()) {
                body.wanted = wanted;
                changed.push((Subject::Player(player), wanted));
            }
        }
        if repeat {
            let npcs = self.world.npcs.iter();
            changed.extend(npcs.filter_map(|(&entity, &position)| {
                wanted(ground, &map, position, is_new, me).map(|to| (Subject::Npc(entity), Some(to)))
            }));
        }
        let reason = if is_new || ground.is_none() { Reason::Ground } else { Reason::Border };
        for (subject, wanted) in changed {
            let event = match wanted {
                Some(to) => Event::Want { subject, to, reason },
                None => Event::Unwant { subject },
            };
            self.step(event, cx, store);
        }
    }

    fn simulate(&mut self, cx: &mut Cx) {
        cx.stats.zone_ticks += 1;
        let Some(machine) = &self.machine else { return };
        for (&player, body) in &mut self.world.players {
            cx.checks.simulated(self.index, player, self.tick);
            self.sessions.apply_inputs(player, body, cx);
        }
        for (&entity, position) in &mut self.world.npcs {
            wander(entity, self.tick, position);
        }
        let fence = machine.fence();
        if self.tick.is_multiple_of(3) {
            self.sessions.send_snapshots(self.index, self.tick, &self.world, cx);
            let simulated = machine.remembered().fold(self.world.simulated(), |bits, player| bits | 1 << player.0);
            for peer in self.peers.values() {
                cx.send(Node::Pod(self.index), Node::Pod(peer.pod), Mail::Frame { from: fence.shard, simulated });
            }
        }
        // Checkpoints of a quarter of a second, each player at another tick.
        for (&player, body) in &self.world.players {
            if (self.tick + player.0).is_multiple_of(15) && !body.is_busy {
                let data = body.data();
                if let Some(epoch) = machine.write_epoch(player) {
                    self.ask(Ask::Save { fence, player, epoch, data }, cx);
                }
            }
        }
    }
}

fn wanted(ground: Option<&Rect>, map: &Map, position: Position, is_new: bool, me: ShardId) -> Option<ShardId> {
    let leaves = has_left(ground, position) || (is_new && ground.is_some_and(|ground| !ground.contains(position)));
    if leaves { map.owner_of(position).filter(|owner| *owner != me) } else { None }
}

fn wander(entity: EntityId, tick: u64, position: &mut Position) {
    let seq = InputSeq(tick as u32);
    *position = walk(PlayerId(entity.0 | 1 << 32), seq, *position);
}
