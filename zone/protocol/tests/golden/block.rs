use darkages_protocol::block::MAX_BLOCK_BYTES;
use darkages_protocol::{
    Age, BlockReader, BlockWriter, EntityState, Kind, Slot, SnapshotHeader, SnapshotNumber, SpeedClass,
};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, Position, ShardId, Tick};
use serde_json::{Value, json};

enum Made {
    Full(u16, EntityId, EntityState),
    Delta(u16, u8, EntityState, EntityState),
    Remove(u16),
}

fn fields(state: &EntityState) -> Value {
    let EntityState { position, heading, speed, kind, hit_points, flags, input } = *state;
    json!({
        "x": position.x, "y": position.y, "heading": heading, "speed": speed as u8, "kind": kind as u8,
        "hit_points": hit_points, "flags": flags, "input": input,
    })
}

fn vector(name: &str, records: &[Made]) -> Value {
    let mut block = BlockWriter::new(MAX_BLOCK_BYTES);
    let slot = |number: &u16| Slot::new(*number).expect("it is in the table");
    let mut told = Vec::new();
    for record in records {
        let from = block.bits();
        let mut record = match record {
            Made::Full(number, entity, state) => {
                block.full(slot(number), *entity, state).expect("there is room");
                json!({ "record": "full", "slot": number, "entity": entity.0, "state": fields(state) })
            }
            Made::Delta(number, age, before, now) => {
                let snapshots = Age::new(*age).expect("it is an age");
                block.delta(slot(number), snapshots, before, now).expect("there is room");
                json!({ "record": "delta", "slot": number, "age": age, "baseline": fields(before), "state": fields(now) })
            }
            Made::Remove(number) => {
                block.remove(slot(number)).expect("there is room");
                json!({ "record": "remove", "slot": number })
            }
        };
        record["bits"] = json!(block.bits() - from);
        told.push(record);
    }
    assert_eq!(BlockReader::new(block.as_bytes()).filter(Result::is_ok).count(), records.len());
    json!({ "name": name, "hex": super::hex(block.as_bytes()), "bits": block.bits(), "records": told })
}

fn walker(x: i32, y: i32, input: u8) -> EntityState {
    let position = Position { x, y };
    EntityState {
        position,
        heading: 32,
        speed: SpeedClass::Walking,
        kind: Kind::Player,
        hit_points: 100,
        flags: 0,
        input,
    }
}

#[test]
fn entity_blocks() {
    let player = EntityId::new(ShardId(1), 5);
    let (before, now) = (walker(6_400, -640, 10), walker(6_427, -613, 16));
    let wounded = EntityState { hit_points: 75, flags: 2, heading: 200, speed: SpeedClass::Standing, ..now };
    let far = EntityState { position: Position { x: 6_400_000, y: -6_400_000 }, ..now };
    let npc = EntityState { kind: Kind::Npc, input: 0, ..walker(-1, -64, 0) };
    let nearer =
        |x, y| EntityState { position: Position { x: before.position.x + x, y: before.position.y + y }, ..before };
    super::golden(
        "block",
        &[
            vector("an empty block", &[]),
            vector("a walker appears", &[Made::Full(0, player, before)]),
            vector("a walker walks on", &[Made::Delta(0, 2, before, now)]),
            vector("nothing changed since", &[Made::Delta(0, 1, before, before)]),
            vector(
                "the three forms of a step and a leap",
                &[
                    Made::Delta(0, 3, before, nearer(31, -32)),
                    Made::Delta(1, 3, before, nearer(127, -128)),
                    Made::Delta(2, 3, before, nearer(2_047, -2_048)),
                    Made::Delta(3, 3, before, far),
                ],
            ),
            vector(
                "every form of a slot",
                &[Made::Remove(0), Made::Remove(17), Made::Remove(255), Made::Remove(8_191), Made::Remove(3)],
            ),
            vector(
                "a busy place",
                &[
                    Made::Delta(2, 2, before, now),
                    Made::Delta(3, 2, now, wounded),
                    Made::Full(4, EntityId::new(ShardId(0xff_ffff), (1 << 40) - 1), far),
                    Made::Full(40, EntityId::new(ShardId(7), 99), npc),
                    Made::Delta(41, 63, EntityState { input: 250, ..before }, EntityState { input: 9, ..before }),
                    Made::Delta(300, 63, EntityState { input: 250, ..before }, EntityState { input: 200, ..before }),
                    Made::Remove(1),
                ],
            ),
        ],
    );
}

#[test]
fn snapshots() {
    let vector = |name: &str, header: SnapshotHeader, block: &[u8]| {
        let mut bytes = Vec::new();
        header.encode(block, &mut bytes);
        let SnapshotHeader { number, tick, owner_epoch, applied, filling } = header;
        json!({
            "name": name, "hex": super::hex(&bytes), "number": number.0, "tick": tick.0, "owner_epoch": owner_epoch.0,
            "applied": applied.0, "filling": filling, "entities": super::hex(block),
        })
    };
    let header = SnapshotHeader {
        number: SnapshotNumber(300),
        tick: Tick(123_456),
        owner_epoch: OwnerEpoch(2),
        applied: InputSeq(1_228),
        filling: false,
    };
    let preview = SnapshotHeader {
        number: SnapshotNumber(1),
        owner_epoch: OwnerEpoch(0),
        applied: InputSeq(0),
        filling: true,
        ..header
    };
    super::golden(
        "snapshot",
        &[
            vector("the zone acts for the player", header, &[0x29, 0x6c, 0x6b, 0x53, 0x01]),
            vector("the next zone prepares", preview, &[]),
        ],
    );
}
