//! Bytes of records: fixed for ever, and harmless when they are not ours.

use std::time::Duration;

use darkages_store::codec::{self, Answered, CodecError};
use darkages_store::limits::MAX_TRANSACTION_PLAYERS;
use darkages_store::{
    Checkpoint, Event, Fence, LogEntry, LogSeq, OpenHandoff, OwnerRecord, PlayerData, RequestId, Session, StateVersion,
    TopologyDocument,
};
use darkages_topology::{
    HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Revision, ShardEpoch, ShardId, Tick, ZoneId,
};
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn open_record() -> OwnerRecord {
    OwnerRecord {
        owner: ShardId(0x0102),
        owner_epoch: OwnerEpoch(3),
        open: Some(OpenHandoff {
            id: HandoffId { from: ShardId(4), from_epoch: ShardEpoch(5), number: 6 },
            by: Fence { shard: ShardId(4), epoch: ShardEpoch(5) },
            cut_tick: Tick(7),
            released: true,
        }),
        data: PlayerData {
            state: vec![0xAA, 0xBB],
            version: StateVersion(8),
            last_input: InputSeq(9),
            position: Position { x: -1, y: 2 },
        },
    }
}

#[test]
fn bytes_of_records_never_change() {
    let open = "01 02010000 0300000000000000 02 04000000 0500000000000000 0600000000000000 04000000 0500000000000000 \
                0700000000000000 0800000000000000 09000000 ffffffff 02000000 aabb";
    assert_eq!(hex(&codec::encode_owner(&open_record())), open.replace(' ', ""));
    let closed = OwnerRecord { open: None, ..open_record() };
    let bytes = "01 02010000 0300000000000000 00 0800000000000000 09000000 ffffffff 02000000 aabb";
    assert_eq!(hex(&codec::encode_owner(&closed)), bytes.replace(' ', ""));
    assert_eq!(hex(&codec::encode_lease(ShardEpoch(2), &ZoneId("z1".into()))), "0102000000000000007a31");
    let map = TopologyDocument { revision: Revision(3), bytes: b"{}".to_vec() };
    assert_eq!(hex(&codec::encode_topology(&map)), "0103000000000000007b7d");
    let event = Event { kind: 0x0304, tick: Tick(5), payload: vec![6] };
    let request = Some(RequestId { player: PlayerId(7), number: 8 });
    let at = Duration::from_millis(0x0A0B);
    let entry = LogEntry { seq: LogSeq(1), epoch: ShardEpoch(2), at, request, event, states: Vec::new() };
    let bytes = "01 0200000000000000 0b0a000000000000 01 0700000000000000 0800000000000000 0403 0500000000000000 06";
    assert_eq!(hex(&codec::encode_entry(&entry)), bytes.replace(' ', ""));
    let state = Checkpoint { player: PlayerId(7), owner_epoch: OwnerEpoch(9), data: open_record().data };
    let entry = LogEntry { states: vec![state], ..entry };
    let bytes = "02 0200000000000000 0b0a000000000000 01 0700000000000000 0800000000000000 0403 0500000000000000 \
                 01000000 06 0700000000000000 0900000000000000 16000000 0800000000000000 09000000 ffffffff 02000000 aabb";
    assert_eq!(hex(&codec::encode_entry(&entry)), bytes.replace(' ', ""));
    let answered = Answered { number: 1, shard: ShardId(2), seq: LogSeq(3), answer: vec![4] };
    let bytes = "01 0100000000000000 02000000 0300000000000000 04";
    assert_eq!(hex(&codec::encode_answered(&answered)), bytes.replace(' ', ""));
    let session = Session { player: PlayerId(1), id: 2, data: vec![3], expires: Duration::from_millis(4) };
    let bytes = "01 02000000000000000000000000000000 0400000000000000 03";
    assert_eq!(hex(&codec::encode_session(&session)), bytes.replace(' ', ""));
    assert_eq!(hex(&codec::encode_number(1)), "0101000000");
}

