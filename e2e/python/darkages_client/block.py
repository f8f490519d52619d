"""The entity block of a snapshot."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .bits import BitReader, BlockError

END, DELTA, FULL, REMOVE = 0, 1, 2, 3
MAX_SLOTS = 8_192
MAX_COORDINATE = 6_400_000
STANDING, WALKING, SPRINTING = 0, 1, 2
PLAYER, NPC, LOOT = 0, 1, 2


@dataclass(frozen=True)
class EntityState:
    """Positions are in units of 1/64 m, headings in 1/256 turn from the east to the north."""

    x: int
    y: int
    heading: int
    speed: int
    kind: int
    hit_points: int
    flags: int
    input: int


@dataclass(frozen=True)
class Full:
    slot: int
    entity: int
    state: EntityState


@dataclass(frozen=True)
class Delta:
    slot: int
    age: int
    apply: Callable[[EntityState], EntityState]


@dataclass(frozen=True)
class Remove:
    slot: int


def read(block: bytes) -> Iterator[Full | Delta | Remove]:
    bits, next_slot, age = BitReader(block), 0, None
    while bits.left >= 2:
        tag = bits.take(2)
        if tag == END:
            break
        slot = _slot(bits, next_slot)
        next_slot = slot + 1
        if tag == FULL:
            counter, shard = _number(bits, 6, 40), _number(bits, 5, 24)
            yield Full(slot, shard << 40 | counter, _state(bits))
        elif tag == DELTA:
            if bits.flag():
                age = bits.take(6)
            if not age:
                raise BlockError("a delta without an age")
            yield Delta(slot, age, _delta(bits))
        else:
            yield Remove(slot)
    if bits.left >= 8 or bits.take(bits.left) != 0:
        raise BlockError("something follows the end")


def _slot(bits: BitReader, next_slot: int) -> int:
    if not bits.flag():
        slot = next_slot
    elif not bits.flag():
        slot = next_slot + 1 + bits.take(4)
    elif not bits.flag():
        slot = bits.take(8)
    else:
        slot = bits.take(13)
    if slot >= MAX_SLOTS:
        raise BlockError("a slot beyond the table")
    return slot


def _number(bits: BitReader, length_bits: int, most: int) -> int:
    length = bits.take(length_bits)
    if length > most:
        raise BlockError("an entity id that is too long")
    return bits.take(length)


def _coordinate(bits: BitReader) -> int:
    coordinate = bits.signed(24)
    if abs(coordinate) > MAX_COORDINATE:
        raise BlockError("a coordinate beyond the world")
    return coordinate


def _speed(bits: BitReader) -> int:
    speed = bits.take(2)
    if speed > SPRINTING:
        raise BlockError("an unknown speed class")
    return speed


def _kind(bits: BitReader) -> int:
    kind = bits.take(3)
    if kind > LOOT:
        raise BlockError("an unknown entity kind")
    return kind


def _state(bits: BitReader) -> EntityState:
    return EntityState(
        x=_coordinate(bits),
        y=_coordinate(bits),
        heading=bits.take(8),
        speed=_speed(bits),
        kind=_kind(bits),
        hit_points=bits.take(8),
        flags=bits.take(8),
        input=bits.take(8),
    )


def _axis(bits: BitReader) -> Callable[[int], int]:
    form = bits.take(2)
    if form == 3 and bits.flag():
        there = _coordinate(bits)
        return lambda before: there
    step = {0: lambda: 0, 1: lambda: bits.signed(6), 2: lambda: bits.signed(8), 3: lambda: bits.signed(12)}[form]()
    return lambda before: max(-MAX_COORDINATE, min(MAX_COORDINATE, before + step))


def _delta(bits: BitReader) -> Callable[[EntityState], EntityState]:
    changes: dict[str, Callable[[int], int]] = {}

    def put(field: str, value: int):
        changes[field] = lambda before: value

    if bits.flag():
        changes["x"], changes["y"] = _axis(bits), _axis(bits)
    if bits.flag():
        put("heading", bits.take(8))
    if bits.flag():
        if bits.flag():
            put("input", bits.take(8))
        else:
            step = bits.take(4) + 1
            changes["input"] = lambda before: (before + step) % 256
    if bits.flag():
        if bits.flag():
            put("speed", _speed(bits))
        if bits.flag():
            put("kind", _kind(bits))
        if bits.flag():
            put("hit_points", bits.take(8))
        if bits.flag():
            put("flags", bits.take(8))
    return lambda before: replace(before, **{field: change(getattr(before, field)) for field, change in changes.items()})
