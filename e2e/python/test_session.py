"""The transport of this client against an acceptor made of its own parts, over a network that loses and reorders."""

import random
import unittest

from darkages_client import frames, noise, sealing
from darkages_client.directory import Door
from darkages_client.frames import Frame
from darkages_client.sealing import Sealer, nearest
from darkages_client.session import COOKIE, HELLO, INIT, REFUSED, REPLY, Session

PRIVATE, PSK = bytes(range(32)), bytes(range(32, 64))
DOOR = Door(("127.0.0.1", 1), noise.public_key(PRIVATE), PSK, b"sealed token")
ZONE_SESSION = 0x01020304


class Zone:
    """Just enough of a zone's side."""

    def __init__(self):
        self.sealer, self.messages, self.number, self.reply = None, [], 0, None

    def answer(self, datagram: bytes) -> list[bytes]:
        if datagram[0] == HELLO:
            assert len(datagram) == 1_200
            return [bytes([COOKIE]) + datagram[2:6] + bytes(17)]
        if datagram[0] == INIT:
            if self.reply is None:
                session = datagram[2:6]
                prologue = b"darkages zone transport         "[:27] + b"\x01" + session
                accepting = noise.Acceptor(PRIVATE, prologue, datagram[23:])
                assert accepting.payload == b"sealed token"
                reply, send, receive = accepting.reply(PSK, ZONE_SESSION.to_bytes(4, "little"))
                self.sealer = Sealer(ZONE_SESSION, int.from_bytes(session, "little"), send, receive)
                self.reply = bytes([REPLY]) + session + reply
            return [self.reply]
        opened = self.sealer.open(datagram)
        if opened is None or opened[0]:
            return []
        _, number, plaintext = opened
        for frame in frames.read(plaintext):
            if frame.kind in (frames.ORDERED, frames.UNRELIABLE):
                self.messages.append((frame.kind, frame.sequence, frame.payload))
        return [self.seal(Frame(frames.ACK, highest=number))]

    def seal(self, *chosen: Frame) -> bytes:
        plaintext = b"".join(frames.write(frame, last=frame is chosen[-1]) for frame in chosen)
        self.number += 1
        return self.sealer.seal(self.number - 1, plaintext, long=False)


def connect() -> tuple[Session, Zone]:
    session, zone = Session(DOOR, 0.0), Zone()
    for step in range(4):
        for datagram in session.datagrams(step * 0.001):
            for answer in zone.answer(datagram):
                session.receive(answer, step * 0.001)
    assert session.state == "open"
    return session, zone


class Sessions(unittest.TestCase):
    def test_a_handshake_takes_two_round_trips_and_needs_the_psk(self):
        session, zone = connect()
        self.assertEqual(zone.messages, [])
        wrong = Session(Door(DOOR.address, DOOR.server_key, bytes(32), DOOR.token), 0.0)
        zone = Zone()
        for step in range(4):
            for datagram in wrong.datagrams(step * 0.001):
                for answer in zone.answer(datagram):
                    wrong.receive(answer, step * 0.001)
        self.assertEqual(wrong.state, "dialing")
        wrong.datagrams(11.0)
        self.assertEqual((wrong.state, wrong.reason), ("closed", ("handshake_timeout", 0)))

    def test_a_refusal_ends_the_handshake_only_when_it_echoes_the_key(self):
        session = Session(DOOR, 0.0)
        hello = session.datagrams(0.0)[0]
        head = bytes([REFUSED]) + hello[2:6]
        session.receive(head + bytes(16) + b"\x08\x03", 0.1)
        self.assertEqual(session.state, "dialing")
        session.receive(head + hello[6:22] + b"\x08\x03", 0.1)
        self.assertEqual((session.state, session.reason), ("closed", ("refused", 3)))

    def test_a_usual_input_costs_29_bytes(self):
        session, _ = connect()
        session.datagrams(0.01)
        session.send_unreliable(bytes(5))
        self.assertEqual([len(datagram) for datagram in session.datagrams(0.02)], [7 + 16 + 1 + 5])

    def test_reliable_messages_arrive_through_loss(self):
        chance = random.Random(7)
        session, zone = connect()
        for number in range(200):
            session.send_reliable(bytes([number]))
        now = 1.0
        while session._messages and now < 60:
            for datagram in session.datagrams(now):
                if chance.random() > 0.3:
                    for answer in zone.answer(datagram):
                        if chance.random() > 0.3:
                            session.receive(answer, now + 0.01)
            now += 0.02
        arrived = {sequence: payload for _, sequence, payload in zone.messages}
        self.assertEqual(arrived, {number: bytes([number]) for number in range(200)})

    def test_ordered_messages_and_fragments_come_out_in_order(self):
        session, zone = connect()
        out = []
        sent = [zone.seal(Frame(frames.ORDERED, bytes([number]), number)) for number in range(50)]
        chance = random.Random(3)
        for datagram in chance.sample(sent, 50) + sent[:5]:
            out += session.receive(datagram, 0.1)
        self.assertEqual(out, [(frames.ORDERED, bytes([number])) for number in range(50)])
        ack = frames.read(zone.sealer.open(session.datagrams(0.2)[0])[2])[0]
        self.assertEqual((ack.kind, ack.highest, bin(ack.bits).count("1") >= 49), (frames.ACK, zone.number - 1, True))

    def test_a_farewell_ends_the_session(self):
        session, zone = connect()
        session.receive(zone.sealer.seal_control(b"\x03\x09\x04"), 0.1)
        self.assertEqual((session.state, session.reason), ("closed", ("application", 4)))


