"""What one session has shown: entities by slot, with the history that deltas refer to."""

from collections.abc import Iterator

from . import block
from .bits import BlockError
from .block import EntityState
from .client_pb2 import Snapshot
from .inputs import ACK_OLDER_BITS

HISTORY = 64
# Inputs are unreliable: telling once would leave the zone with an older baseline whenever one is lost.
TELL_TIMES = 2


class View:
    def __init__(self):
        self.newest = 0
        self._slots: dict[int, tuple[int, dict[int, EntityState]]] = {}
        self._to_tell: dict[int, int] = {}

    def decode(self, snapshot: Snapshot) -> bool:
        """Takes a snapshot in; `False` when it is older than one that was decoded. One that cannot be decoded changes
        nothing and is not acknowledged."""
        if snapshot.number <= self.newest:
            return False
        changes = dict(self._changes(snapshot))
        for slot, change in changes.items():
            if change is None:
                self._slots.pop(slot, None)
                continue
            entity, state = change
            shown, history = self._slots.get(slot, (entity, {}))
            history = history if shown == entity else {}
            history = {number: old for number, old in history.items() if number + HISTORY > snapshot.number}
            self._slots[slot] = (entity, history | {snapshot.number: state})
        self.newest = snapshot.number
        self._to_tell[self.newest] = TELL_TIMES
        return True

    def _changes(self, snapshot: Snapshot) -> Iterator[tuple[int, tuple[int, EntityState] | None]]:
        for record in block.read(snapshot.entities):
            match record:
                case block.Full(slot, entity, state):
                    yield slot, (entity, state)
                case block.Delta(slot, age, apply):
                    entity, history = self._slots.get(slot, (0, {}))
                    baseline = history.get(snapshot.number - age)
                    if baseline is None:
                        raise BlockError(f"slot {slot} has no state of snapshot {snapshot.number - age}")
                    yield slot, (entity, apply(baseline))
                case block.Remove(slot):
                    yield slot, None

    def ack(self) -> tuple[int, int] | None:
        """The newest decoded snapshot and a mask of those before it that the zone should still be told; `None` when it was
        told everything."""
        if not self._to_tell:
            return None
        back = [self.newest - number for number in self._to_tell]
        self._to_tell = {number: times - 1 for number, times in self._to_tell.items() if times > 1}
        return self.newest, sum(1 << (snapshots - 1) for snapshots in back if 0 < snapshots <= ACK_OLDER_BITS)

    def entities(self) -> dict[int, EntityState]:
        return {entity: history[max(history)] for entity, history in self._slots.values()}
