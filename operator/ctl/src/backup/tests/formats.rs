//! The bytes of a backup: fixed for ever, and harmless when they are not ours.

use std::time::Duration;

use darkages_store::{Event, LogEntry, LogSeq, OwnerRecord, PlayerData, RequestId, StateVersion};
use darkages_topology::{InputSeq, PlayerId, Position, ShardEpoch, ShardId, Tick, ZoneId};
use jiff::Timestamp;
use proptest::prelude::*;

use super::scene::{GZIP, PLAIN, ZSTD};
use crate::backup::digest::Digest;
use crate::backup::format::{Filling, FormatError, Incarnation, Indexed, Kind, Logged, Owner, Reading, decode_map};
use crate::backup::id::BackupId;
use crate::backup::limits::MAX_FILE_BYTES;
use crate::backup::manifest::{
    Completeness, Covers, FileEntry, History, JournalPosition, Manifest, ManifestError, Parent,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn owner() -> Owner {
    let data = PlayerData {
        state: vec![0xAA],
        version: StateVersion(5),
        last_input: InputSeq(6),
        position: Position { x: -1, y: 2 },
    };
    Owner::new(PlayerId(3), &OwnerRecord::created(ShardId(4), data))
}

fn logged() -> Logged {
    let event = Event { kind: 3, tick: Tick(4), payload: vec![5] };
    let request = Some(RequestId { player: PlayerId(6), number: 7 });
    let (seq, epoch, at) = (LogSeq(2), ShardEpoch(8), Duration::from_millis(9));
    Logged { shard: ShardId(1), entry: LogEntry { seq, epoch, at, request, event, states: Vec::new() } }
}

#[test]
fn bytes_of_files_never_change() {
    let file = |kind, record: &[u8]| {
        let mut filling = Filling::new(kind);
        filling.push(record);
        hex(&filling.into_bytes())
    };
    let header = "4441524b42414b01";
    let owners = format!(
        "{header} 01 2b000000 0300000000000000 01 04000000 0100000000000000 00 0500000000000000 06000000 ffffffff 02000000 aa"
    );
    assert_eq!(file(Kind::Owners, &owner().encode()), owners.replace(' ', ""));
    let indexed = Indexed { player: PlayerId(3), digest: Digest::of(b"").short() };
    let index = format!("{header} 02 18000000 0300000000000000 e3b0c44298fc1c149afbf4c8996fb924");
    assert_eq!(file(Kind::Index, &indexed.encode()), index.replace(' ', ""));
    let journal = format!(
        "{header} 03 39000000 01000000 0200000000000000 01 0800000000000000 0900000000000000 01 0600000000000000 \
         0700000000000000 0300 0400000000000000 05"
    );
    assert_eq!(file(Kind::Journal, &logged().encode()), journal.replace(' ', ""));
    let incarnation = Incarnation { shard: ShardId(1), epoch: ShardEpoch(2), zone: ZoneId("z".to_owned()) };
    let leases = format!("{header} 04 0e000000 01000000 01 0200000000000000 7a");
    assert_eq!(file(Kind::Leases, &incarnation.encode()), leases.replace(' ', ""));
}

fn manifest() -> Manifest {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let file = |name: &str, kind, records| FileEntry {
        name: name.to_owned(),
        kind,
        bytes: 10,
        raw_bytes: 20,
        records,
        sha256: Digest::of(b"file"),
    };
    Manifest {
        format: 2,
        world: "local".to_owned(),
        id: BackupId::new(at(1_700_000_000), 1),
        kind: Completeness::Full,
        parent: None,
        created: at(1_700_000_000),
        finished: at(1_700_000_002),
        compression: GZIP,
        covers: Some(Covers {
            history: History(0xfab1e),
            since: at(1_700_000_000),
            records: at(1_700_000_001),
            until: at(1_700_000_002),
        }),
        follows: Some(Parent { id: BackupId::new(at(1_699_999_999), 2), digest: Digest::of(b"before") }),
        players: 2,
        journal: vec![JournalPosition { shard: ShardId(1), next: 3, last: None }],
        files: vec![file("owners-00000.gz", Kind::Owners, 2), file("index-00000.gz", Kind::Index, 2)],
    }
}

#[test]
fn the_manifest_stays_as_documented() {
    let (bytes, digest) = manifest().seal();
    let text = String::from_utf8(bytes.clone()).expect("it is text");
    insta::assert_snapshot!("manifest", text);
    assert_eq!(Manifest::open(&bytes).expect("sound"), (manifest(), digest));
    assert!(text.ends_with(&format!("\"digest\": \"{digest}\"\n}}\n")));
}

#[test]
fn a_manifest_of_format_1_is_read() {
    let text = include_str!("manifest_of_format_1.json");
    let (manifest, _) = Manifest::open(text.as_bytes()).expect("sound");
    assert_eq!((manifest.format, manifest.covers, manifest.follows), (1, None, None));
    assert_eq!(manifest.journal[0].last, Some(Digest::of(b"entry")));
}

#[test]
fn every_changed_byte_of_a_manifest_is_noticed() {
    let (bytes, _) = manifest().seal();
    for at in 0..bytes.len() {
        for flip in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert!(Manifest::open(&changed).is_err(), "byte {at} ^ {flip:#x}");
        }
        assert!(Manifest::open(&bytes[..at]).is_err(), "cut to {at} bytes");
    }
    assert!(Manifest::open(&[&bytes[..], b"\n"].concat()).is_err(), "one byte more");
}

