//! The store of the model: the port's semantics, judged by the same pure rules that every driver uses.

use std::collections::BTreeMap;

use darkages_store::transition::{MustBeOver, judge};
use darkages_store::{Fence, OwnerRecord, PlayerData, Swap, Swapped};
use darkages_topology::{OwnerEpoch, PlayerId, ShardEpoch, ShardId};

use super::Time;
use super::world::Goods;

/// Duration of a lease.
pub const LEASE: Time = 1_500_000;

/// When the lease of an incarnation ran out that is over.
const OVER: Time = 0;

/// A store that everybody reaches through the network of the model.
#[derive(Debug, Default)]
pub struct ModelStore {
    pub records: BTreeMap<PlayerId, OwnerRecord>,
    /// The newest incarnation and when its lease runs out; `OVER` once somebody has relied on that.
    leases: BTreeMap<ShardId, (ShardEpoch, Time)>,
    /// Transactions by request, so that each is carried out once.
    pub committed: BTreeMap<(PlayerId, u32), Trade>,
    /// Answers nobody before then.
    pub away_until: Time,
    /// A rule that a write has broken: for the checks.
    pub broken: Option<(&'static str, String)>,
}

/// A transfer between two players.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trade {
    pub request: (PlayerId, u32),
    /// Who, under which owner epoch, and the state after it with the version before it.
    pub parties: [(PlayerId, OwnerEpoch, PlayerData); 2],
}

/// Answer to a lease request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leased {
    Granted(Fence),
    Held,
    Over,
}

/// Answer to a trade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Traded {
    Done,
    /// It was carried out before, or a party is not as the zone believes: the records as they are.
    Look {
        is_done: bool,
        records: Box<[Option<OwnerRecord>; 2]>,
    },
    Fenced,
}

impl ModelStore {
    pub fn acquire(&mut self, shard: ShardId, now: Time) -> Leased {
        let (epoch, until) = self.leases.get(&shard).copied().unwrap_or_default();
        if now < until {
            return Leased::Held;
        }
        let epoch = ShardEpoch(epoch.0 + 1);
        self.leases.insert(shard, (epoch, now + LEASE));
        Leased::Granted(Fence { shard, epoch })
    }

    pub fn renew(&mut self, fence: Fence, now: Time) -> Leased {
        match self.leases.get_mut(&fence.shard) {
            Some((epoch, until)) if *epoch == fence.epoch && *until != OVER => {
                *until = now + LEASE;
                Leased::Granted(fence)
            }
            _ => Leased::Over,
        }
    }

    pub fn give_up(&mut self, fence: Fence) {
        if let Some((_, until)) = self.leases.get_mut(&fence.shard).filter(|(epoch, _)| *epoch == fence.epoch) {
            *until = OVER;
        }
    }

    /// Whether a lease that must be over is not; it is for good from then on.
    fn blocks(&mut self, lease: MustBeOver, now: Time) -> Option<ShardId> {
        let (shard, wanted) = lease.names();
        let (_, until) =
            self.leases.get_mut(&shard).filter(|(epoch, _)| wanted.is_none_or(|wanted| wanted == *epoch))?;
        if now < *until {
            return Some(shard);
        }
        *until = OVER;
        None
    }

    /// Whether this incarnation holds its shard.
    pub fn is_live(&self, fence: Fence, now: Time) -> bool {
        self.leases.get(&fence.shard).is_some_and(|&(epoch, until)| epoch == fence.epoch && now < until)
    }

    pub fn is_held(&self, shard: ShardId, now: Time) -> bool {
        self.leases.get(&shard).is_some_and(|&(_, until)| now < until)
    }

    pub fn swap(&mut self, writer: Fence, swap: Swap, now: Time) -> Swapped {
        let current = self.records.get(&swap.player).cloned();
        let current = current.as_ref();
        let is_live = self.is_live(writer, now);
        if !swap.expect.matches(current) {
            return Swapped::Conflict(current.cloned());
        }
        let step = match judge(current, &swap.next, writer) {
            Ok(step) => step,
            Err(why) => return Swapped::Illegal(why),
        };
        if step.needs_lease() && !is_live {
            return Swapped::Fenced;
        }
        for must_be_over in step.must_be_over(current) {
            if let Some(shard) = self.blocks(must_be_over, now) {
                return Swapped::Held { shard, left: std::time::Duration::ZERO };
            }
        }
        if current.is_some_and(|current| swap.next.data.version < current.data.version) {
            return Swapped::Conflict(current.cloned());
        }
        if current.is_some_and(|current| swap.next.owner_epoch < current.owner_epoch) {
            self.broken = Some(("I5", format!("the owner epoch of {} went back", swap.player)));
        }
        self.records.insert(swap.player, swap.next);
        Swapped::Done
    }

    /// Takes a checkpoint; says `false` when the writer does not act for the player under that owner epoch.
    pub fn save(&mut self, writer: Fence, player: PlayerId, epoch: OwnerEpoch, data: PlayerData, now: Time) -> bool {
        let is_live = self.is_live(writer, now);
        let Some(record) = self.records.get_mut(&player) else { return false };
        if !is_live || record.owner_epoch != epoch || !record.is_written_by(writer) {
            return false;
        }
        if record.data.version == data.version {
            record.data = data;
        }
        true
    }

    pub fn trade(&mut self, writer: Fence, trade: Trade, now: Time) -> Traded {
        let records = [0, 1].map(|party| self.records.get(&trade.parties[party].0).cloned());
        if self.committed.contains_key(&trade.request) {
            return Traded::Look { is_done: true, records: Box::new(records) };
        }
        if !self.is_live(writer, now) {
            return Traded::Fenced;
        }
        let is_refused = trade.parties.iter().zip(&records).any(|((_, epoch, data), record)| {
            record.as_ref().is_none_or(|record| {
                record.owner_epoch != *epoch || !record.is_written_by(writer) || record.data.version != data.version
            })
        });
        if is_refused {
            return Traded::Look { is_done: false, records: Box::new(records) };
        }
        self.check_conserved(&trade, &records);
        for (player, _, data) in &trade.parties {
            if let Some(record) = self.records.get_mut(player) {
                record.data = PlayerData { version: data.version.next(), ..data.clone() };
            }
        }
        self.committed.insert(trade.request, trade);
        Traded::Done
    }

    fn check_conserved(&mut self, trade: &Trade, records: &[Option<OwnerRecord>; 2]) {
        let before = records.iter().flatten().filter_map(|record| Goods::decode(&record.data.state));
        let after = trade.parties.iter().filter_map(|(_, _, data)| Goods::decode(&data.state));
        let sum = |goods: &mut dyn Iterator<Item = Goods>| {
            goods.fold((0_u64, 0_u128, 0), |(gold, items, count), goods| {
                (gold + u64::from(goods.gold), items | goods.items, count + goods.items.count_ones())
            })
        };
        let (before, after) = (sum(&mut before.into_iter()), sum(&mut after.into_iter()));
        if before != after {
            self.broken = Some(("I3", format!("the trade {:?} makes {after:?} of {before:?}", trade.request)));
        }
    }
}
