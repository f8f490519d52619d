//! The invariants, looked at after every event.

use std::collections::BTreeMap;

use darkages_store::PlayerData;
use darkages_topology::{EntityId, InputSeq, PlayerId, Position};

use super::store::ModelStore;
use super::world::{GHOST_TICKS, Goods, walk};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// `I1` to `I10`, or `machine` when a swap was no step of a handoff.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What is known of a player, from everywhere at once.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Pods that simulate the player.
    holders: Vec<usize>,
    /// The last tick that anybody simulated.
    tick: u64,
    /// Where the player stood after each input: of the state from which the world went on last.
    track: Vec<Position>,
    /// The tick at which the player last came into the world or left it.
    came_or_left: Option<u64>,
    /// The last input that anybody applied.
    applied: InputSeq,
}

/// Looks at everything that happens.
#[derive(Debug)]
pub struct Checks {
    players: Vec<Known>,
    npcs: BTreeMap<EntityId, Vec<usize>>,
    frozen: u64,
    /// Some zone has crashed, or stopped and been succeeded: states may have gone back to a checkpoint.
    pub is_lossy: bool,
    pub broken: Option<Broken>,
}

impl Checks {
    pub fn new(players: usize) -> Self {
        Self {
            players: vec![Known::default(); players],
            npcs: BTreeMap::new(),
            frozen: 0,
            is_lossy: false,
            broken: None,
        }
    }

