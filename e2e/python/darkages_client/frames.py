"""Frames: what the sealed part of a datagram is made of."""

from dataclasses import dataclass

PING, ACK, UNRELIABLE, SEQUENCED, ORDERED, UNORDERED = 1, 2, 3, 4, 5, 6
HAS_LENGTH, IS_FRAGMENT = 1, 2
MAX_FRAMES = 31
# An acknowledgement tells how long it was held back in quarters of a millisecond.
HELD_UNIT_S = 0.00025


class FrameError(Exception):
    """The plaintext is not made of frames."""


@dataclass(frozen=True)
class Frame:
    kind: int
    payload: bytes = b""
    # Of ordered and unordered messages.
    sequence: int = 0
    fragment: tuple[int, int] | None = None
    # Of acknowledgements: the low 24 bits of the highest number, and the bits below it as a number.
    highest: int = 0
    held_s: float = 0.0
    bits: int = 0


def read(plaintext: bytes) -> list[Frame]:
    frames, at = [], 0

    def take(count: int) -> bytes:
        nonlocal at
        if at + count > len(plaintext):
            raise FrameError("a frame is cut off")
        at += count
        return plaintext[at - count : at]

    def payload(detail: int) -> bytes:
        if not detail & HAS_LENGTH:
            return take(len(plaintext) - at)
        length = take(1)[0]
        if length & 0x80:
            length = (length & 0x7F) << 8 | take(1)[0]
        return take(length)

    while at < len(plaintext):
        if len(frames) == MAX_FRAMES:
            raise FrameError("too many frames")
        first = take(1)[0]
        kind, detail = first >> 4, first & 0x0F
        if kind == PING and detail == 0:
            frames.append(Frame(PING))
        elif kind == ACK:
            highest, held = int.from_bytes(take(3), "little"), take(1)[0]
            frames.append(Frame(ACK, highest=highest, held_s=held * HELD_UNIT_S, bits=int.from_bytes(take(detail), "little")))
        elif kind in (UNRELIABLE, SEQUENCED) and not detail & ~HAS_LENGTH:
            frames.append(Frame(kind, payload(detail)))
        elif kind in (ORDERED, UNORDERED) and not detail & ~(HAS_LENGTH | IS_FRAGMENT):
            sequence = int.from_bytes(take(2), "little")
            fragment = None
            if detail & IS_FRAGMENT:
                index, count = take(2)
                if count < 2 or index >= count:
                    raise FrameError("an impossible fragment")
                fragment = index, count
            frames.append(Frame(kind, payload(detail), sequence, fragment))
        else:
            raise FrameError(f"an unknown frame {first:#04x}")
    return frames


def write(frame: Frame, last: bool) -> bytes:
    """The bytes of a frame; the last one of a datagram goes without its length."""
    if frame.kind == PING:
        return bytes([PING << 4])
    if frame.kind == ACK:
        bits = frame.bits.to_bytes((frame.bits.bit_length() + 7) // 8, "little")
        held = min(int(frame.held_s / HELD_UNIT_S), 255)
        return bytes([ACK << 4 | len(bits)]) + (frame.highest & 0xFFFFFF).to_bytes(3, "little") + bytes([held]) + bits
    head = bytes([frame.kind << 4 | (0 if last else HAS_LENGTH)])
    if frame.kind in (ORDERED, UNORDERED):
        head += (frame.sequence & 0xFFFF).to_bytes(2, "little")
    if not last:
        length = len(frame.payload)
        head += bytes([length]) if length < 0x80 else (length | 0x8000).to_bytes(2, "big")
    return head + frame.payload
