//! Bodies of records: what follows the tag, the slot and the age. They depend on the entity only, so that a zone can make
//! one once and write it for every client that has the same baseline.

use darkages_topology::world::{MAX_COORDINATE_M, UNITS_PER_METRE};
use darkages_topology::{EntityId, Position, ShardId};

use super::bits::{BitReader, Bits};
use super::reader::BlockError;
use super::state::{EntityState, Kind, SpeedClass};

/// Bits of an absolute coordinate: enough for ±100 km in units of 1/64 m.
const COORDINATE_BITS: u32 = 24;
const MAX_COORDINATE: i32 = MAX_COORDINATE_M * UNITS_PER_METRE;

/// Bits of the length of an entity's counter and of its shard.
const COUNTER_LENGTH_BITS: u32 = 6;
const SHARD_LENGTH_BITS: u32 = 5;
const SHARD_BITS: u32 = 24;

/// Bits of the three relative forms of a coordinate: a walker at 20 Hz moves up to 20 units a snapshot.
const NEAR_BITS: u32 = 6;
const STEP_BITS: u32 = 8;
const LEAP_BITS: u32 = 12;

/// Largest step of the input number that has the short form.
const SHORT_INPUT_STEP: u8 = 16;

/// The body of a full record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullBody {
    pub(super) id: Bits,
    pub(super) state: Bits,
}

impl FullBody {
    /// Everything about an entity. Coordinates are cut to ±100 km.
    #[must_use]
    pub fn new(entity: EntityId, state: &EntityState) -> Self {
        let mut id = Bits::EMPTY;
        let counter = entity.0 & ((1 << EntityId::COUNTER_BITS) - 1);
        let shard = u64::from(entity.shard().0);
        for (number, length_bits) in [(counter, COUNTER_LENGTH_BITS), (shard, SHARD_LENGTH_BITS)] {
            let length = 64 - number.leading_zeros();
            id.push(u64::from(length), length_bits);
            id.push(number, length);
        }
        let EntityState { position, heading, speed, kind, hit_points, flags, input } = *state;
        let mut bits = Bits::EMPTY;
        for coordinate in [position.x, position.y] {
            bits.push_signed(coordinate.clamp(-MAX_COORDINATE, MAX_COORDINATE), COORDINATE_BITS);
        }
        bits.push(u64::from(heading), 8);
        bits.push(speed as u64, 2);
        bits.push(kind as u64, 3);
        bits.push(u64::from(hit_points), 8);
        bits.push(u64::from(flags), 8);
        bits.push(u64::from(input), 8);
        Self { id, state: bits }
    }

    /// How many bits it takes, without tag and slot.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.id.count() + self.state.count()
    }
}

/// The body of a delta record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaBody(pub(super) Bits);

impl DeltaBody {
    /// What turns `baseline` into `now`.
    #[must_use]
    pub fn between(baseline: &EntityState, now: &EntityState) -> Self {
        let EntityState { position, heading, speed, kind, hit_points, flags, input } = *now;
        let mut bits = Bits::EMPTY;
        bits.push(u64::from(position != baseline.position), 1);
        if position != baseline.position {
            push_axis(&mut bits, baseline.position.x, position.x);
            push_axis(&mut bits, baseline.position.y, position.y);
        }
        push_changed(&mut bits, u64::from(baseline.heading), u64::from(heading), 8);
        bits.push(u64::from(input != baseline.input), 1);
        if input != baseline.input {
            let step = input.wrapping_sub(baseline.input);
            if step <= SHORT_INPUT_STEP {
                bits.push(0, 1);
                bits.push(u64::from(step - 1), 4);
            } else {
                bits.push(1, 1);
                bits.push(u64::from(input), 8);
            }
        }
        let rest = (speed, kind, hit_points, flags);
        let has_changed = rest != (baseline.speed, baseline.kind, baseline.hit_points, baseline.flags);
        bits.push(u64::from(has_changed), 1);
        if has_changed {
            push_changed(&mut bits, baseline.speed as u64, speed as u64, 2);
            push_changed(&mut bits, baseline.kind as u64, kind as u64, 3);
            push_changed(&mut bits, u64::from(baseline.hit_points), u64::from(hit_points), 8);
            push_changed(&mut bits, u64::from(baseline.flags), u64::from(flags), 8);
        }
        Self(bits)
    }

    /// How many bits it takes, without tag, slot and age.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        self.0.count()
    }
}

fn push_changed(bits: &mut Bits, before: u64, now: u64, count: u32) {
    bits.push(u64::from(before != now), 1);
    if before != now {
        bits.push(now, count);
    }
}

fn push_axis(bits: &mut Bits, before: i32, now: i32) {
    let fits = |step: i32, count: u32| step >= -(1 << (count - 1)) && step < 1 << (count - 1);
    match now.wrapping_sub(before) {
        0 => bits.push(0, 2),
        step if fits(step, NEAR_BITS) => {
            bits.push(1, 2);
            bits.push_signed(step, NEAR_BITS);
        }
        step if fits(step, STEP_BITS) => {
            bits.push(2, 2);
            bits.push_signed(step, STEP_BITS);
        }
        step if fits(step, LEAP_BITS) => {
            bits.push(0b011, 3);
            bits.push_signed(step, LEAP_BITS);
        }
        _ => {
            bits.push(0b111, 3);
            bits.push_signed(now.clamp(-MAX_COORDINATE, MAX_COORDINATE), COORDINATE_BITS);
        }
    }
}

/// A coordinate as a delta has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    By(i32),
    To(i32),
}

