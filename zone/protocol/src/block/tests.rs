use std::collections::HashMap;

use darkages_topology::{EntityId, Position};
use proptest::prelude::*;

use super::*;
use crate::SnapshotNumber;

fn slot(number: u16) -> Slot {
    Slot::new(number).expect("it is in the table")
}

fn age(snapshots: u8) -> Age {
    Age::new(snapshots).expect("it is an age")
}

fn walker(x: i32, y: i32, input: u8) -> EntityState {
    EntityState {
        position: Position { x, y },
        heading: 32,
        speed: SpeedClass::Walking,
        hit_points: 100,
        input,
        ..EntityState::default()
    }
}

#[test]
fn a_walker_costs_about_four_bytes() {
    let mut block = BlockWriter::new(MAX_BLOCK_BYTES);
    // Two snapshots at 20 Hz lie between baseline and now, six inputs, 27 units on each axis.
    let (before, now) = (walker(100_000, -50_000, 10), walker(100_027, -49_973, 16));
    block.delta(slot(0), age(2), &before, &now).expect("there is room");
    let first = block.bits();
    block.delta(slot(1), age(2), &before, &now).expect("there is room");
    assert_eq!((first, block.bits() - first), (35, 29));
    block.full(slot(2), EntityId(3 << 40 | 12_345), &now).expect("there is room");
    assert_eq!(block.bits() - first - 29, 3 + 6 + 14 + 5 + 2 + 85);
}

#[test]
fn a_record_that_does_not_fit_leaves_no_trace() {
    let mut block = BlockWriter::new(20);
    block.full(slot(700), EntityId(9), &walker(1, 2, 3)).expect("there is room");
    let (bytes, bits) = (block.as_bytes().to_vec(), block.bits());
    assert_eq!(block.full(slot(701), EntityId(10), &walker(1, 2, 3)), Err(BlockFull));
    assert_eq!((block.as_bytes(), block.bits(), block.records()), (&bytes[..], bits, 1));
    let mark = block.mark();
    block.remove(slot(3)).expect("there is room");
    block.roll_back(mark);
    assert_eq!((block.as_bytes(), block.bits(), block.records()), (&bytes[..], bits, 1));
    block.remove(slot(701)).expect("there is room");
    assert_eq!(block.bits(), bits + 3, "the next slot is short again");
}

#[test]
fn ages_and_slots_have_their_ranges() {
    assert_eq!((Age::new(0), Age::new(64), Slot::new(MAX_SLOTS)), (None, None, None));
    assert_eq!(Age::between(SnapshotNumber(7), SnapshotNumber(9)), Age::new(2));
    assert_eq!(Age::between(SnapshotNumber(9), SnapshotNumber(9)), None);
    assert_eq!(Age::between(SnapshotNumber(9), SnapshotNumber(8)), None);
    assert_eq!(Age::between(SnapshotNumber(9), SnapshotNumber(9 + 64)), None);
    assert_eq!(age(2).baseline(SnapshotNumber(9)), Some(SnapshotNumber(7)));
    assert_eq!(age(9).baseline(SnapshotNumber(9)), None);
}

#[test]
fn broken_blocks_are_named() {
    let broken = |bytes: &[u8]| BlockReader::new(bytes).last().and_then(Result::err).map(|error| error.label());
    assert_eq!(broken(&[]), None);
    assert_eq!(broken(&[0]), None);
    assert_eq!(broken(&[0, 0]), Some("block_trailing"));
    assert_eq!(broken(&[0b100]), Some("block_trailing"));
    assert_eq!(broken(&[2]), Some("block_cut"));
    assert_eq!(broken(&[0b0001]), Some("block_bad_age"), "a delta with the age of none before it");
    assert_eq!(broken(&[0b1001, 0]), Some("block_bad_age"), "age 0");
    assert_eq!(broken(&[0b010, 0b1111_1000]), Some("block_bad_id"));
    assert_eq!(broken(&[0xff; MAX_BLOCK_BYTES + 1]), Some("block_too_long"));
    assert_eq!(broken(&[0b11111, 0, 0b10]), None, "remove of the absolute slot 4096");
    // 8191 is the last slot; the one after it is beyond the table.
    assert_eq!(broken(&[0xff, 0xff, 0b1111]), Some("block_bad_slot"));
}

