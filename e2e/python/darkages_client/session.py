"""One session with one zone: handshake, channels, acknowledgements and resending. It has no socket and no clock: the
caller hands datagrams and the time in, and takes datagrams and messages out."""

import os
from dataclasses import dataclass, field

from . import frames
from .frames import Frame
from .noise import Dialer, HandshakeError
from .sealing import MAX_DATAGRAM, Sealer, nearest

VERSION = 1
HELLO, COOKIE, INIT, REPLY, REFUSED = 1, 2, 3, 4, 5
COOKIE_BYTES = 17
INITS_PER_COOKIE = 3
FIRST_RETRY_S, LONGEST_RETRY_S, HANDSHAKE_TIMEOUT_S = 0.1, 0.8, 10.0
CHALLENGE, ANSWER, CLOSE = 1, 2, 3
FAREWELLS = 3

ACK_DELAY_S, KEEPALIVE_S, IDLE_TIMEOUT_S = 0.005, 1.0, 10.0
RECEIVE_WINDOW = 1_024
OVERTAKEN_BY = 3
MIN_TIMEOUT_S, MAX_TIMEOUT_S, FIRST_TIMEOUT_S = 0.05, 0.5, 0.2
# Packets below the highest that an acknowledgement of this client names: the protocol allows 120.
ACK_BITS = 64
# This client's reliable messages are short: it cuts none into fragments.
MAX_MESSAGE_BYTES = 1_140

CODES = ("done", "idle_timeout", "handshake_timeout", "protocol_violation", "memory_bound", "shutdown",
         "version_mismatch", "endpoint_full", "refused", "application")


class Violation(Exception):
    """The zone did what no correct zone does."""