class Sealing(unittest.TestCase):
    def test_keys_are_replaced_on_both_sides(self):
        a, b = bytes(32), bytes([1] * 32)
        sender, receiver = Sealer(1, 2, a, b, rekey_after=10), Sealer(2, 1, b, a)
        packets = [sender.seal(number, bytes([number]), long=False) for number in range(35)]
        swapped = [packet for pair in zip(packets[1::2], packets[0::2]) for packet in pair]
        opened = [receiver.open(packet) for packet in swapped]
        self.assertEqual(sorted(found[1] for found in opened), list(range(34)))
        self.assertTrue(all(found[2] == bytes([found[1]]) for found in opened))
        self.assertIsNone(receiver.open(packets[0]), "a repetition")

    def test_short_numbers_are_completed(self):
        for expected in (0, 5, 70_000, 1 << 40):
            for distance in (-30_000, -1, 0, 1, 30_000):
                number = expected + distance
                if number >= 0:
                    self.assertEqual(nearest(expected, number & 0xFFFF, 16), number)
        self.assertEqual(sealing.MAX_DATAGRAM, 1_200)


    def test_the_transport_s_own_vectors_come_out(self):
        # The last section of zone/transport/WIRE.md.
        sender = Sealer(0, 0xAABBCCDD, bytes(range(32)), bytes(32))
        frame = bytes.fromhex("30616263")
        first = "80ddccbbaa7856fc4e73a84c1066cf03d656effc870a7de9c16460"
        second = "c0ddccbbaa79567337d29475f0ebb162fd3b025b77aee20e4712b5"
        self.assertEqual(sender.seal(0x12345678, frame, long=False).hex(), first)
        farewell = "90ddccbbaa00000000000000008cefdb3069e9432f7073e3d9ddfea820262323"
        self.assertEqual(sender.seal_control(bytes([3, 9, 42])).hex(), farewell)
        sender._rekey_after = 1
        self.assertEqual(sender.seal(0x12345679, frame, long=False).hex(), second)


class Frames(unittest.TestCase):
    def test_frames_come_back(self):
        made = [
            Frame(frames.PING),
            Frame(frames.ACK, highest=0xABCDEF, held_s=0.005, bits=0b101),
            Frame(frames.ORDERED, b"x" * 200, 65_535),
            Frame(frames.UNRELIABLE, b"last"),
        ]
        plaintext = b"".join(frames.write(frame, last=frame is made[-1]) for frame in made)
        self.assertEqual(frames.read(plaintext), made)
        for cut in range(1, len(plaintext) - 4):
            try:
                frames.read(plaintext[:cut])
            except frames.FrameError:
                pass


if __name__ == "__main__":
    unittest.main()
