//! Decides who is killed next, and sees whether a kill at a point has landed. Pure; time is passed in.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use darkages_plan::{Life, Look};
use darkages_server::handoff::{CrashPoint, Side};
use darkages_server::zone::CrashOrder;
use darkages_topology::{Rect, ShardId, Topology, ZoneEndpoint};
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{KillPlan, Shot};

/// How long a zone has to come to a point. A player crosses a border many times meanwhile; a crowd that gathers and leaves
/// again makes zones split and merge.
const LANDS_WITHIN: Duration = Duration::from_secs(30);

/// Zones that did not come to a point for so long are let off, and others are told: between those two nobody may be walking.
const AIMS_FOR: Duration = Duration::from_secs(6);

/// A zone is killed at one of its next visits to a point, at most so many, so that what else it is doing varies.
const MOST_VISITS: u32 = 3;

/// What is to be done to zones, or has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Kill it now.
    Kill(ZoneEndpoint),
    /// Let it crash at a point, and with it, in the same moment, the other zone.
    Order {
        /// Which zone.
        zone: ZoneEndpoint,
        /// Where.
        order: CrashOrder,
        /// Who dies when it dies.
        partner: Option<ZoneEndpoint>,
    },
    /// Let it not crash any more.
    CallOff(ZoneEndpoint),
    /// A kill at a point has landed.
    Landed(Shot),
    /// No zone came to the point in time.
    Missed(Shot),
}

/// Decides which zone is killed next.
#[derive(Debug)]
pub struct Killer {
    plan: KillPlan,
    next: Duration,
    turn: usize,
    hunt: Option<Hunt>,
    /// Since when no zone could be told, though it is time.
    seeks_since: Option<Duration>,
    rng: Pcg64Mcg,
}

/// A kill at a point that has not landed.
#[derive(Debug)]
struct Hunt {
    shot: Shot,
    until: Duration,
    /// When others are told.
    again: Duration,
    /// Who was told to crash, or dies with somebody who was.
    told: Vec<ZoneEndpoint>,
    /// How many of them have to die.
    wanted: usize,
}