@dataclass
class _Stream:
    """The receiving side of a reliable stream."""

    ordered: bool
    base: int = 0
    held: dict[int, tuple[tuple[int, int] | None, bytes]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    partial: list[bytes] = field(default_factory=list)

    def take(self, frame: Frame) -> list[bytes]:
        sequence = nearest(self.base, frame.sequence, 16)
        if sequence >= self.base + RECEIVE_WINDOW:
            raise Violation("a message beyond the window")
        if sequence < self.base or sequence in self.held or sequence in self.done:
            return []
        self.held[sequence] = (frame.fragment, frame.payload)
        return self._in_order() if self.ordered else self._complete(sequence)

    def _in_order(self) -> list[bytes]:
        messages = []
        while self.base in self.held:
            fragment, payload = self.held.pop(self.base)
            self.base += 1
            index, count = fragment or (0, 1)
            if index != len(self.partial):
                raise Violation("fragments that do not follow each other")
            self.partial.append(payload)
            if len(self.partial) == count:
                messages.append(b"".join(self.partial))
                self.partial = []
        return messages

    def _complete(self, sequence: int) -> list[bytes]:
        index, count = self.held[sequence][0] or (0, 1)
        parts = range(sequence - index, sequence - index + count)
        if any(part not in self.held for part in parts):
            return []
        message = b"".join(self.held.pop(part)[1] for part in parts)
        self.done.update(parts)
        while self.base in self.done:
            self.done.remove(self.base)
            self.base += 1
        return [message]


@dataclass
class _InFlight:
    at: float
    carried: list[tuple[int, int]]


class Session:
    """Opened by its first call of `datagrams`; `state` is dialing, open or closed, and then `reason` says why."""

    def __init__(self, door, now: float):
        self.address = door.address
        self.id = int.from_bytes(os.urandom(4), "little") or 1
        prologue = b"darkages zone transport".ljust(27) + bytes([VERSION]) + self.id.to_bytes(4, "little")
        self._dialer = Dialer(door.server_key, door.psk, prologue, door.token)
        self.state, self.reason = "dialing", None
        self._cookie, self._inits, self._attempt = None, 0, 0
        self._next_hello, self._deadline = now, now + HANDSHAKE_TIMEOUT_S
        self._sealer: Sealer | None = None
        self._out: list[bytes] = []
        self._heard = self._asked = now
        # Receiving.
        self._highest, self._highest_at, self._history = None, now, 0
        self._ack_due: float | None = None
        self._streams = {frames.ORDERED: _Stream(ordered=True), frames.UNORDERED: _Stream(ordered=False)}
        self._latest_sequenced = -1
        # Sending.
        self._number, self._highest_acked = 0, -1
        self._in_flight: dict[int, _InFlight] = {}
        self._next_sequence = {frames.ORDERED: 0, frames.UNORDERED: 0}
        self._waiting: list[tuple[int, int]] = []
        self._messages: dict[tuple[int, int], bytes] = {}
        self._unreliable: list[Frame] = []
        self._ping = False
        self._rtt: float | None = None

    # Sending ---------------------------------------------------------------------------------------------------------

    def send_reliable(self, message: bytes):
        """Queues a message on the reliable ordered channel."""
        assert len(message) <= MAX_MESSAGE_BYTES
        key = (frames.ORDERED, self._next_sequence[frames.ORDERED])
        self._next_sequence[frames.ORDERED] += 1
        self._messages[key] = message
        self._waiting.append(key)

    def send_unreliable(self, message: bytes):
        """Queues a message on the unreliable channel; it goes out with the next `datagrams`."""
        self._unreliable.append(Frame(frames.UNRELIABLE, message))

    def close(self, reason: str = "done", detail: int = 0):
        if self.state == "open":
            farewell = bytes([CLOSE, CODES.index(reason), detail])
            self._out += [self._sealer.seal_control(farewell) for _ in range(FAREWELLS)]
        self._end(reason, detail)

    def datagrams(self, now: float) -> list[bytes]:
        """What has to go out now."""
        if self.state == "dialing":
            self._dial(now)
        elif self.state == "open":
            self._run_timers(now)
            while self.state == "open" and self._wants_to_send(now):
                self._send_one(now)
        out, self._out = self._out, []
        return out

    def next_due(self, now: float) -> float:
        """When `datagrams` wants to be called next, if nothing happens before."""
        if self.state == "dialing":
            return self._next_hello
        dues = [self._asked + KEEPALIVE_S]
        if self._ack_due is not None:
            dues.append(self._ack_due)
        dues += [packet.at + self._timeout() for packet in self._in_flight.values()]
        return min(dues)

    def _dial(self, now: float):
        if now >= self._deadline:
            self._end("handshake_timeout", 0)
            return
        if now < self._next_hello:
            return
        if self._inits >= INITS_PER_COOKIE:
            self._cookie, self._inits = None, 0
        session = self.id.to_bytes(4, "little")
        if self._cookie is None:
            hello = bytes([HELLO, VERSION]) + session + self._dialer.ephemeral
            self._out.append(hello.ljust(MAX_DATAGRAM, b"\0"))
        else:
            self._inits += 1
            self._out.append(bytes([INIT, VERSION]) + session + self._cookie + self._dialer.first)
        self._next_hello = now + min(FIRST_RETRY_S * 2**self._attempt, LONGEST_RETRY_S)
        self._attempt += 1

    def _timeout(self) -> float:
        return FIRST_TIMEOUT_S if self._rtt is None else min(max(2 * self._rtt + 0.02, MIN_TIMEOUT_S), MAX_TIMEOUT_S)

    def _run_timers(self, now: float):
        if now - self._heard >= IDLE_TIMEOUT_S:
            self._end("idle_timeout", 0)
            return
        if now - self._asked >= KEEPALIVE_S:
            self._ping = True
        for number, packet in sorted(self._in_flight.items()):
            if now - packet.at >= self._timeout() or number + OVERTAKEN_BY <= self._highest_acked:
                del self._in_flight[number]
                self._waiting += [key for key in packet.carried if key in self._messages]
                # Even with nothing to send again, an answer is wanted.
                self._ping = True
        self._waiting.sort()

    def _wants_to_send(self, now: float) -> bool:
        ack_is_due = self._ack_due is not None and now >= self._ack_due
        return bool(self._ping or ack_is_due or self._waiting or self._unreliable)

    def _send_one(self, now: float):
        """One datagram with an acknowledgement, if one is owed, and as much of what waits as fits."""
        room, chosen, carried = MAX_DATAGRAM - 64, [], []
        if self._ack_due is not None:
            self._ack_due = None
            held = now - self._highest_at
            chosen.append(Frame(frames.ACK, highest=self._highest, held_s=held, bits=self._history & (1 << ACK_BITS) - 1))
        while self._waiting and len(chosen) < frames.MAX_FRAMES - 2:
            kind, sequence = self._waiting[0]
            message = self._messages[kind, sequence]
            if len(message) + 8 > room:
                break
            room -= len(message) + 8
            chosen.append(Frame(kind, message, sequence))
            carried.append(self._waiting.pop(0))
        while self._unreliable and len(self._unreliable[0].payload) + 8 <= room and len(chosen) < frames.MAX_FRAMES - 1:
            room -= len(self._unreliable[0].payload) + 8
            chosen.append(self._unreliable.pop(0))
        if self._ping and not carried:
            chosen.insert(0, Frame(frames.PING))
        asks, self._ping = self._ping or bool(carried), False
        plaintext = b"".join(frames.write(frame, last=at == len(chosen) - 1) for at, frame in enumerate(chosen))
        number, self._number = self._number, self._number + 1
        self._out.append(self._sealer.seal(number, plaintext, long=number - self._highest_acked > 1 << 14))
        if asks:
            self._in_flight[number] = _InFlight(now, carried)
            self._asked = now

    # Receiving -------------------------------------------------------------------------------------------------------

    def receive(self, datagram: bytes, now: float) -> list[tuple[int, bytes]]:
        """Takes a datagram in; returns the messages that it brought, each with the kind of frame that carried it."""
        if not datagram:
            return []
        if not datagram[0] & 0x80:
            if self.state == "dialing":
                self._greet(datagram, now)
            return []
        if self.state != "open" or (opened := self._sealer.open(datagram)) is None:
            return []
        is_control, number, plaintext = opened
        if is_control:
            self._take_control(plaintext)
            return []
        self._heard = now
        return self._take_frames(number, plaintext, now)

    def _greet(self, datagram: bytes, now: float):
        kind, session, rest = datagram[0], int.from_bytes(datagram[1:5], "little"), datagram[5:]
        if session != self.id:
            return
        if kind == COOKIE and len(rest) == COOKIE_BYTES:
            if self._cookie is None:
                self._attempt, self._inits, self._next_hello = 0, 0, now
            self._cookie = rest
        elif kind == REPLY:
            try:
                payload, send, receive = self._dialer.finish(rest)
            except HandshakeError:
                return
            self._sealer = Sealer(self.id, int.from_bytes(payload, "little"), send, receive)
            # The zone learns from the first sealed packet that the session is open.
            self.state, self._ping, self._heard = "open", True, now
        elif kind == REFUSED and rest[:16] == self._dialer.ephemeral[:16] and len(rest) == 18:
            self._end(CODES[rest[16]] if rest[16] < len(CODES) else "protocol_violation", rest[17])

    def _take_control(self, plaintext: bytes):
        if plaintext[:1] == bytes([CHALLENGE]) and len(plaintext) == 9:
            self._out.append(self._sealer.seal_control(bytes([ANSWER]) + plaintext[1:]))
        elif plaintext[:1] == bytes([CLOSE]) and len(plaintext) == 3:
            code = plaintext[1]
            self._end(CODES[code] if code < len(CODES) else "protocol_violation", plaintext[2])

    def _take_frames(self, number: int, plaintext: bytes, now: float) -> list[tuple[int, bytes]]:
        messages, asks = [], False
        for frame in frames.read(plaintext):
            if frame.kind == frames.PING:
                asks = True
            elif frame.kind == frames.ACK:
                self._take_ack(frame, now)
            elif frame.kind == frames.UNRELIABLE:
                messages.append((frame.kind, frame.payload))
            elif frame.kind == frames.SEQUENCED:
                if number >= self._latest_sequenced:
                    self._latest_sequenced = number
                    messages.append((frame.kind, frame.payload))
            else:
                asks = True
                messages += [(frame.kind, message) for message in self._streams[frame.kind].take(frame)]
        self._note(number, asks, now)
        return messages

    def _note(self, number: int, asks: bool, now: float):
        """Remembers a packet for acknowledgements: bit i of the history stands for highest - 1 - i."""
        in_order = self._highest is None or number == self._highest + 1
        if self._highest is None or number > self._highest:
            ahead = 0 if self._highest is None else number - self._highest
            self._history = (self._history << ahead | (1 << ahead >> 1)) & (1 << 128) - 1
            self._highest, self._highest_at = number, now
        else:
            self._history |= 1 << (self._highest - number - 1)
        if asks:
            due = now + ACK_DELAY_S if in_order else now
            self._ack_due = due if self._ack_due is None else min(self._ack_due, due)

    def _take_ack(self, frame: Frame, now: float):
        highest = nearest(max(self._number - 1, 0), frame.highest, 24)
        if highest >= self._number:
            return
        self._highest_acked = max(self._highest_acked, highest)
        named = [highest] + [highest - 1 - bit for bit in range(frame.bits.bit_length()) if frame.bits >> bit & 1]
        for number in named:
            packet = self._in_flight.pop(number, None)
            if packet is None:
                continue
            if number == highest:
                sample = max(now - packet.at - frame.held_s, 0.0)
                self._rtt = sample if self._rtt is None else (7 * self._rtt + sample) / 8
            for key in packet.carried:
                self._messages.pop(key, None)
        self._waiting = [key for key in self._waiting if key in self._messages]

    def _end(self, reason: str, detail: int):
        if self.state != "closed":
            self.state, self.reason = "closed", (reason, detail)