fn states() -> impl Strategy<Value = EntityState> {
    let coordinate = || prop_oneof![-6_400_000..=6_400_000_i32, -300..300_i32, Just(-6_400_000), Just(6_400_000)];
    (coordinate(), coordinate(), any::<[u8; 4]>(), 0_u8..3, 0_u8..3).prop_map(|(x, y, bytes, speed, kind)| {
        let [heading, hit_points, flags, input] = bytes;
        let speed = SpeedClass::from_number(speed).expect("it is a speed class");
        let kind = Kind::from_number(kind).expect("it is a kind");
        EntityState { position: Position { x, y }, heading, speed, kind, hit_points, flags, input }
    })
}

/// A state and one that follows it: with any field changed, by little or by much.
fn pairs() -> impl Strategy<Value = (EntityState, EntityState)> {
    let step = || prop_oneof![-40..40_i32, -200..200_i32, -3_000..3_000_i32];
    (states(), states(), step(), step(), any::<[bool; 7]>()).prop_map(|(before, other, dx, dy, taken)| {
        let mut now = before;
        now.position.x = (before.position.x + dx).clamp(-6_400_000, 6_400_000);
        now.position.y = (before.position.y + dy).clamp(-6_400_000, 6_400_000);
        if taken[0] {
            now.position = other.position;
        }
        if taken[1] {
            now.position = before.position;
        }
        if taken[2] {
            now.heading = other.heading;
        }
        if taken[3] {
            now.input = other.input;
        }
        if taken[4] {
            (now.speed, now.kind) = (other.speed, other.kind);
        }
        if taken[5] {
            now.hit_points = other.hit_points;
        }
        if taken[6] {
            now.flags = other.flags;
        }
        (before, now)
    })
}

#[derive(Clone, Debug)]
enum Made {
    Full(u64, EntityState),
    Delta(u8, EntityState, EntityState),
    Remove,
}

fn records() -> impl Strategy<Value = Vec<(u16, Made)>> {
    let made = prop_oneof![
        (any::<u64>(), states()).prop_map(|(id, state)| Made::Full(id, state)),
        (0_u64..1 << 44, states()).prop_map(|(id, state)| Made::Full(id, state)),
        (prop_oneof![1_u8..4, 1_u8..=MAX_AGE], pairs()).prop_map(|(age, (before, now))| Made::Delta(age, before, now)),
        Just(Made::Remove),
    ];
    let slots = prop_oneof![0..MAX_SLOTS, 0_u16..40];
    prop::collection::vec((slots, made), 0..120)
}

