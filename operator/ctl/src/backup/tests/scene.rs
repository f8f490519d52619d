//! Worlds to back up, and a place for backups.

use std::sync::Arc;
use std::time::Duration;

use darkages_store::{
    Acquired, Checkpoint, Clock as _, Embedded, Event, Expect, Fence, ManualClock, OwnerRecord, PlayerData, RequestId,
    Saved, StateVersion, Store, Swap, Swapped, TopologyDocument, Transaction,
};
use darkages_topology::{HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Revision, ShardId, Tick, ZoneId};
use indicatif::ProgressBar;

use crate::backup::catalogue::{Catalogue, Whole};
use crate::backup::compare::{self, Differences};
use crate::backup::create::{self, CreateError, Order};
use crate::backup::holder::Holder;
use crate::backup::id::BackupId;
use crate::backup::manifest::Manifest;
use crate::backup::moment::Plan;
use crate::backup::pack::{Compression, Method};
use crate::backup::restore::{self, RestoreError};
use crate::backup::stop::Stop;
use crate::backup::target::{Target, Wanted};

pub const S: ShardId = ShardId(1);
pub const T: ShardId = ShardId(2);
pub const LEASE: Duration = Duration::from_secs(600);
pub const PLAIN: Compression = Compression { method: Method::None, level: 0 };
pub const GZIP: Compression = Compression { method: Method::Gzip, level: 9 };
pub const ZSTD: Compression = Compression { method: Method::Zstd, level: 3 };

/// A world in memory.
pub struct World {
    pub store: Arc<Embedded>,
    pub clock: Arc<ManualClock>,
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::<ManualClock>::default();
        let store = Embedded::in_memory("test", Arc::<ManualClock>::clone(&clock)).expect("memory is there");
        Self { store: Arc::new(store), clock }
    }

    pub async fn acquire(&self, shard: ShardId) -> Fence {
        match self.store.acquire(shard, &ZoneId(format!("zone-{}", shard.0)), LEASE).await.expect("acquire") {
            Acquired::Granted(lease) => lease.fence,
            held @ Acquired::Held { .. } => panic!("{shard} is free: {held:?}"),
        }
    }

    pub async fn swap(&self, by: Fence, player: PlayerId, expect: Expect, next: OwnerRecord) {
        let answers = self.store.swap(by, vec![Swap { player, expect, next }]).await.expect("swap");
        assert_eq!(answers, [Swapped::Done]);
    }

    /// Players 1 to `players`, of whom some have traded, walked and been handed over; one handoff is open, another one
    /// released and not taken. Shard 2 is in its third incarnation.
    pub async fn lived_in(players: u64) -> Self {
        let world = Self::new();
        for _ in 0..2 {
            let over = world.acquire(T).await;
            world.store.release(over).await.expect("release");
        }
        let (s, t) = (world.acquire(S).await, world.acquire(T).await);
        let births: Vec<Swap> = (1..=players)
            .map(|player| Swap {
                player: PlayerId(player),
                expect: Expect::Absent,
                next: OwnerRecord::created(S, data(player, 1)),
            })
            .collect();
        for births in births.chunks(4_000) {
            let answers = world.store.swap(s, births.to_vec()).await.expect("swap");
            assert!(answers.iter().all(|answer| *answer == Swapped::Done));
        }
        for player in (1..=players.min(40)).map(PlayerId) {
            world.live(player, s, t).await;
        }
        let document = TopologyDocument { revision: Revision(7), bytes: br#"{"map": "of seven"}"#.to_vec() };
        world.store.compare_and_swap_topology(None, document).await.expect("the first map");
        world
    }

    async fn live(&self, player: PlayerId, s: Fence, t: Fence) {
        let record = self.store.owner(player).await.expect("read").expect("born");
        let id = HandoffId { from: S, from_epoch: s.epoch, number: player.0 };
        let open = record.committed(T, id, s, Tick(9), record.data.clone());
        match player.0 % 5 {
            0 => self.trade(player, s, record.owner_epoch).await,
            1 => self.save(player, s, record.owner_epoch, data(player.0, 5)).await,
            2 => self.swap(s, player, record.expect(), open).await,
            3 => {
                self.swap(s, player, record.expect(), open.clone()).await;
                let released = open.released(data(player.0, 6)).expect("open");
                self.swap(s, player, open.expect(), released).await;
            }
            _ => {
                self.swap(s, player, record.expect(), open.clone()).await;
                self.swap(t, player, open.expect(), open.closed(data(player.0, 7))).await;
            }
        }
    }

    pub async fn save(&self, player: PlayerId, by: Fence, owner_epoch: OwnerEpoch, data: PlayerData) {
        let saved = self.store.save_batch(by, vec![Checkpoint { player, owner_epoch, data }]).await.expect("save");
        assert_eq!(saved, [Saved::Done]);
    }

    /// A durable transaction, which the log has.
    pub async fn trade(&self, player: PlayerId, by: Fence, owner_epoch: OwnerEpoch) {
        let record = self.store.owner(player).await.expect("read").expect("born");
        let data = PlayerData { version: record.data.version, ..data(player.0, 8) };
        let request = RequestId { player, number: record.data.version.0 };
        let event = Event { kind: 1, tick: Tick(3), payload: b"sold a sword".to_vec() };
        let states = vec![Checkpoint { player, owner_epoch, data }];
        let done = self.store.commit(by, Transaction { request, states, event, answer: vec![1] }).await;
        assert_eq!(done.expect("commit").label(), "done");
    }
}