    /// Reports the first rule that was broken; later ones follow from it.
    pub fn fail(&mut self, invariant: &'static str, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { invariant, what: what() });
        }
    }

    pub fn froze(&mut self, pod: usize) {
        self.frozen |= 1 << pod;
        self.is_lossy = true;
    }

    /// A pod goes on, and has been told of the time already: whoever it still acts for, it must be alone.
    pub fn thawed(&mut self, pod: usize) {
        if self.frozen & 1 << pod == 0 {
            return;
        }
        self.frozen &= !(1 << pod);
        for player in 0..self.players.len() {
            if self.players[player].holders.contains(&pod) {
                self.alone(player);
            }
        }
    }

    /// A pod is gone, and everybody in it.
    pub fn died(&mut self, pod: usize) {
        self.frozen &= !(1 << pod);
        self.is_lossy = true;
        for known in &mut self.players {
            known.holders.retain(|&holder| holder != pod);
        }
        for holders in self.npcs.values_mut() {
            holders.retain(|&holder| holder != pod);
        }
    }

    /// I1: of the pods that are not frozen, one at most has the player.
    fn alone(&mut self, player: usize) {
        let frozen = self.frozen;
        let mut acting = self.players[player].holders.iter().filter(|&&pod| frozen & 1 << pod == 0);
        if let (Some(&one), Some(&other)) = (acting.next(), acting.next()) {
            self.fail("I1", || format!("pods {one} and {other} both act for {}", PlayerId(player as u64)));
        }
    }

    /// A pod starts to simulate a player from this state.
    pub fn inserted(&mut self, pod: usize, player: PlayerId, data: &PlayerData, is_release: bool, store: &ModelStore) {
        let index = player.0 as usize;
        let Known { holders, track, applied, .. } = &mut self.players[index];
        if !holders.contains(&pod) {
            holders.push(pod);
        }
        let seq = data.last_input.0 as usize;
        let stood = track.get(seq).copied();
        let behind = applied.0.saturating_sub(data.last_input.0);
        *applied = data.last_input;
        track.resize((seq + 1).max(track.len()), data.position);
        match stood {
            Some(stood) if stood != data.position => self.fail("I9", || {
                format!("{player} goes on at {:?} after input {seq}, having stood at {stood:?}", data.position)
            }),
            None if seq > 0 => self.fail("I4", || format!("{player} goes on after input {seq}, which nobody applied")),
            _ => {}
        }
        if behind > 0 && (is_release || !self.is_lossy) {
            self.fail("I4", || format!("{player} goes on {behind} inputs before the last that was applied"));
        }
        if let Some(record) = store.records.get(&player).filter(|record| record.data.version != data.version) {
            let (has, now) = (data.version, record.data.version);
            self.fail("I10", || format!("{player} goes on with {has}, the record has {now}"));
        }
        self.alone(index);
    }

    pub fn removed(&mut self, pod: usize, player: PlayerId) {
        self.players[player.0 as usize].holders.retain(|&holder| holder != pod);
    }

    /// A player comes into the world or leaves it.
    pub fn came_or_left(&mut self, player: PlayerId, tick: u64) {
        self.players[player.0 as usize].came_or_left = Some(tick);
    }

    /// Whether the player came or left so shortly before `tick` or after it that not all zones know it yet.
    pub fn is_news(&self, player: PlayerId, tick: u64) -> bool {
        self.players[player.0 as usize].came_or_left.is_some_and(|when| when + 2 * GHOST_TICKS >= tick)
    }

    pub fn npc_inserted(&mut self, pod: usize, entity: EntityId) {
        let frozen = self.frozen;
        let holders = self.npcs.entry(entity).or_default();
        if !holders.contains(&pod) {
            holders.push(pod);
        }
        if holders.iter().filter(|&&pod| frozen & 1 << pod == 0).count() > 1 {
            self.fail("I1", || format!("two pods simulate the NPC {entity}"));
        }
    }

    pub fn npc_removed(&mut self, pod: usize, entity: EntityId) {
        if let Some(holders) = self.npcs.get_mut(&entity) {
            holders.retain(|&holder| holder != pod);
        }
    }

    /// I1 and I5: a player lives through each tick once, in order.
    pub fn simulated(&mut self, pod: usize, player: PlayerId, tick: u64) {
        let last = std::mem::replace(&mut self.players[player.0 as usize].tick, tick);
        if tick <= last {
            self.fail("I1", || format!("pod {pod} simulates tick {tick} of {player}, which was at tick {last}"));
        }
    }

    /// I4 and I9: inputs are applied in order, each from where the one before it led.
    pub fn applied(&mut self, player: PlayerId, before: (InputSeq, Position), seq: InputSeq, after: Position) {
        let known = &mut self.players[player.0 as usize];
        if seq != before.0.next() || before.0 != known.applied {
            let last = known.applied;
            self.fail("I4", || format!("input {seq} of {player} is applied after {} ({last} in all)", before.0));
            return;
        }
        known.applied = seq;
        let at = seq.0 as usize;
        known.track.resize((at + 1).max(known.track.len()), after);
        known.track[at] = after;
        if after != walk(player, seq, before.1) {
            self.fail("I9", || format!("{player} jumps from {:?} to {after:?} with input {seq}", before.1));
        }
    }

    /// Inputs up to `seq` never come, because a state that had them is lost.
    pub fn skipped(&mut self, player: PlayerId, lost: u32, seq: InputSeq, at: Position) {
        if !self.is_lossy {
            self.fail("I4", || format!("{lost} inputs of {player} before {} are lost, and nobody crashed", seq.next()));
        }
        let known = &mut self.players[player.0 as usize];
        known.applied = seq;
        let end = seq.0 as usize;
        known.track.resize((end + 1).max(known.track.len()), at);
        known.track[end - lost as usize + 1..=end].fill(at);
    }

    /// How many pods act for the player, frozen ones aside.
    pub fn holders(&self, player: PlayerId) -> usize {
        self.players[player.0 as usize].holders.iter().filter(|&&pod| self.frozen & 1 << pod == 0).count()
    }

    /// How many NPCs there are.
    pub fn npcs(&self) -> usize {
        self.npcs.values().map(Vec::len).sum()
    }

    pub fn applied_by(&self, player: PlayerId) -> InputSeq {
        self.players[player.0 as usize].applied
    }

    /// I3: gold is what it was, and every item is owned once.
    pub fn conserved(&mut self, store: &ModelStore) {
        let (mut gold, mut items, mut first, mut all) = (0, 0_u128, 0, 0);
        for (player, record) in &store.records {
            let Some(goods) = Goods::decode(&record.data.state) else { continue };
            if items & goods.items != 0 {
                self.fail("I3", || format!("{player} owns an item that somebody else owns"));
            }
            gold += u64::from(goods.gold);
            items |= goods.items;
            first += u64::from(Goods::first(*player).gold);
            all |= Goods::first(*player).items;
        }
        if gold != first || items != all {
            self.fail("I3", || format!("there are {gold} gold, there were {first}; items {items:x} of {all:x}"));
        }
    }
}