impl Killer {
    /// A killer whose choices depend on the seed, and who begins one period after `now`.
    pub fn new(plan: KillPlan, seed: u64, now: Duration) -> Self {
        let next = now + plan.every;
        Self { plan, next, turn: 0, hunt: None, seeks_since: None, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// What to do now.
    pub fn step(&mut self, now: Duration, looks: &[Look], map: &Topology) -> Vec<Deed> {
        if let Some(hunt) = self.hunt.take() {
            return self.follow(hunt, now, looks, map);
        }
        if now < self.next || self.is_through() {
            return Vec::new();
        }
        let Some(shot) = self.plan.shots.get(self.turn % self.plan.shots.len().max(1)).copied() else {
            return self.at_random(now, looks);
        };
        if !is_calm(looks, map) {
            return Vec::new();
        }
        let since = *self.seeks_since.get_or_insert(now);
        let aimed = self.aim(shot, now + LANDS_WITHIN, now, looks, map);
        if aimed.is_none() && now < since + LANDS_WITHIN {
            return Vec::new();
        }
        self.turn += 1;
        self.seeks_since = None;
        aimed.unwrap_or_else(|| {
            self.next = now + self.plan.every;
            vec![Deed::Missed(shot)]
        })
    }

    /// Since when every point has been tried as often as was wanted.
    pub fn done_since(&self) -> Option<Duration> {
        (self.hunt.is_none() && self.is_through()).then(|| self.next.saturating_sub(self.plan.every))
    }

    fn is_through(&self) -> bool {
        self.plan.rounds.is_some_and(|rounds| self.turn >= rounds * self.plan.shots.len())
    }

    /// Whoever was told to crash and may not have, to be let off.
    pub fn cease(self) -> Vec<ZoneEndpoint> {
        self.hunt.map_or_else(Vec::new, |hunt| hunt.told)
    }

    fn at_random(&mut self, now: Duration, looks: &[Look]) -> Vec<Deed> {
        let Some(victim) = looks.iter().filter(|look| look.serves_players()).choose(&mut self.rng) else {
            return Vec::new();
        };
        self.next = now + self.plan.every;
        vec![Deed::Kill(victim.endpoint.clone())]
    }

    /// Tells zones to crash at a point; `None` while there are none that could come to it.
    fn aim(&mut self, shot: Shot, until: Duration, now: Duration, looks: &[Look], map: &Topology) -> Option<Vec<Deed>> {
        let hunt = Hunt { shot, until, again: now + AIMS_FOR, told: Vec::new(), wanted: 1 };
        let (hunt, mut deeds) = match (shot.point.side(), shot.point.after()) {
            (Side::Shard, _) => Some((hunt, Vec::new())),
            (_, Some(before)) => self.one_after_the_other(hunt, before, looks, map),
            _ if shot.both => self.both_at_once(hunt, looks, map),
            _ => self.one(hunt, looks),
        }?;
        deeds.extend(self.follow(hunt, now, looks, map));
        Some(deeds)
    }

    fn one(&mut self, mut hunt: Hunt, looks: &[Look]) -> Option<(Hunt, Vec<Deed>)> {
        let zone = looks.iter().filter(|look| look.serves_players()).choose(&mut self.rng)?;
        let order = self.order(hunt.shot.point, None);
        let deed = hunt.tell(&zone.endpoint, order, None);
        Some((hunt, vec![deed]))
    }

    fn both_at_once(&mut self, mut hunt: Hunt, looks: &[Look], map: &Topology) -> Option<(Hunt, Vec<Deed>)> {
        let [(zone, _), (partner, other)] = self.neighbours(looks, map)?;
        hunt.wanted = 2;
        let order = self.order(hunt.shot.point, Some(other));
        let deed = hunt.tell(zone, order, Some(partner));
        Some((hunt, vec![deed]))
    }

    /// The giver at `before`, so that the taker comes to the point.
    fn one_after_the_other(
        &mut self,
        mut hunt: Hunt,
        before: CrashPoint,
        looks: &[Look],
        map: &Topology,
    ) -> Option<(Hunt, Vec<Deed>)> {
        let [(giver, from), (taker, to)] = self.neighbours(looks, map)?;
        hunt.wanted = 2;
        let first = self.order(before, Some(to));
        let then = CrashOrder { point: hunt.shot.point, visit: NonZeroU32::MIN, with: Some(from) };
        let deeds = vec![hunt.tell(taker, then, None), hunt.tell(giver, first, None)];
        Some((hunt, deeds))
    }

    fn order(&mut self, point: CrashPoint, with: Option<ShardId>) -> CrashOrder {
        let visit = NonZeroU32::MIN.saturating_add(self.rng.random_range(0..MOST_VISITS));
        CrashOrder { point, visit, with }
    }

    /// Two zones that have players and a border in common.
    fn neighbours<'a>(&mut self, looks: &'a [Look], map: &Topology) -> Option<[(&'a ZoneEndpoint, ShardId); 2]> {
        let ground = |look: &&'a Look| Some((&look.endpoint, map.shard(look.shard?)?));
        let serving: Vec<_> =
            looks.iter().filter(|look| look.serves_players()).filter_map(|look| ground(&look)).collect();
        let mut pairs = Vec::new();
        for (one, shard) in &serving {
            let beside =
                serving.iter().filter(|(_, other)| other.id != shard.id && touch(&other.bounds, &shard.bounds));
            pairs.extend(beside.map(|(other, ground)| [(*one, shard.id), (*other, ground.id)]));
        }
        pairs.into_iter().choose(&mut self.rng)
    }

    /// Sees what has become of a kill, and goes on with it.
    fn follow(&mut self, mut hunt: Hunt, now: Duration, looks: &[Look], map: &Topology) -> Vec<Deed> {
        let dead = hunt.told.iter().filter(|zone| !looks.iter().any(|look| look.endpoint == **zone)).count();
        let has_landed = dead >= hunt.wanted;
        if has_landed || now >= hunt.until {
            self.next = now + self.plan.every;
            let shot = hunt.shot;
            let mut deeds = hunt.called_off(looks);
            deeds.push(if has_landed { Deed::Landed(shot) } else { Deed::Missed(shot) });
            return deeds;
        }
        if dead == 0 && now >= hunt.again && hunt.shot.point.side() != Side::Shard {
            return self.aim_again(hunt, now, looks, map);
        }
        let deeds = hunt.tell_newcomers(looks);
        self.hunt = Some(hunt);
        deeds
    }

    /// Lets those who were told off, and tells others.
    fn aim_again(&mut self, hunt: Hunt, now: Duration, looks: &[Look], map: &Topology) -> Vec<Deed> {
        let Hunt { shot, until, .. } = hunt;
        let again = now + AIMS_FOR;
        let mut deeds = hunt.called_off(looks);
        let Some(orders) = self.aim(shot, until, now, looks, map) else {
            self.hunt = Some(Hunt { shot, until, again, told: Vec::new(), wanted: 1 });
            return deeds;
        };
        // Who is told anew forgets the old order by itself.
        let is_told = |zone: &ZoneEndpoint| {
            orders.iter().any(|deed| matches!(deed, Deed::Order { zone: told, .. } if told == zone))
        };
        deeds.retain(|deed| !matches!(deed, Deed::CallOff(zone) if is_told(zone)));
        deeds.extend(orders);
        deeds
    }
}

impl Hunt {
    fn tell(&mut self, zone: &ZoneEndpoint, order: CrashOrder, partner: Option<&ZoneEndpoint>) -> Deed {
        self.told.extend([Some(zone), partner].into_iter().flatten().cloned());
        Deed::Order { zone: zone.clone(), order, partner: partner.cloned() }
    }

    /// Points of a zone's service come to zones that are not known beforehand: each of those that may is told.
    fn tell_newcomers(&mut self, looks: &[Look]) -> Vec<Deed> {
        let point = self.shot.point;
        let may = |look: &&Look| match point {
            CrashPoint::Assigned | CrashPoint::LeaseAcquired | CrashPoint::FirstPlayer => look.life == Life::Standby,
            CrashPoint::Emptied => matches!(look.life, Life::Serving | Life::Retiring),
            _ => false,
        };
        let told: BTreeSet<_> = self.told.iter().map(|zone| zone.zone.clone()).collect();
        let new = looks.iter().filter(may).filter(|look| !told.contains(&look.endpoint.zone));
        let order = CrashOrder { point, visit: NonZeroU32::MIN, with: None };
        new.map(|look| self.tell(&look.endpoint, order, None)).collect()
    }

    fn called_off(self, looks: &[Look]) -> Vec<Deed> {
        let lives = |zone: &ZoneEndpoint| looks.iter().any(|look| look.endpoint == *zone);
        self.told.into_iter().filter(lives).map(Deed::CallOff).collect()
    }
}

/// Whether every shard is served by its zone, so that the next kill meets a world that is whole.
fn is_calm(looks: &[Look], map: &Topology) -> bool {
    map.shards().iter().all(|shard| {
        let serves = |look: &Look| look.life == Life::Serving && look.shard == Some(shard.id) && !look.is_silent();
        looks.iter().any(|look| shard.zone.as_ref() == Some(&look.endpoint) && serves(look))
    })
}

/// Whether two rectangles have a border or a corner in common.
fn touch(one: &Rect, other: &Rect) -> bool {
    let overlap = |a: (i32, i32), b: (i32, i32)| a.0 <= b.1 && b.0 <= a.1;
    overlap((one.min.x, one.max.x), (other.min.x, other.max.x))
        && overlap((one.min.y, one.max.y), (other.min.y, other.max.y))
}

#[cfg(test)]
mod tests;
