"""Bits in order: the first bit is the lowest bit of the first byte, and numbers have their lowest bit first."""


class BlockError(Exception):
    """The block cannot be read; nothing of its snapshot counts."""


class BitReader:
    def __init__(self, data: bytes):
        self._value, self.left = int.from_bytes(data, "little"), len(data) * 8

    def take(self, count: int) -> int:
        if count > self.left:
            raise BlockError("the block ends inside a record")
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        self.left -= count
        return taken

    def flag(self) -> bool:
        return self.take(1) == 1

    def signed(self, count: int) -> int:
        value = self.take(count)
        return value - (1 << count) if value >> (count - 1) else value