/// Data that is a player's own and differs from one `turn` to the next.
pub fn data(player: u64, turn: u32) -> PlayerData {
    let state = (0..60 + player % 40).map(|at| (at * player) as u8 ^ turn as u8).collect();
    let at = i32::try_from(player).expect("few players");
    PlayerData {
        state,
        version: StateVersion(0),
        last_input: InputSeq(turn),
        position: Position { x: at, y: turn as i32 },
    }
}

/// A place for backups that goes with the test.
pub struct Vault {
    pub folder: tempfile::TempDir,
    pub target: Target,
}

impl Vault {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().to_str().expect("a plain name");
        let target = Target::open("--to", path, Wanted::Made).expect("a directory");
        Self { folder, target }
    }

    /// Makes a backup, the `number`th, on top of `parent`.
    pub async fn create(
        &self,
        world: &World,
        number: u32,
        compression: Compression,
        parent: Option<&Whole>,
    ) -> Result<Manifest, CreateError> {
        create_in(&self.target, world, number, compression, parent).await
    }

    pub async fn catalogue(&self) -> Catalogue {
        Catalogue::read(&self.target).await.expect("the place can be read")
    }
}

/// Makes a backup, the `number`th, in `target`.
pub async fn create_in(
    target: &Target,
    world: &World,
    number: u32,
    compression: Compression,
    parent: Option<&Whole>,
) -> Result<Manifest, CreateError> {
    world.clock.advance(Duration::from_secs(1));
    create_of(&*world.store, target, &world.clock, number, compression, [parent; 2]).await
}

/// Makes a backup of a store on top of a parent; its log goes on after that of a previous one.
pub async fn create_of(
    store: &dyn Store,
    target: &Target,
    clock: &ManualClock,
    number: u32,
    compression: Compression,
    [parent, previous]: [Option<&Whole>; 2],
) -> Result<Manifest, CreateError> {
    let created = create::now(clock);
    let id = BackupId::new(created, number);
    let order = Order { world: "test", id, created, compression, parent, previous };
    let (_wish, stop) = tokio::sync::watch::channel(false);
    create::create(store, target, order, clock, &Stop::of(stop), &ProgressBar::hidden()).await
}

/// Restores a chain into a new world.
pub async fn restore(target: &Target, chain: &[&Whole]) -> Result<World, RestoreError> {
    restore_at(target, &Plan::of(chain.to_vec())).await
}

/// Restores the world of a moment into a new one.
pub async fn restore_at(target: &Target, plan: &Plan<'_>) -> Result<World, RestoreError> {
    let world = World::new();
    fill(&*world.store, target, plan).await?;
    Ok(world)
}

/// Fills a store as a restore does, and brings it into play.
pub async fn fill(store: &dyn Store, target: &Target, plan: &Plan<'_>) -> Result<(), RestoreError> {
    let mut holder = Holder::new(store);
    let filled = match restore::fill(&mut holder, target, plan, &ProgressBar::hidden()).await {
        Ok(_) => match restore::map(target, plan).await? {
            Some(map) => restore::put_map(store, None, map).await,
            None => Ok(()),
        },
        Err(error) => Err(error),
    };
    holder.release().await?;
    filled
}

/// What a world has otherwise than a chain.
pub async fn differences(world: &World, target: &Target, chain: &[&Whole]) -> Differences {
    differences_of(&*world.store, target, &Plan::of(chain.to_vec())).await
}

/// What a store has otherwise than a plan.
pub async fn differences_of(store: &dyn Store, target: &Target, plan: &Plan<'_>) -> Differences {
    let found = compare::compare(store, target, plan, &ProgressBar::hidden()).await;
    let mut found = found.expect("both can be read");
    compare::map(store, target, plan, &mut found).await.expect("both can be read");
    found
}

/// All owner records.
pub async fn records(world: &World) -> Vec<(PlayerId, OwnerRecord)> {
    let mut all: Vec<(PlayerId, OwnerRecord)> = Vec::new();
    loop {
        let page = world.store.scan_owners(all.last().map(|(player, _)| *player), 1_000).await.expect("scan");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// The time of a world's clock, in seconds since the Unix epoch.
pub fn now_s(world: &World) -> i64 {
    i64::try_from(world.clock.unix().as_secs()).expect("not so late")
}
