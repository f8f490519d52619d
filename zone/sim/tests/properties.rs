//! What holds whatever players do, on two shards between which they are handed over: gold and items are conserved, every
//! player is in one place, nobody leaves the world or outruns it, and a saved world goes on as if it had not been.

use std::collections::{BTreeMap, BTreeSet};

use darkages_sim::default_game::{AttackKind, Character, Command, Goods, Happening, Rules, Shard};
use darkages_sim::input::MAX_CREDITS;
use darkages_sim::motion::MAX_SPEED;
use darkages_sim::{
    ActionId, Applied, DefaultGame, Event, GhostState, Heading, InputValue, Kind, PlayerState, RequestId, World,
    WorldConfig,
};
use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

const PLAYERS: u64 = 6;

/// Something that happens to the two shards.
#[derive(Clone, Debug)]
enum Op {
    Join { player: u64, x: i32, y: i32 },
    HandOver { player: u64 },
    Freeze { player: u64, frozen: bool },
    Walk { player: u64, inputs: u8, heading: u8, sprinting: bool },
    Attack { player: u64, target: u64, ranged: bool },
    Give { player: u64, to: u64, gold: u64, item: usize },
    Offer { player: u64, to: u64, gold: u64, item: usize, want: u64 },
    Answer { player: u64, accept: bool },
    Hunt { player: u64 },
    Fetch { player: u64 },
    Steps { ticks: u16 },
    SaveAndLoad,
}

fn op() -> impl Strategy<Value = Op> {
    let player = || 0..PLAYERS;
    prop_oneof![
        2 => (player(), -6..6, -6..6).prop_map(|(player, x, y)| Op::Join { player, x, y }),
        2 => player().prop_map(|player| Op::HandOver { player }),
        1 => (player(), any::<bool>()).prop_map(|(player, frozen)| Op::Freeze { player, frozen }),
        4 => (player(), 1..200u8, any::<u8>(), any::<bool>())
            .prop_map(|(player, inputs, heading, sprinting)| Op::Walk { player, inputs, heading, sprinting }),
        3 => (player(), player(), any::<bool>())
            .prop_map(|(player, target, ranged)| Op::Attack { player, target, ranged }),
        4 => (player(), player(), 0..70u64, 0..4usize)
            .prop_map(|(player, to, gold, item)| Op::Give { player, to, gold, item }),
        4 => (player(), player(), 0..70u64, 0..4usize, 0..70u64)
            .prop_map(|(player, to, gold, item, want)| Op::Offer { player, to, gold, item, want }),
        4 => (player(), any::<bool>()).prop_map(|(player, accept)| Op::Answer { player, accept }),
        1 => player().prop_map(|player| Op::Hunt { player }),
        2 => player().prop_map(|player| Op::Fetch { player }),
        3 => (1..80u16).prop_map(|ticks| Op::Steps { ticks }),
        1 => Just(Op::SaveAndLoad),
    ]
}

/// An attack under way between the shards.
struct UnderWay {
    id: ActionId,
    target: EntityId,
    sent: Tick,
    action: Vec<u8>,
}

struct Shards {
    worlds: [World<DefaultGame>; 2],
    /// Whether `Op::SaveAndLoad` does it.
    saves: bool,
    tick: u64,
    request: u64,
    joined: BTreeSet<PlayerId>,
    /// Per player where it was at which tick, to check its speed.
    seen_at: BTreeMap<PlayerId, (u64, Position, u32)>,
    under_way: Vec<UnderWay>,
    /// What happened at all.
    labels: BTreeSet<&'static str>,
}

fn config(shard: u32) -> WorldConfig<Rules> {
    let bounds = Rect::new(Position::from_metres(-60, -60), Position::from_metres(60, 60)).expect("sound bounds");
    let (west, east) = if shard == 1 { (-60, 0) } else { (0, 60) };
    let ground = Rect::new(Position::from_metres(west, -60), Position::from_metres(east, 60)).expect("sound ground");
    let rules = Rules { npcs_per_square_km: 4_000, ..Rules::default() };
    WorldConfig { bounds, ground, shard: ShardId(shard), epoch: ShardEpoch(1), seed: 11, rules }
}

