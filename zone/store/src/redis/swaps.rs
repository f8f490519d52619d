//! Swapping owner records.
//!
//! Swaps are judged here by [`judge::swap`](crate::judge::swap), the one judgement of all drivers, from a record that was
//! read together with the writer's lease. The script then carries out what was judged if the record still starts with the same
//! bytes (owner, owner epoch, handoff, version: all that the judgement looks at), the lease is live, and those that must be
//! over are. Otherwise it is read and judged anew. Checkpoints change none of that, so they disturb no swap.

use std::collections::HashMap;
use std::time::Duration;

use darkages_topology::{PlayerId, ShardId};
use redis::Value;

use super::answer::{int, list, next, number};
use super::lane::unavailable;
use super::owners::{MAX_CHUNK, chunks, fence_arguments, record};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::codec;
use crate::error::StoreError;
use crate::judge;
use crate::lease::Fence;
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::transition::{MustBeOver, Transition};

/// How often a swap is judged, at most. A record that changed meanwhile is not the one that the swap expects any more, so the
/// second judgement is a conflict; this only bounds what a fault in that reasoning could do.
const MAX_ROUNDS: usize = 4;

/// A step that was judged to be legal.
struct Step<'a> {
    /// Its place among the swaps.
    place: usize,
    swap: &'a Swap,
    transition: Transition,
    found: Option<OwnerRecord>,
}

/// What the script said to one.
enum Tried {
    Answer(Swapped),
    Changed,
}

impl RedisStore {
    pub(super) async fn swap_owners(&self, fence: Fence, swaps: &[Swap]) -> Result<Vec<Swapped>, StoreError> {
        let mut answers = vec![None; swaps.len()];
        // Swaps of one player follow each other, those of different players do not know of each other.
        for wave in waves(swaps) {
            let mut waiting = wave;
            let mut rounds = 0;
            while !waiting.is_empty() {
                if rounds == MAX_ROUNDS {
                    return Err(unavailable("swapping owner records", Trouble::Contended { rounds }));
                }
                waiting = self.swap_once(fence, swaps, waiting, &mut answers).await?;
                rounds += 1;
            }
        }
        if swaps.is_empty() {
            self.durable.call("swapping owner records", Vec::new()).await?;
        }
        // Every place is in one wave, and a wave ends when all of its places have an answer.
        Ok(answers.into_iter().flatten().collect())
    }

    /// Judges the swaps at these places and carries out what is legal. Returns those whose records changed meanwhile.
    async fn swap_once(
        &self,
        fence: Fence,
        swaps: &[Swap],
        places: Vec<usize>,
        answers: &mut [Option<Swapped>],
    ) -> Result<Vec<usize>, StoreError> {
        let players: Vec<PlayerId> = places.iter().map(|place| swaps[*place].player).collect();
        let seen = self.look_at(fence, &players).await?;
        let mut steps = Vec::with_capacity(places.len());
        for (place, (live, found)) in places.into_iter().zip(seen) {
            let swap = &swaps[place];
            match judge::swap(found.as_ref(), swap, fence, live) {
                Err(answer) => answers[place] = Some(answer),
                Ok(transition) => steps.push(Step { place, swap, transition, found }),
            }
        }
        let mut changed = Vec::new();
        for (place, tried) in self.try_steps(fence, &steps).await? {
            match tried {
                Tried::Answer(answer) => answers[place] = Some(answer),
                Tried::Changed => changed.push(place),
            }
        }
        Ok(changed)
    }

    /// The records of players, each with whether the incarnation was live when it was read.
    async fn look_at(
        &self,
        fence: Fence,
        players: &[PlayerId],
    ) -> Result<Vec<(bool, Option<OwnerRecord>)>, StoreError> {
        let requests = players.chunks(MAX_CHUNK).map(|players| {
            let mut arguments = fence_arguments(fence);
            arguments.extend(players.iter().map(|player| keys::player(*player).into_bytes()));
            Request::Script(Script::Look, arguments)
        });
        let action = "looking at owner records";
        let answers = self.durable.call(action, requests.collect()).await?;
        let read = |(players, answer): (&[PlayerId], Value)| {
            let mut parts = list(answer)?.into_iter();
            let live = int(&next(&mut parts)?)? == 1;
            let records = players.iter().map(|player| Ok((live, record(*player, next(&mut parts)?)?)));
            records.collect::<Result<Vec<_>, Trouble>>()
        };
        let chunks = players.chunks(MAX_CHUNK).zip(answers).map(read).collect::<Result<Vec<_>, _>>();
        Ok(chunks.map_err(|trouble| unavailable(action, trouble))?.into_iter().flatten().collect())
    }

