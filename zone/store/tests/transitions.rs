//! The rules by which owner records may change, over every small case.

use darkages_store::transition::{Illegal, MustBeOver, Transition, judge};
use darkages_store::{Fence, OpenHandoff, OwnerRecord, Phase, PlayerData};
use darkages_topology::{HandoffId, OwnerEpoch, ShardEpoch, ShardId, Tick};

const SHARDS: [u32; 3] = [1, 2, 3];
const EPOCHS: [u64; 2] = [1, 2];

fn fences() -> impl Iterator<Item = Fence> {
    SHARDS.into_iter().flat_map(|shard| {
        EPOCHS.into_iter().map(move |epoch| Fence { shard: ShardId(shard), epoch: ShardEpoch(epoch) })
    })
}

/// Every record of three shards with two incarnations each and owner epochs around 2.
fn records() -> Vec<OwnerRecord> {
    let mut records = Vec::new();
    for owner in SHARDS {
        for owner_epoch in 1..=4 {
            let open = fences().flat_map(|by| {
                [false, true].map(|released| {
                    let id = HandoffId { from: by.shard, from_epoch: by.epoch, number: 1 };
                    Some(OpenHandoff { id, by, cut_tick: Tick(9), released })
                })
            });
            records.extend(open.chain([None]).map(|open| OwnerRecord {
                owner: ShardId(owner),
                owner_epoch: OwnerEpoch(owner_epoch),
                open,
                data: PlayerData::default(),
            }));
        }
    }
    records
}

#[test]
fn every_accepted_step_keeps_the_rules() {
    let records = records();
    let mut accepted = 0;
    for current in records.iter().filter(|record| record.owner_epoch == OwnerEpoch(2)) {
        for next in &records {
            for writer in fences() {
                let Ok(step) = judge(Some(current), next, writer) else { continue };
                accepted += 1;
                check_step(step, current, next, writer);
            }
        }
    }
    assert!(accepted > 300, "only {accepted} steps were accepted");
}

fn check_step(step: Transition, current: &OwnerRecord, next: &OwnerRecord, writer: Fence) {
    let case = format!("{step:?}: {current:?} → {next:?} by {writer}");
    let raised = next.owner_epoch == current.owner_epoch.next();
    assert!(raised || next.owner_epoch == current.owner_epoch, "the epoch never goes back or jumps: {case}");
    assert!(raised || next.owner == current.owner, "a new owner raises the epoch: {case}");
    assert_ne!(next.expect(), current.expect(), "epoch or phase changes, so one of two rivals wins: {case}");
    let over: Vec<_> = step.must_be_over(Some(current)).collect();
    let unreleased = current.open.filter(|open| !open.released);
    match unreleased {
        // Who takes the player from a giver that may still act waits for it, unless the giver says so itself.
        Some(open) if next.open.is_none() && open.by != writer && step != Transition::Close => {
            assert!(over.contains(&MustBeOver::Incarnation(open.by)), "{case}");
        }
        // A close without a release in the record: the taker has the release as a message.
        Some(_) if step == Transition::Close => assert_eq!(next.owner, writer.shard, "{case}"),
        _ => {}
    }
    let party = current.owner == writer.shard || unreleased.is_some_and(|open| open.by == writer);
    assert!(party || over.contains(&MustBeOver::Shard(current.owner)), "a stranger waits for the owner: {case}");
    if next.phase() == Phase::Open {
        assert_eq!(next.open.map(|open| open.by), Some(writer), "who commits is named: {case}");
        assert_eq!((current.owner, current.phase()), (writer.shard, Phase::Closed), "only the owner commits: {case}");
    } else if next.open.is_none() {
        assert_eq!(next.owner, writer.shard, "who closes it owns it: {case}");
    }
    assert_eq!(step.needs_lease(), next.phase() != Phase::Released, "only a release needs no lease: {case}");
}

#[test]
fn every_step_of_the_model_is_accepted() {
    let fence = |shard, epoch| Fence { shard: ShardId(shard), epoch: ShardEpoch(epoch) };
    let (s, t, stranger) = (fence(1, 1), fence(2, 1), fence(3, 1));
    let data = PlayerData::default;
    let id = HandoffId { from: s.shard, from_epoch: s.epoch, number: 1 };
    let closed = OwnerRecord::created(s.shard, data());
    let open = closed.committed(t.shard, id, s, Tick(9), data());
    let released = open.released(data()).expect("it is open");
    let steps = [
        (None, &closed, s, Transition::Create),
        (Some(&closed), &closed.claimed(s.shard), fence(1, 2), Transition::Claim),
        (Some(&closed), &open, s, Transition::Commit),
        (Some(&open), &open.claimed(s.shard), s, Transition::TakeBack),
        (Some(&open), &released, s, Transition::Release),
        (Some(&open), &open.closed(data()), t, Transition::Close),
        (Some(&released), &released.closed(data()), t, Transition::Close),
        (Some(&open), &open.claimed(t.shard), t, Transition::TakeOver),
        (Some(&released), &released.claimed(t.shard), t, Transition::Claim),
        (Some(&closed), &closed.claimed(stranger.shard), stranger, Transition::Adopt),
        (Some(&open), &open.claimed(stranger.shard), stranger, Transition::Adopt),
        (Some(&released), &released.claimed(stranger.shard), stranger, Transition::Adopt),
    ];
    for (current, next, writer, step) in steps {
        assert_eq!(judge(current, next, writer), Ok(step), "{current:?} → {next:?}");
    }
    let over = |step: Transition, current| step.must_be_over(Some(current)).collect::<Vec<_>>();
    assert_eq!(over(Transition::TakeOver, &open), [MustBeOver::Incarnation(s)]);
    assert_eq!(over(Transition::Adopt, &closed), [MustBeOver::Shard(s.shard)]);
    assert_eq!(over(Transition::Adopt, &open), [MustBeOver::Shard(t.shard), MustBeOver::Incarnation(s)]);
    assert_eq!(over(Transition::Adopt, &released), [MustBeOver::Shard(t.shard)]);
    assert_eq!(over(Transition::TakeBack, &open), []);
    assert_eq!(
        judge(Some(&released), &released.claimed(s.shard), s),
        Ok(Transition::Adopt),
        "no way back but as others"
    );
    assert_eq!(judge(Some(&open), &open.claimed(s.shard), fence(1, 2)), Ok(Transition::Adopt), "nor for a successor");
    assert_eq!(judge(Some(&closed), &closed, s), Err(Illegal::OwnerEpoch), "a swap changes something");
}