proptest! {
    #[test]
    fn records_come_back_as_they_were_written(records in records(), limit in 0_usize..1_300, sorted in any::<bool>()) {
        let mut records = records;
        if sorted {
            records.sort_by_key(|(slot, _)| *slot);
        }
        let mut block = BlockWriter::new(limit);
        let mut written = Vec::new();
        for (number, made) in records {
            let left = block.bits_left();
            let result = match &made {
                Made::Full(id, state) => block.full(slot(number), EntityId(*id), state),
                Made::Delta(snapshots, before, now) => block.delta(slot(number), age(*snapshots), before, now),
                Made::Remove => block.remove(slot(number)),
            };
            prop_assert!(result.is_ok() || left < 200, "{} bits are enough for any record", left);
            if result.is_ok() {
                written.push((number, made));
            }
        }
        prop_assert!(block.as_bytes().len() <= limit.min(MAX_BLOCK_BYTES));
        prop_assert_eq!(block.records(), written.len());
        let mut read = BlockReader::new(block.as_bytes());
        for (number, made) in written {
            match (made, read.next().expect("there is a record").expect("it is whole")) {
                (Made::Full(id, state), Record::Full { slot, entity, state: got }) => {
                    prop_assert_eq!((slot.get(), entity.0, got), (number, id, state));
                }
                (Made::Delta(snapshots, before, now), Record::Delta { slot, age, delta }) => {
                    prop_assert_eq!((slot.get(), age.get(), delta.apply(&before)), (number, snapshots, now));
                }
                (Made::Remove, Record::Remove { slot }) => prop_assert_eq!(slot.get(), number),
                (made, got) => prop_assert!(false, "wrote {:?}, read {:?}", made, got),
            }
        }
        prop_assert_eq!(read.next(), None);
    }

    #[test]
    fn a_world_is_followed_through_loss(
        steps in prop::collection::vec((pairs(), 0_u16..6, any::<bool>()), 1..60),
    ) {
        // One client and what its zone knows of it: the newest acknowledged state of each entity.
        let mut acked: HashMap<u16, (SnapshotNumber, EntityState)> = HashMap::new();
        let mut shown: HashMap<u16, Vec<(SnapshotNumber, EntityState)>> = HashMap::new();
        let mut number = SnapshotNumber(0);
        for ((_, now), place, arrives) in steps {
            number = number.next();
            let mut block = BlockWriter::new(MAX_BLOCK_BYTES);
            let baseline = acked.get(&place).and_then(|(of, state)| Some((Age::between(*of, number)?, *state)));
            match baseline {
                Some((age, state)) => block.delta(slot(place), age, &state, &now),
                None => block.full(slot(place), EntityId(u64::from(place)), &now),
            }.expect("there is room");
            if !arrives {
                continue;
            }
            for record in BlockReader::new(block.as_bytes()) {
                let (of, state) = match record.expect("it is whole") {
                    Record::Full { slot, state, .. } => (slot, state),
                    Record::Delta { slot, age, delta } => {
                        let baseline = age.baseline(number).expect("it was sent");
                        let history = &shown[&slot.get()];
                        let (_, state) = history.iter().find(|(of, _)| *of == baseline).expect("it was decoded");
                        (slot, delta.apply(state))
                    }
                    Record::Remove { .. } => continue,
                };
                prop_assert_eq!(state, now);
                shown.entry(of.get()).or_default().push((number, state));
                acked.insert(of.get(), (number, state));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..1_200)) {
        let mut records = 0;
        let mut errors = 0;
        for record in BlockReader::new(&bytes) {
            match record {
                Ok(Record::Delta { delta, .. }) => {
                    let state = delta.apply(&walker(6_400_000, -6_400_000, 255));
                    prop_assert!(state.position.x.abs() <= 6_400_000 && state.position.y.abs() <= 6_400_000);
                    records += 1;
                }
                Ok(_) => records += 1,
                Err(_) => errors += 1,
            }
        }
        prop_assert!(records * 3 <= bytes.len() * 8 && errors <= 1);
    }

    #[test]
    fn a_block_that_is_cut_or_changed_is_read_to_an_end(records in records(), cut in any::<usize>(), flip in any::<usize>()) {
        let mut block = BlockWriter::new(MAX_BLOCK_BYTES);
        for (number, made) in records {
            let _fits = match made {
                Made::Full(id, state) => block.full(slot(number), EntityId(id), &state),
                Made::Delta(snapshots, before, now) => block.delta(slot(number), age(snapshots), &before, &now),
                Made::Remove => block.remove(slot(number)),
            };
        }
        let mut bytes = block.into_bytes();
        bytes.truncate(cut % (bytes.len() + 1));
        if !bytes.is_empty() {
            let bit = flip % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        prop_assert!(BlockReader::new(&bytes).count() <= bytes.len() * 8 / 3 + 1);
    }
}