    async fn try_steps(&self, fence: Fence, steps: &[Step<'_>]) -> Result<Vec<(usize, Tried)>, StoreError> {
        let size = |step: &Step<'_>| step.swap.next.data.state.len();
        let mut requests = Vec::new();
        for chunk in chunks(steps, size) {
            let mut arguments = fence_arguments(fence);
            chunk.iter().for_each(|step| step.write(&mut arguments));
            requests.push(Request::Script(Script::Swap, arguments));
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let action = "swapping owner records";
        let answers = self.durable.call(action, requests).await?;
        let read = |answers: Vec<Value>| {
            let mut tried = Vec::with_capacity(steps.len());
            for answer in answers {
                for one in list(answer)? {
                    tried.push(read_tried(one)?);
                }
            }
            let wrong = Trouble::Odd { what: "another number of answers than of swaps".to_owned() };
            if tried.len() == steps.len() { Ok(tried) } else { Err(wrong) }
        };
        let tried = read(answers).map_err(|trouble| unavailable(action, trouble))?;
        Ok(steps.iter().map(|step| step.place).zip(tried).collect())
    }
}

impl Step<'_> {
    /// As the script takes it.
    fn write(&self, arguments: &mut Vec<Vec<u8>>) {
        let Self { place: _, swap, transition, found } = self;
        let over: Vec<MustBeOver> = transition.must_be_over(found.as_ref()).collect();
        arguments.push(keys::player(swap.player).into_bytes());
        arguments.push(u8::from(transition.needs_lease()).to_string().into_bytes());
        arguments.push(found.as_ref().map(codec::owner_start).unwrap_or_default());
        arguments.push(codec::encode_owner(&swap.next));
        arguments.push(found.as_ref().map(|found| found.owner.0.to_string()).unwrap_or_default().into_bytes());
        arguments.push(swap.next.owner.0.to_string().into_bytes());
        arguments.push(over.len().to_string().into_bytes());
        for lease in over {
            let (shard, epoch) = lease.names();
            arguments.push(shard.0.to_string().into_bytes());
            arguments.push(epoch.map(|epoch| epoch.0.to_string()).unwrap_or_default().into_bytes());
        }
    }
}

/// The places of swaps so that no player is twice in one wave, and a player's swaps are in waves in their order.
fn waves(swaps: &[Swap]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut seen: HashMap<PlayerId, usize> = HashMap::new();
    for (place, swap) in swaps.iter().enumerate() {
        let wave = seen.entry(swap.player).or_default();
        if waves.len() == *wave {
            waves.push(Vec::new());
        }
        waves[*wave].push(place);
        *wave += 1;
    }
    waves
}

fn read_tried(value: Value) -> Result<Tried, Trouble> {
    match value {
        Value::Int(0) => Ok(Tried::Answer(Swapped::Done)),
        Value::Int(1) => Ok(Tried::Changed),
        Value::Int(2) => Ok(Tried::Answer(Swapped::Fenced)),
        other => {
            let mut parts = list(other)?.into_iter();
            next(&mut parts)?;
            let shard = ShardId(number(next(&mut parts)?)?);
            let left = Duration::from_millis(number(next(&mut parts)?)?);
            Ok(Tried::Answer(Swapped::Held { shard, left }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{Expect, PlayerData};

    #[test]
    fn swaps_of_one_player_follow_each_other_and_others_do_not_wait() {
        let swap = |player| Swap {
            player: PlayerId(player),
            expect: Expect::Absent,
            next: OwnerRecord::created(ShardId(1), PlayerData::default()),
        };
        let swaps = [1, 2, 1, 1, 3].map(swap);
        assert_eq!(waves(&swaps), [vec![0, 1, 4], vec![2], vec![3]]);
        assert_eq!(waves(&[]), Vec::<Vec<usize>>::new());
    }
}