impl Axis {
    /// A step of a broken zone must not carry a position out of the world.
    fn from(self, before: i32) -> i32 {
        match self {
            Self::By(step) => before.saturating_add(step).clamp(-MAX_COORDINATE, MAX_COORDINATE),
            Self::To(coordinate) => coordinate,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    By(u8),
    To(u8),
}

/// A decoded delta: what to change in a baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    position: Option<(Axis, Axis)>,
    heading: Option<u8>,
    input: Option<Input>,
    speed: Option<SpeedClass>,
    kind: Option<Kind>,
    hit_points: Option<u8>,
    flags: Option<u8>,
}

impl Delta {
    /// The state that the zone meant, if `baseline` is the one that it named.
    #[must_use]
    pub fn apply(&self, baseline: &EntityState) -> EntityState {
        let Self { position, heading, input, speed, kind, hit_points, flags } = *self;
        let before = baseline.position;
        EntityState {
            position: position.map_or(before, |(x, y)| Position { x: x.from(before.x), y: y.from(before.y) }),
            heading: heading.unwrap_or(baseline.heading),
            speed: speed.unwrap_or(baseline.speed),
            kind: kind.unwrap_or(baseline.kind),
            hit_points: hit_points.unwrap_or(baseline.hit_points),
            flags: flags.unwrap_or(baseline.flags),
            input: match input {
                None => baseline.input,
                Some(Input::By(step)) => baseline.input.wrapping_add(step),
                Some(Input::To(input)) => input,
            },
        }
    }
}

const CUT: BlockError = BlockError::Cut;

pub(super) fn read_full(bits: &mut BitReader<'_>) -> Result<(EntityId, EntityState), BlockError> {
    let counter = read_number(bits, COUNTER_LENGTH_BITS, EntityId::COUNTER_BITS)?;
    let shard = read_number(bits, SHARD_LENGTH_BITS, SHARD_BITS)?;
    let position = Position { x: read_coordinate(bits)?, y: read_coordinate(bits)? };
    let state = EntityState {
        position,
        heading: read_byte(bits)?,
        speed: read_speed(bits)?,
        kind: read_kind(bits)?,
        hit_points: read_byte(bits)?,
        flags: read_byte(bits)?,
        input: read_byte(bits)?,
    };
    Ok((EntityId::new(ShardId(shard as u32), counter), state))
}

pub(super) fn read_delta(bits: &mut BitReader<'_>) -> Result<Delta, BlockError> {
    let position = if_set(bits, |bits| Ok((read_axis(bits)?, read_axis(bits)?)))?;
    let heading = if_set(bits, read_byte)?;
    let input = if_set(bits, read_input)?;
    let mut delta = Delta { position, heading, input, speed: None, kind: None, hit_points: None, flags: None };
    if bits.flag().ok_or(CUT)? {
        delta.speed = if_set(bits, read_speed)?;
        delta.kind = if_set(bits, read_kind)?;
        delta.hit_points = if_set(bits, read_byte)?;
        delta.flags = if_set(bits, read_byte)?;
    }
    Ok(delta)
}

fn if_set<'a, T>(
    bits: &mut BitReader<'a>,
    read: impl FnOnce(&mut BitReader<'a>) -> Result<T, BlockError>,
) -> Result<Option<T>, BlockError> {
    if bits.flag().ok_or(CUT)? { read(bits).map(Some) } else { Ok(None) }
}

fn read_number(bits: &mut BitReader<'_>, length_bits: u32, most: u32) -> Result<u64, BlockError> {
    let length = bits.take(length_bits).ok_or(CUT)? as u32;
    if length > most {
        return Err(BlockError::BadId);
    }
    // A reader gives up to 32 bits at once.
    let low = bits.take(length.min(32)).ok_or(CUT)?;
    let high = bits.take(length.saturating_sub(32)).ok_or(CUT)?;
    Ok(low | high << 32)
}

fn read_coordinate(bits: &mut BitReader<'_>) -> Result<i32, BlockError> {
    let coordinate = bits.signed(COORDINATE_BITS).ok_or(CUT)?;
    if coordinate.unsigned_abs() > MAX_COORDINATE.unsigned_abs() {
        return Err(BlockError::OutOfWorld);
    }
    Ok(coordinate)
}

fn read_axis(bits: &mut BitReader<'_>) -> Result<Axis, BlockError> {
    Ok(match bits.take(2).ok_or(CUT)? {
        0 => Axis::By(0),
        1 => Axis::By(bits.signed(NEAR_BITS).ok_or(CUT)?),
        2 => Axis::By(bits.signed(STEP_BITS).ok_or(CUT)?),
        _ if !bits.flag().ok_or(CUT)? => Axis::By(bits.signed(LEAP_BITS).ok_or(CUT)?),
        _ => Axis::To(read_coordinate(bits)?),
    })
}

fn read_input(bits: &mut BitReader<'_>) -> Result<Input, BlockError> {
    if bits.flag().ok_or(CUT)? {
        return read_byte(bits).map(Input::To);
    }
    Ok(Input::By(bits.take(4).ok_or(CUT)? as u8 + 1))
}

fn read_byte(bits: &mut BitReader<'_>) -> Result<u8, BlockError> {
    bits.take(8).map(|bits| bits as u8).ok_or(CUT)
}

fn read_speed(bits: &mut BitReader<'_>) -> Result<SpeedClass, BlockError> {
    let number = bits.take(2).ok_or(CUT)? as u8;
    SpeedClass::from_number(number).ok_or(BlockError::UnknownSpeed(number))
}

fn read_kind(bits: &mut BitReader<'_>) -> Result<Kind, BlockError> {
    let number = bits.take(3).ok_or(CUT)? as u8;
    Kind::from_number(number).ok_or(BlockError::UnknownKind(number))
}
