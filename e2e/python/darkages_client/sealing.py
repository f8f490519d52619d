"""Headers, keys and the replay window of session datagrams."""

import hmac
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAX_DATAGRAM = 1_200
TAG_BYTES = 16
SESSION, PHASE, LONG, CONTROL = 0x80, 0x40, 0x20, 0x10
# Packets under one key: half of what the protocol allows.
REKEY_AFTER = 1 << 22
REPLAY_WINDOW = 1_024


def nearest(expected: int, low: int, bits: int) -> int:
    """The number nearest to `expected` whose low bits are `low`."""
    span = 1 << bits
    candidate = (expected & ~(span - 1)) | low
    if candidate + span // 2 <= expected:
        return candidate + span
    if candidate > expected + span // 2 and candidate >= span:
        return candidate - span
    return candidate


def _expand(secret: bytes, purpose: bytes) -> bytes:
    """HKDF-Expand with SHA-256 to 32 bytes."""
    return hmac.digest(secret, b"darkages zone transport 1 " + purpose + b"\x01", "sha256")


class _Key:
    """The key and the nonce mask of one phase."""

    def __init__(self, secret: bytes, purpose: bytes):
        self._aead = AESGCM(_expand(secret, purpose + b" key"))
        self._mask = int.from_bytes(_expand(secret, purpose + b" nonce")[:12], "big")

    def _nonce(self, number: int) -> bytes:
        return (self._mask ^ number).to_bytes(12, "big")

    def seal(self, number: int, header: bytes, plaintext: bytes) -> bytes:
        return self._aead.encrypt(self._nonce(number), plaintext, header)

    def open(self, number: int, header: bytes, sealed: bytes) -> bytes | None:
        try:
            return self._aead.decrypt(self._nonce(number), sealed, header)
        except InvalidTag:
            return None


class _Replay:
    """Which numbers were seen."""

    def __init__(self):
        self.next = 0
        self._seen = set()

    def is_new(self, number: int) -> bool:
        return number >= self.next or (self.next - number <= REPLAY_WINDOW and number not in self._seen)

    def mark(self, number: int):
        self._seen.add(number)
        if number >= self.next:
            self.next = number + 1
            if len(self._seen) > 2 * REPLAY_WINDOW:
                self._seen = {seen for seen in self._seen if self.next - seen <= REPLAY_WINDOW}


class Sealer:
    """Seals what goes out and opens what comes in, for one session."""

    def __init__(self, ours: int, theirs: int, send_secret: bytes, receive_secret: bytes, rekey_after: int = REKEY_AFTER):
        self._ours, self._theirs = ours, theirs
        self._rekey_after = rekey_after
        self._send_secret, self._send, self._send_phase, self._sealed = send_secret, _Key(send_secret, b"packet"), False, 0
        self._receive_phase, self._receive_first, self._previous = False, 0, None
        self._current = _Key(receive_secret, b"packet")
        self._next_secret = _expand(receive_secret, b"next")
        self._next = _Key(self._next_secret, b"packet")
        self._control_send, self._control_receive = _Key(send_secret, b"control"), _Key(receive_secret, b"control")
        self._control_number = 0
        self._replay, self._control_replay = _Replay(), _Replay()

    def seal(self, number: int, plaintext: bytes, long: bool) -> bytes:
        """A packet. The caller never uses a number twice."""
        if self._sealed >= self._rekey_after:
            self._send_secret = _expand(self._send_secret, b"next")
            self._send, self._send_phase, self._sealed = _Key(self._send_secret, b"packet"), not self._send_phase, 0
        self._sealed += 1
        flags = SESSION | (PHASE if self._send_phase else 0) | (LONG if long else 0)
        if long:
            header = struct.pack("<BII", flags, self._theirs, number & 0xFFFFFFFF)
        else:
            header = struct.pack("<BIH", flags, self._theirs, number & 0xFFFF)
        return header + self._send.seal(number, header, plaintext)

    def seal_control(self, plaintext: bytes) -> bytes:
        number, self._control_number = self._control_number, self._control_number + 1
        header = struct.pack("<BIQ", SESSION | CONTROL, self._theirs, number)
        return header + self._control_send.seal(number, header, plaintext)

    def open(self, datagram: bytes) -> tuple[bool, int, bytes] | None:
        """Whether it is a control datagram, its number and its plaintext; `None` when it does not open or is a repetition."""
        flags = datagram[0]
        if flags & 0x0F or not flags & SESSION:
            return None
        size = 13 if flags & CONTROL else 9 if flags & LONG else 7
        if len(datagram) < size + TAG_BYTES or int.from_bytes(datagram[1:5], "little") != self._ours:
            return None
        header, sealed, low = datagram[:size], datagram[size:], int.from_bytes(datagram[5:size], "little")
        if flags & CONTROL:
            return self._open_control(low, header, sealed)
        number = nearest(self._replay.next, low, 32 if flags & LONG else 16)
        if not self._replay.is_new(number):
            return None
        plaintext = self._open_packet(bool(flags & PHASE), number, header, sealed)
        if plaintext is None:
            return None
        self._replay.mark(number)
        return False, number, plaintext

    def _open_control(self, number: int, header: bytes, sealed: bytes) -> tuple[bool, int, bytes] | None:
        if not self._control_replay.is_new(number):
            return None
        plaintext = self._control_receive.open(number, header, sealed)
        if plaintext is None:
            return None
        self._control_replay.mark(number)
        return True, number, plaintext

    def _open_packet(self, phase: bool, number: int, header: bytes, sealed: bytes) -> bytes | None:
        if phase == self._receive_phase:
            return self._current.open(number, header, sealed)
        if number < self._receive_first:
            return self._previous.open(number, header, sealed) if self._previous else None
        plaintext = self._next.open(number, header, sealed)
        if plaintext is not None:
            self._previous, self._current = self._current, self._next
            self._next_secret = _expand(self._next_secret, b"next")
            self._next = _Key(self._next_secret, b"packet")
            self._receive_phase, self._receive_first = phase, number
        return plaintext