#[test]
fn cut_and_unknown_records_are_named() {
    let bytes = codec::encode_owner(&open_record());
    let fixed = bytes.len() - 2;
    for length in 0..fixed {
        assert_eq!(codec::decode_owner(&bytes[..length]), Err(CodecError::Short), "{length} bytes");
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        codec::decode_owner(&bytes)
    };
    assert_eq!(with(0, 2), Err(CodecError::Version));
    assert_eq!(with(13, 3), Err(CodecError::Field));
    let states = vec![Checkpoint { player: PlayerId(1), owner_epoch: OwnerEpoch(1), data: PlayerData::default() }];
    let event = Event { payload: vec![1, 2], ..Event::default() };
    let (seq, epoch, at) = (LogSeq(1), ShardEpoch(1), Duration::ZERO);
    let bytes = codec::encode_entry(&LogEntry { seq, epoch, at, request: None, event, states });
    for length in 0..bytes.len() {
        assert_eq!(codec::decode_entry(seq, &bytes[..length]), Err(CodecError::Short), "{length} bytes");
    }
    assert_eq!(codec::decode_entry(seq, &[&[3], &bytes[1..]].concat()), Err(CodecError::Version));
    let state = &bytes[bytes.len() - 40..];
    let many = [&bytes[..], &state.repeat(MAX_TRANSACTION_PLAYERS)].concat();
    assert_eq!(codec::decode_entry(seq, &many), Err(CodecError::Field), "more players than a transaction may have");
    assert_eq!(codec::decode_number(&[1, 0, 0, 0, 0, 0]), Err(CodecError::Long));
    assert_eq!(codec::decode_lease(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF]), Err(CodecError::Field));
}

fn record() -> impl Strategy<Value = OwnerRecord> {
    let open =
        (any::<[u32; 2]>(), any::<[u64; 4]>(), any::<bool>()).prop_map(|(shards, numbers, released)| OpenHandoff {
            id: HandoffId { from: ShardId(shards[0]), from_epoch: ShardEpoch(numbers[0]), number: numbers[1] },
            by: Fence { shard: ShardId(shards[1]), epoch: ShardEpoch(numbers[2]) },
            cut_tick: Tick(numbers[3]),
            released,
        });
    let state = proptest::collection::vec(any::<u8>(), 0..200);
    let data = (state, any::<u64>(), any::<u32>(), any::<[i32; 2]>()).prop_map(|(state, version, input, [x, y])| {
        let position = Position { x, y };
        PlayerData { state, version: StateVersion(version), last_input: InputSeq(input), position }
    });
    (any::<u32>(), any::<u64>(), proptest::option::of(open), data).prop_map(|(owner, epoch, open, data)| OwnerRecord {
        owner: ShardId(owner),
        owner_epoch: OwnerEpoch(epoch),
        open,
        data,
    })
}

proptest! {
    #[test]
    fn records_come_back(record in record()) {
        prop_assert_eq!(codec::decode_owner(&codec::encode_owner(&record)), Ok(record));
    }

    #[test]
    fn hostile_bytes_are_an_error_or_a_record(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), version in 0_u8..=2) {
        if let (1.., Some(first)) = (version, bytes.first_mut()) {
            *first = version;
        }
        if let Ok(record) = codec::decode_owner(&bytes) {
            prop_assert_eq!(codec::encode_owner(&record), bytes.clone());
        }
        if let Ok(entry) = codec::decode_entry(LogSeq(1), &bytes) {
            prop_assert_eq!(codec::encode_entry(&entry), bytes.clone());
        }
        if let Ok(answered) = codec::decode_answered(&bytes) {
            prop_assert_eq!(codec::encode_answered(&answered), bytes.clone());
        }
        if let Ok(session) = codec::decode_session(PlayerId(1), &bytes) {
            prop_assert_eq!(codec::encode_session(&session), bytes.clone());
        }
        if let Ok((epoch, zone)) = codec::decode_lease(&bytes) {
            prop_assert_eq!(codec::encode_lease(epoch, &zone), bytes.clone());
        }
        if let Ok(map) = codec::decode_topology(&bytes) {
            prop_assert_eq!(codec::encode_topology(&map), bytes);
        }
    }
}
