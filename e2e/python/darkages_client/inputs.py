"""Input datagrams and the ring of inputs that are not yet acknowledged."""

from collections import deque
from dataclasses import dataclass
from itertools import groupby

from .client_pb2 import ClientInput

MAX_INPUTS = 128
# The ring keeps less than a zone queues.
MAX_UNACKED = 120
# What is held, and how far the world may go back for it to keep its numbers.
FAR = MAX_UNACKED + 300
ACK_OLDER_BITS = 14


@dataclass(frozen=True)
class InputValue:
    heading: int = 0
    moving: bool = False
    sprinting: bool = False

    def bits(self) -> int:
        return self.moving | self.sprinting << 1 | self.heading << 2


def encode(newest: int, runs: list[tuple[InputValue, int]], ack: tuple[int, int] | None) -> bytes:
    """`runs` are values with how many in a row have each, newest first; `ack` is the newest decoded snapshot and a mask of
    older ones."""
    value, count = runs[0] if runs else (InputValue(), 0)
    message = ClientInput(
        newest=newest & 0x3FFF | value.bits() << 14 | count << 24,
        earlier=[value.bits() | count - 1 << 10 for value, count in runs[1:]],
    )
    if ack is not None:
        number, older = ack
        message.snapshot_ack = number & 0x7F | (older & (1 << ACK_OLDER_BITS) - 1) << 7
    return message.SerializeToString()


class InputRing:
    """Inputs in order, until a zone has applied them."""

    def __init__(self):
        self.newest = self.acked = 0
        self._unacked: deque[InputValue] = deque()

    def push(self, value: InputValue) -> bool:
        """`False` when the ring is full: an input that cannot be kept must not be promised."""
        if len(self._unacked) >= MAX_UNACKED:
            return False
        self._unacked.append(value)
        self.newest = self.newest + 1 & 0xFFFFFFFF
        return True

    def ack(self, applied: int):
        behind = self.newest - applied & 0xFFFFFFFF
        if behind < FAR:
            for _ in range(len(self._unacked) - behind):
                self._unacked.popleft()
            self.acked = applied

    def resume(self, applied: int):
        """Goes on after what a zone has applied. What is held keeps its numbers unless the world is far from them."""
        if self.newest and self.newest - applied & 0xFFFFFFFF < FAR:
            self.ack(applied)
        else:
            self.acked, self.newest = applied, applied + len(self._unacked) & 0xFFFFFFFF

    def runs(self) -> list[tuple[InputValue, int]]:
        return [(value, len(list(run))) for value, run in groupby(reversed(self._unacked))]

    def __len__(self) -> int:
        return len(self._unacked)
