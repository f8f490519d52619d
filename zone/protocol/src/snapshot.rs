//! Snapshots: a few numbers and the bit-packed entity block.
//!
//! The codec is written by hand on protobuf's wire format, because it runs for every client at every snapshot: the writer
//! appends to a buffer that it is given, the reader borrows the block from the datagram. A test compares it with the
//! generated code.

use std::fmt;

use darkages_topology::{InputSeq, OwnerEpoch, Tick};
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field};

use crate::block::MAX_BLOCK_BYTES;

/// Bytes of a snapshot, at most, so that it fits one datagram with everything around it.
pub const MAX_SNAPSHOT_BYTES: usize = 1_100;
/// Bytes that a snapshot needs around its block, at most.
pub const MAX_HEADER_BYTES: usize = 6 + 11 + 11 + 6 + 3 + 2;

/// Counts the snapshots of one session, from 1. 0 stands for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotNumber(pub u32);

impl SnapshotNumber {
    /// The number of the next snapshot.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl fmt::Display for SnapshotNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What a snapshot says besides its entities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Number in this session, from 1.
    pub number: SnapshotNumber,
    /// The world's tick.
    pub tick: Tick,
    /// Under which epoch the zone acts for the player; 0 when it does not, and the snapshot only prepares a handoff.
    pub owner_epoch: OwnerEpoch,
    /// The newest applied input of the player; meaningless when the zone does not act for it.
    pub applied: InputSeq,
    /// Whether something that stood around the player when the client began to follow this session may not have reached it yet.
    pub filling: bool,
}

impl SnapshotHeader {
    /// Whether the zone that sent this acted for the player at that tick.
    #[must_use]
    pub const fn is_authoritative(&self) -> bool {
        self.owner_epoch.0 != 0
    }

    /// Appends a whole snapshot with this header and `block` to `out`.
    pub fn encode(&self, block: &[u8], out: &mut Vec<u8>) {
        let Self { number, tick, owner_epoch, applied, filling } = *self;
        let numbers = [(1, u64::from(number.0)), (2, tick.0), (3, owner_epoch.0), (4, u64::from(applied.0))];
        for (tag, value) in numbers {
            // As every proto3 encoder does, zero is left out.
            if value != 0 {
                encode_key(tag, WireType::Varint, out);
                encode_varint(value, out);
            }
        }
        if !block.is_empty() {
            encode_key(5, WireType::LengthDelimited, out);
            encode_varint(block.len() as u64, out);
            out.extend_from_slice(block);
        }
        if filling {
            encode_key(6, WireType::Varint, out);
            encode_varint(1, out);
        }
    }
}

/// A decoded snapshot; the entities are read with [`crate::BlockReader`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// Everything but the entities.
    pub header: SnapshotHeader,
    /// The entity block.
    pub entities: &'a [u8],
}

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// More than [`MAX_SNAPSHOT_BYTES`].
    #[error("a snapshot of {0} bytes, at most {MAX_SNAPSHOT_BYTES} are allowed")]
    TooLong(usize),
    /// No valid protobuf.
    #[error("a snapshot that is no protobuf message")]
    NotProtobuf(#[source] prost::DecodeError),
    /// A field that is cut off or has the wrong type.
    #[error("a snapshot whose field {0} cannot be read")]
    BadField(u32),
    /// A number beyond its range.
    #[error("a snapshot whose {0} is out of range")]
    OutOfRange(&'static str),
}

impl SnapshotError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "snapshot_too_long",
            Self::NotProtobuf(_) => "snapshot_not_protobuf",
            Self::BadField(_) => "snapshot_bad_field",
            Self::OutOfRange(_) => "snapshot_out_of_range",
        }
    }
}

