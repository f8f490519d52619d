"""A player: up to a few sessions on one socket, inputs 60 times a second, and which zone it follows."""

import select
import socket
import time
from dataclasses import dataclass, field

from . import frames, inputs
from .bits import BlockError
from .block import EntityState
from .client_pb2 import ClientMessage, Command, Leave, Snapshot, Welcome, ZoneMessage
from .directory import Directory, Door, parse_endpoint
from .inputs import InputRing, InputValue
from .session import Session
from .view import View

INPUT_EVERY_S = 1 / 60
JOIN_TIMEOUT_S = 10.0
# The zone that was followed before may still have something to say.
OLD_SESSION_S = 2.0


class Disconnected(Exception):
    """The session that the player plays on has ended, and it did not ask for that."""


@dataclass
class Attached:
    """A session with what it has shown."""

    session: Session
    view: View = field(default_factory=View)
    handoff: bytes | None = None
    over_at: float | None = None


@dataclass
class Record:
    """What a test wants to know afterwards."""

    epochs: list[int] = field(default_factory=list)
    own_ids: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    redirects: int = 0
    snapshots: int = 0
    undecodable: int = 0
    ticks_back: int = 0
    longest_gap_s: float = 0.0
    results: dict[int, int] = field(default_factory=dict)


class Player:
    """Plays until `leave`; call `run` to let time pass."""

    def __init__(self, directory: Directory):
        self._directory = directory
        self._socket: socket.socket | None = None
        self.welcome: Welcome | None = None
        self.epoch, self.tick = 0, 0
        self.ring = InputRing()
        self.controls = InputValue()
        self.self_state = None
        self.record = Record()
        self._playing: Attached | None = None
        self._next: Attached | None = None
        self._old: list[Attached] = []
        self._next_input = self._last_snapshot = 0.0
        self._next_request = time.time_ns()
        self._makes_inputs = True

    # What a program does with a player -------------------------------------------------------------------------------

    def join(self, ticket: str):
        """Joins and waits until the zone acts for the player."""
        door = self._directory.join(ticket)
        family = socket.AF_INET6 if ":" in door.address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._playing = self._attach(door)
        if not self.run(JOIN_TIMEOUT_S, until=lambda: self.welcome is not None and self.epoch > 0):
            raise TimeoutError("the zone did not take the player in")

    def run(self, seconds: float, until=lambda: False) -> bool:
        """Plays on with the controls as they are until the condition holds; `False` when the time is over before."""
        end = time.monotonic() + seconds
        while not until():
            now = time.monotonic()
            if now >= end:
                return False
            self._step(now)
        return True

    def drain(self, seconds: float) -> bool:
        """Makes no more inputs until the zone has applied all that were made; whether it did in time."""
        self._makes_inputs = False
        drained = self.run(seconds, until=lambda: len(self.ring) == 0)
        self._makes_inputs = True
        return drained

    def own(self) -> EntityState | None:
        return self.entities().get(self.welcome.entity) if self.welcome else None

    def entities(self) -> dict[int, EntityState]:
        return self._playing.view.entities() if self._playing else {}

    def command(self, **action) -> int:
        """Sends a command, such as `respawn=Respawn()`; its result will be in `record.results` under the number returned."""
        self._next_request += 1
        message = ClientMessage(command=Command(request_id=self._next_request, **action))
        self._playing.session.send_reliable(message.SerializeToString())
        return self._next_request

    def leave(self):
        """Leaves the world and waits until the zone has said goodbye."""
        leaving, self._playing.over_at = self._playing, time.monotonic() + JOIN_TIMEOUT_S
        leaving.session.send_reliable(ClientMessage(leave=Leave()).SerializeToString())
        gone = self.run(JOIN_TIMEOUT_S, until=lambda: leaving.session.state == "closed")
        self.close()
        if not gone:
            raise TimeoutError("the zone did not let the player go")

    def close(self):
        """Ends everything at once; the zone will find the player gone."""
        for attached in self._all():
            attached.session.close()
            self._send(attached, time.monotonic())
        if self._socket:
            self._socket.close()
        self._playing, self._next, self._old, self._socket = None, None, [], None

    # How it works ----------------------------------------------------------------------------------------------------

    def _attach(self, door: Door) -> Attached:
        return Attached(Session(door, time.monotonic()))

    def _all(self) -> list[Attached]:
        return [attached for attached in (self._playing, self._next, *self._old) if attached]

    def _step(self, now: float):
        if now >= self._next_input and self.epoch > 0 and self._playing.over_at is None:
            # A late call makes up for what it missed, within reason.
            self._next_input = max(self._next_input + INPUT_EVERY_S, now - 5 * INPUT_EVERY_S)
            if self._makes_inputs:
                self.ring.push(self.controls)
            self._send_inputs()
        wake = self._next_input if self.epoch > 0 else now + 0.01
        for attached in self._all():
            self._send(attached, now)
            wake = min(wake, attached.session.next_due(now))
        ready, _, _ = select.select([self._socket], [], [], min(max(wake - time.monotonic(), 0.0), 0.01))
        if ready:
            self._receive()
        self._tidy(time.monotonic())

    def _send_inputs(self):
        """Everything that is not yet applied goes to the zone that is followed and to the next one."""
        for attached in (self._playing, self._next):
            if attached and attached.session.state == "open":
                ack = attached.view.ack()
                attached.session.send_unreliable(inputs.encode(self.ring.newest, self.ring.runs(), ack))

    def _send(self, attached: Attached, now: float):
        for datagram in attached.session.datagrams(now):
            self._socket.sendto(datagram, attached.session.address)

    def _receive(self):
        while self._socket:
            try:
                datagram, source = self._socket.recvfrom(2_048)
            except BlockingIOError:
                return
            number = int.from_bytes(datagram[1:5], "little")
            for attached in self._all():
                session = attached.session
                if session.id == number and session.address == source[:2]:
                    for kind, message in session.receive(datagram, time.monotonic()):
                        self._hear(attached, kind, message)

    def _hear(self, attached: Attached, kind: int, message: bytes):
        if kind == frames.UNRELIABLE:
            self._see(attached, Snapshot.FromString(message))
            return
        told = ZoneMessage.FromString(message)
        match told.WhichOneof("message"):
            case "welcome" if attached is self._playing:
                self.welcome = told.welcome
                self.record.own_ids.add(told.welcome.entity)
            case "welcome":
                self.record.own_ids.add(told.welcome.entity)
            case "redirect" if attached is self._playing:
                self._redirect(told.redirect)
            case "redirect_cancelled" if self._next and self._next.handoff == told.redirect_cancelled.handoff.SerializeToString():
                self._retire(self._next)
                self._next = None
            case "self_state":
                self.self_state = told.self_state
            case "command_result":
                self.record.results[told.command_result.request_id] = told.command_result.code

    def _redirect(self, redirect):
        handoff = redirect.handoff.SerializeToString()
        if redirect.owner_epoch <= self.epoch or (self._next and self._next.handoff == handoff):
            return
        if self._next:
            self._retire(self._next)
        door = Door(parse_endpoint(redirect.endpoint), redirect.server_key, redirect.psk, redirect.token)
        self._next = self._attach(door)
        self._next.handoff = handoff
        self.record.redirects += 1

    def _see(self, attached: Attached, snapshot: Snapshot):
        try:
            if not attached.view.decode(snapshot):
                return
        except BlockError:
            self.record.undecodable += 1
            return
        if attached is self._next and snapshot.owner_epoch > self.epoch:
            self._retire(self._playing)
            self._playing, self._next = attached, None
        # Epoch 0: the zone prepares to take over, or has just handed over.
        if attached is not self._playing or snapshot.owner_epoch < max(self.epoch, 1) or self.welcome is None:
            return
        now = time.monotonic()
        if self.epoch == 0:
            self._next_input = self._last_snapshot = now
            self.ring.resume(snapshot.applied)
        if snapshot.tick < self.tick:
            self.record.ticks_back += 1
        if snapshot.owner_epoch > self.epoch:
            self.record.epochs.append(snapshot.owner_epoch)
        self.record.longest_gap_s = max(self.record.longest_gap_s, now - self._last_snapshot)
        self.epoch, self.tick, self._last_snapshot = snapshot.owner_epoch, snapshot.tick, now
        self.record.snapshots += 1
        self.record.seen.update(attached.view.entities())
        self.ring.ack(snapshot.applied)

    def _retire(self, attached: Attached):
        attached.over_at = time.monotonic() + OLD_SESSION_S
        self._old.append(attached)

    def _tidy(self, now: float):
        for attached in self._old:
            if attached.session.state != "closed" and now >= attached.over_at:
                attached.session.close()
                self._send(attached, now)
        self._old = [attached for attached in self._old if attached.session.state != "closed"]
        if self._next and self._next.session.state == "closed":
            self._next = None
        playing = self._playing
        # A zone may hand over and say goodbye before the first snapshot of the next one has come.
        if playing and playing.session.state == "closed" and playing.over_at is None and not self._next:
            raise Disconnected(f"the session ended: {playing.session.reason}")