impl Shards {
    fn new(saves: bool) -> Self {
        let world = |shard| World::new(config(shard)).expect("the first incarnation has ids");
        Self {
            worlds: [world(1), world(2)],
            saves,
            tick: 0,
            request: 0,
            joined: BTreeSet::new(),
            seen_at: BTreeMap::new(),
            under_way: Vec::new(),
            labels: BTreeSet::new(),
        }
    }

    fn home(&self, player: u64) -> Option<usize> {
        self.worlds.iter().position(|world| world.has_player(PlayerId(player)))
    }

    fn entity(&self, player: u64) -> EntityId {
        self.worlds.iter().find_map(|world| world.entity_of(PlayerId(player))).unwrap_or_default()
    }

    fn command(&mut self, player: u64, command: Command) {
        self.request += 1;
        if let Some(home) = self.home(player) {
            let _ = self.worlds[home].queue_command(PlayerId(player), RequestId(self.request), command);
        }
    }

    fn goods(&self, player: u64, gold: u64, item: usize) -> Goods {
        let character = self.home(player).and_then(|home| self.worlds[home].character(PlayerId(player)));
        let items = character.and_then(|character| character.items.get(item)).map(|item| item.id);
        Goods { gold, items: items.into_iter().collect() }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Join { player, x, y } => self.join(player, Position::from_metres(x, y)),
            Op::HandOver { player } => self.hand_over(player),
            Op::Freeze { player, frozen } => {
                self.worlds.iter_mut().for_each(|world| world.freeze(PlayerId(player), frozen));
            }
            Op::Walk { player, inputs, heading, sprinting } => {
                let value = InputValue { heading: Heading(heading), moving: true, sprinting };
                for _ in 0..inputs {
                    self.queue_next(player, value);
                }
            }
            Op::Attack { player, target, ranged } => {
                let kind = if ranged { AttackKind::Ranged } else { AttackKind::Melee };
                self.command(player, Command::Attack { kind, target: self.entity(target) });
            }
            Op::Give { player, to, gold, item } => {
                let goods = self.goods(player, gold, item);
                self.command(player, Command::Give { to: self.entity(to), goods });
            }
            Op::Offer { player, to, gold, item, want } => {
                let (give, want) = (self.goods(player, gold, item), self.goods(to, want, item));
                self.command(player, Command::Offer { to: self.entity(to), give, want });
            }
            Op::Answer { player, accept } => self.answer(player, accept),
            Op::Hunt { player } => self.hunt(player),
            Op::Fetch { player } => self.fetch(player),
            Op::Steps { ticks } => (0..ticks).for_each(|_| self.step()),
            Op::SaveAndLoad => self.save_and_load(),
        }
        self.step();
        self.check();
    }

    fn join(&mut self, player: u64, position: Position) {
        if !self.joined.insert(PlayerId(player)) {
            return;
        }
        let world = &mut self.worlds[(player % 2) as usize];
        let state = world.new_player(PlayerId(player), position).expect("there are ids");
        world.insert_player(state).expect("the player is new");
    }

    fn hand_over(&mut self, player: u64) {
        let Some(home) = self.home(player) else { return };
        let state = self.worlds[home].remove_player(PlayerId(player)).expect("the player is here");
        let bytes = state.encode().expect("the state is short");
        let arrived = PlayerState::<Character>::decode(&bytes).expect("the bytes are a state");
        assert_eq!(arrived, state);
        self.worlds[1 - home].insert_player(arrived).expect("the player is not here yet");
    }

    fn queue_next(&mut self, player: u64, value: InputValue) {
        let Some(home) = self.home(player) else { return };
        let state = self.worlds[home].capture(PlayerId(player)).expect("the player is here");
        let seq = InputSeq(state.last_input.0 + state.pending.len() as u32 + 1);
        let _ = self.worlds[home].queue_input(PlayerId(player), seq, value);
    }

    fn answer(&mut self, player: u64, accept: bool) {
        let Some(home) = self.home(player) else { return };
        let offers = &self.worlds[home].scene().shard.offers;
        let Some(offer) = offers.iter().find(|offer| offer.to == PlayerId(player)).map(|offer| offer.id) else {
            return;
        };
        self.command(player, if accept { Command::Accept { offer } } else { Command::Decline { offer } });
    }

    /// The entity of `kind` that is nearest to the player among those it sees.
    fn nearest(&self, player: u64, kind: Kind) -> Option<(EntityId, Position)> {
        let world = &self.worlds[self.home(player)?];
        let here = world.position_of(PlayerId(player))?;
        let views = world.views().iter().filter(|view| view.kind == kind);
        views.min_by_key(|view| here.distance_squared(view.position)).map(|view| (view.entity, view.position))
    }

    fn hunt(&mut self, player: u64) {
        let Some((target, _)) = self.nearest(player, Kind::Npc) else { return };
        for _ in 0..14 {
            self.command(player, Command::Attack { kind: AttackKind::Ranged, target });
            (0..60).for_each(|_| self.step());
        }
    }

    fn fetch(&mut self, player: u64) {
        let (Some(home), Some((loot, place))) = (self.home(player), self.nearest(player, Kind::Loot)) else { return };
        let mut state = self.worlds[home].remove_player(PlayerId(player)).expect("the player is here");
        state.body.place(place, self.worlds[home].scene().bounds());
        self.worlds[home].insert_player(state).expect("the player has just left");
        self.seen_at.remove(&PlayerId(player));
        self.command(player, Command::PickUp { loot });
    }

    fn save_and_load(&mut self) {
        if !self.saves {
            return;
        }
        for (world, shard) in self.worlds.iter_mut().zip(1..) {
            let hash = world.state_hash().expect("the world is small");
            let bytes = world.save().expect("the world is small");
            *world = World::load(config(shard), &bytes).expect("the bytes are a world");
            assert_eq!(world.state_hash().expect("the world is small"), hash);
        }
    }

    /// One tick of both shards: they show each other their entities, and carry attacks, each of them twice.
    fn step(&mut self) {
        self.tick += 1;
        for from in 0..2 {
            let players = self.worlds[from].players().to_vec();
            let views = self.worlds[from].own_views().to_vec();
            for (at, view) in views.into_iter().enumerate() {
                let player = players.get(at).copied().filter(|_| view.kind == Kind::Player);
                let from_shard = ShardId(from as u32 + 1);
                let ghost = GhostState { view, player, from_shard, tick: Tick(self.tick) };
                self.worlds[1 - from].upsert_ghost(ghost);
            }
        }
        for UnderWay { id, target, sent, action } in std::mem::take(&mut self.under_way) {
            let mut done = 0;
            for world in [0, 1, 0, 1] {
                let applied = self.worlds[world].apply_remote(id, target, sent, &action).expect("an action");
                done += u32::from(applied == Applied::Done);
            }
            assert!(done <= 1, "an attack was applied twice");
        }
        for world in &mut self.worlds {
            let mut events = Vec::new();
            world.step(Tick(self.tick), &mut events);
            for event in events {
                self.labels.insert(label(&event));
                match event {
                    Event::Remote { id, target, sent, action, .. } => {
                        self.under_way.push(UnderWay { id, target, sent, action });
                    }
                    // Who comes back to life is put elsewhere.
                    Event::Happened { what: Happening::Respawned { .. }, .. } => self.seen_at.clear(),
                    _ => {}
                }
            }
        }
    }

    fn check(&mut self) {
        let gold: u64 = self.worlds.iter().map(World::gold_total).sum();
        let sum = |of: fn(&Shard) -> u64| self.worlds.iter().map(|world| of(&world.scene().shard)).sum::<u64>();
        assert_eq!(gold + sum(|shard| shard.gold_destroyed), sum(|shard| shard.gold_created));
        let items: Vec<_> = self.worlds.iter().flat_map(World::items).map(|item| item.id).collect();
        let unique: BTreeSet<_> = items.iter().collect();
        assert_eq!(unique.len(), items.len(), "an item is there twice");
        assert_eq!(items.len() as u64 + sum(|shard| shard.items_destroyed), sum(|shard| shard.items_created));
        for player in &self.joined {
            assert_eq!(self.worlds.iter().filter(|world| world.has_player(*player)).count(), 1);
        }
        for world in &self.worlds {
            assert!(world.views().iter().all(|view| world.scene().bounds().contains(view.position)));
        }
        self.check_speeds();
    }

    /// Over any time, nobody goes further than its inputs and credits allow; who died may have been put elsewhere.
    fn check_speeds(&mut self) {
        for player in &self.joined {
            let world = &self.worlds[self.worlds.iter().position(|world| world.has_player(*player)).expect("checked")];
            let state = world.capture(*player).expect("checked");
            if state.character.is_dead() {
                self.seen_at.remove(player);
                continue;
            }
            let first = (self.tick, state.position(), state.last_input.0);
            let (tick, position, input) = *self.seen_at.entry(*player).or_insert(first);
            let ticks = self.tick - tick + u64::from(MAX_CREDITS);
            let steps = u64::from(state.last_input.0 - input).min(ticks);
            assert!(u64::from(state.last_input.0 - input) <= ticks, "more inputs than credits");
            // Each axis may carry less than one unit over from the step before: less than two on the way.
            let reach = (steps as i64 * i64::from(MAX_SPEED)).div_euclid(60) + 1 + 2;
            assert!(state.position().distance_squared(position) <= reach * reach, "faster than the world allows");
        }
    }

    fn hash(&self) -> [u64; 2] {
        [0, 1].map(|at| self.worlds[at].state_hash().expect("the world is small"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_and_saving_changes_nothing(ops in proptest::collection::vec(op(), 1..120)) {
        let (mut plain, mut again, mut saved) = (Shards::new(false), Shards::new(false), Shards::new(true));
        for op in &ops {
            plain.apply(op);
            again.apply(op);
            saved.apply(op);
        }
        prop_assert_eq!(plain.hash(), again.hash());
        prop_assert_eq!(plain.hash(), saved.hash());
    }
}

fn label(event: &Event<DefaultGame>) -> &'static str {
    match event {
        Event::Answer { outcome, .. } => outcome.label(),
        // After the format number comes the number of the entry's kind.
        Event::Transaction { entry, .. } => ["gave", "exchanged", "picked_up"][usize::from(entry[1])],
        Event::Repeated { .. } => "repeated",
        Event::Deferred { .. } => "deferred",
        Event::Remote { .. } => "remote",
        Event::Happened { what: Happening::Died { .. }, .. } => "died",
        Event::Happened { what: Happening::Respawned { .. }, .. } => "respawned",
        Event::Happened { .. } => "happened",
        Event::Told { .. } => "told",
    }
}

#[test]
fn the_random_players_reach_every_rule() {
    // A property that never trades or kills would hold for the wrong reason.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut labels = BTreeSet::new();
    for _ in 0..16 {
        let ops = proptest::collection::vec(op(), 120).new_tree(&mut runner).expect("any ops will do").current();
        let mut shards = Shards::new(false);
        ops.iter().for_each(|op| shards.apply(op));
        labels.append(&mut shards.labels);
    }
    let wanted = ["done", "gave", "exchanged", "picked_up", "deferred", "remote", "died", "out_of_range", "told"];
    for label in wanted {
        assert!(labels.contains(label), "no {label} among {labels:?}");
    }
}