impl<'a> Snapshot<'a> {
    /// Decodes a snapshot without copying its entities.
    ///
    /// # Errors
    /// When the bytes are no snapshot or break a bound.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, SnapshotError> {
        if bytes.len() > MAX_SNAPSHOT_BYTES {
            return Err(SnapshotError::TooLong(bytes.len()));
        }
        let mut rest = bytes;
        let mut numbers = [0_u64; 4];
        let mut entities: &[u8] = &[];
        let mut filling = false;
        while rest.has_remaining() {
            let (tag, kind) = decode_key(&mut rest).map_err(SnapshotError::NotProtobuf)?;
            match (tag, kind) {
                (1..=4, WireType::Varint) => {
                    numbers[tag as usize - 1] = decode_varint(&mut rest).map_err(SnapshotError::NotProtobuf)?;
                }
                (5, WireType::LengthDelimited) => {
                    let length = decode_varint(&mut rest).map_err(SnapshotError::NotProtobuf)?;
                    let length = usize::try_from(length).map_err(|_| SnapshotError::BadField(tag))?;
                    (entities, rest) = rest.split_at_checked(length).ok_or(SnapshotError::BadField(tag))?;
                }
                (6, WireType::Varint) => {
                    filling = decode_varint(&mut rest).map_err(SnapshotError::NotProtobuf)? != 0;
                }
                (1..=6, _) => return Err(SnapshotError::BadField(tag)),
                _ => skip_field(kind, tag, &mut rest, DecodeContext::default()).map_err(SnapshotError::NotProtobuf)?,
            }
        }
        let [number, tick, owner_epoch, applied] = numbers;
        let number = u32::try_from(number).ok().filter(|number| *number > 0);
        let header = SnapshotHeader {
            number: SnapshotNumber(number.ok_or(SnapshotError::OutOfRange("number"))?),
            tick: Tick(tick),
            owner_epoch: OwnerEpoch(owner_epoch),
            applied: InputSeq(u32::try_from(applied).map_err(|_| SnapshotError::OutOfRange("applied"))?),
            filling,
        };
        if entities.len() > MAX_BLOCK_BYTES {
            return Err(SnapshotError::OutOfRange("entities"));
        }
        Ok(Self { header, entities })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::wire;

    proptest! {
        #[test]
        fn agrees_with_the_generated_code(
            number in 1_u32..,
            tick in any::<u64>(),
            owner_epoch in prop_oneof![Just(0), any::<u64>()],
            applied in prop_oneof![Just(0), any::<u32>()],
            entities in prop::collection::vec(any::<u8>(), 0..200),
            filling in any::<bool>(),
        ) {
            let header = SnapshotHeader {
                number: SnapshotNumber(number),
                tick: Tick(tick),
                owner_epoch: OwnerEpoch(owner_epoch),
                applied: InputSeq(applied),
                filling,
            };
            let mut bytes = Vec::new();
            header.encode(&entities, &mut bytes);
            prop_assert!(bytes.len() - entities.len() <= MAX_HEADER_BYTES);
            prop_assert_eq!(Snapshot::decode(&bytes), Ok(Snapshot { header, entities: &entities }));
            let generated = wire::Snapshot { number, tick, owner_epoch, applied, entities: entities.clone(), filling };
            prop_assert_eq!(generated.encode_to_vec(), bytes);
        }

        #[test]
        fn any_bytes_are_refused_or_a_snapshot(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let ours = Snapshot::decode(&bytes);
            if ours.is_ok() {
                prop_assert!(wire::Snapshot::decode(&bytes[..]).is_ok());
            }
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped_and_broken_ones_refused() {
        let mut bytes = Vec::new();
        SnapshotHeader { number: SnapshotNumber(1), ..SnapshotHeader::default() }.encode(&[7], &mut bytes);
        let snapshot = Snapshot {
            header: SnapshotHeader { number: SnapshotNumber(1), ..SnapshotHeader::default() },
            entities: &[7],
        };
        let mut longer = bytes.clone();
        longer.extend_from_slice(&[0x98, 0x06, 0x05]);
        assert_eq!(Snapshot::decode(&longer), Ok(snapshot));
        let label = |bytes: &[u8]| Snapshot::decode(bytes).expect_err("it is broken").label();
        assert_eq!(label(&[]), "snapshot_out_of_range");
        assert_eq!(label(&[0x2a, 0xff, 0x01]), "snapshot_bad_field");
        assert_eq!(label(&[0x0a, 0x00]), "snapshot_bad_field");
        assert_eq!(label(&[0x08]), "snapshot_not_protobuf");
        assert_eq!(label(&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "snapshot_out_of_range");
        assert_eq!(label(&[0; MAX_SNAPSHOT_BYTES + 1]), "snapshot_too_long");
    }
}