#[test]
fn what_a_manifest_cannot_say_is_refused_although_its_digest_is_right() {
    let complaint = |change: fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        Manifest::open(&manifest.seal().0).expect_err("it cannot be").to_string()
    };
    assert!(complaint(|it| it.format = 3).contains("use the newer version"));
    assert!(complaint(|it| it.files[0].name = "../owners-00000.gz".to_owned()).contains("list of files"));
    assert!(complaint(|it| it.files.swap(0, 1)).contains("list of files"));
    assert!(complaint(|it| it.files[1].raw_bytes = 1 << 40).contains("size of a file"));
    assert!(complaint(|it| it.files[1].records = u64::MAX).contains("number of players"));
    assert!(complaint(|it| it.players = 3).contains("number of players"));
    assert!(complaint(|it| it.kind = Completeness::Incremental).contains("parent"));
    assert!(complaint(|it| it.compression.level = 10).contains("compression"));
    assert!(complaint(|it| it.covers = None).contains("covers"));
    assert!(complaint(|it| it.covers.as_mut().expect("some").until = Timestamp::UNIX_EPOCH).contains("covers"));
    let newer = String::from_utf8(manifest().seal().0).expect("text").replace("\"world\"", "\"realm\"");
    assert!(matches!(Manifest::open(newer.as_bytes()), Err(ManifestError::Digest)));
}

#[test]
fn a_file_takes_any_first_record_and_then_keeps_to_its_bound() {
    let mut filling = Filling::new(Kind::Map);
    assert!(filling.has_room(2 * MAX_FILE_BYTES));
    filling.push(&[0; 100]);
    assert!(filling.has_room(100) && !filling.has_room(MAX_FILE_BYTES));
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..40)
}

proptest! {
    #[test]
    fn records_come_back_through_every_compression(records in records()) {
        let mut filling = Filling::new(Kind::Journal);
        records.iter().for_each(|record| filling.push(record));
        prop_assert_eq!(filling.records(), records.len() as u64);
        let raw = filling.into_bytes();
        for compression in [PLAIN, GZIP, ZSTD] {
            let packed = compression.pack(raw.clone()).expect("memory is there");
            prop_assert_eq!(&compression.pack(raw.clone()).expect("memory is there"), &packed, "no time, no chance");
            let unpacked = compression.unpack(&packed, raw.len()).expect("as it was");
            for wrong in [raw.len() - 1, raw.len() + 1] {
                prop_assert!(compression.unpack(&packed, wrong).is_err());
            }
            let mut reading = Reading::new(Kind::Journal, unpacked).expect("ours");
            for record in &records {
                prop_assert_eq!(reading.next().expect("whole"), Some(&record[..]));
            }
            prop_assert_eq!(reading.next().expect("whole"), None);
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_or_records(bytes in proptest::collection::vec(any::<u8>(), 0..200), ours: bool) {
        let bytes = if ours { [&b"DARKBAK\x01\x01"[..], &bytes].concat() } else { bytes };
        for compression in [PLAIN, GZIP, ZSTD] {
            let _ = compression.unpack(&bytes, 100);
        }
        let Ok(mut reading) = Reading::new(Kind::Owners, bytes) else { return Ok(()) };
        while let Ok(Some(record)) = reading.next() {
            let record = record.to_vec();
            if let Ok(owner) = Owner::decode(&record) {
                prop_assert_eq!(owner.encode(), record.clone());
            }
            if let Ok(logged) = Logged::decode(&record) {
                prop_assert_eq!(logged.encode(), record.clone());
            }
            if let Ok(indexed) = Indexed::decode(&record) {
                prop_assert_eq!(indexed.encode(), record.clone());
            }
            if let Ok(incarnation) = Incarnation::decode(&record) {
                prop_assert_eq!(incarnation.encode(), record.clone());
            }
            let _ = decode_map(&record);
        }
    }
}

#[test]
fn files_of_another_kind_and_cut_files_are_named() {
    let mut filling = Filling::new(Kind::Owners);
    filling.push(&owner().encode());
    let bytes = filling.into_bytes();
    assert_eq!(Reading::new(Kind::Index, bytes.clone()).expect_err("another kind"), FormatError::Kind);
    assert_eq!(Reading::new(Kind::Owners, bytes[1..].to_vec()).expect_err("no header"), FormatError::Magic);
    for length in 10..bytes.len() {
        let mut reading = Reading::new(Kind::Owners, bytes[..length].to_vec()).expect("the header is there");
        assert_eq!(reading.next().expect_err("cut"), FormatError::Short, "{length}");
    }
}
