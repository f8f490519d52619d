"""A player of this client in a world of two zones: it joins, sees others, walks across the border and back, and leaves."""

import os
import pathlib
import signal
import socket
import subprocess
import time
import unittest

from darkages_client.client_pb2 import RESULT_CODE_DONE, Offer, Respawn
from darkages_client.directory import Directory, Refused
from darkages_client.inputs import InputValue
from darkages_client.player import Player

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNITS_PER_METRE = 64
EAST, NORTH, WEST, SOUTH = 0, 64, 128, 192
BOTS = 20
START_TIMEOUT_S, STOP_TIMEOUT_S, CROSSING_TIMEOUT_S = 30, 30, 30


def binary() -> pathlib.Path | None:
    """The command under test. One that was named must be there; the release build may be missing."""
    named = os.environ.get("DARKAGES_BIN") or os.environ.get("DARKAGES")
    if named:
        return pathlib.Path(named)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = target / "release" / "darkages"
    return built if built.exists() else None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Border:
    """The line between two zones, with a place on each side of it."""

    def __init__(self, zones: list[dict]):
        first, second = (zone["bounds"] for zone in zones)
        if first[2] == second[0] or second[2] == first[0]:
            self.axis, self.forth, self.back = 0, EAST, WEST
        else:
            self.axis, self.forth, self.back = 1, NORTH, SOUTH
        self.at = max(first[self.axis], second[self.axis])
        across = 1 - self.axis
        self.middle = (max(first[across], second[across]) + min(first[across + 2], second[across + 2])) / 2

    def place(self, metres_past: float) -> tuple[int, int]:
        place = [0.0, 0.0]
        place[self.axis], place[1 - self.axis] = self.at + metres_past, self.middle
        return round(place[0] * UNITS_PER_METRE), round(place[1] * UNITS_PER_METRE)

    def past(self, state) -> float:
        return (state.x, state.y)[self.axis] / UNITS_PER_METRE - self.at


@unittest.skipIf(binary() is None, "there is no darkages command: build it, or name it in DARKAGES_BIN")
class World(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        port = free_port()
        world = [
            binary(), "local", "--headless", "--players", str(BOTS), "--workload", "spread", "--zones", "2",
            "--seconds", "120", "--seed", "7", "--bounds", "0,0,400,400", "--http", f"127.0.0.1:{port}", "--json",
        ]
        cls.process = subprocess.Popen(world, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop)
        cls.directory = Directory(f"http://127.0.0.1:{port}")
        cls.zones = cls.wait_for_zones()

    @classmethod
    def wait_for_zones(cls) -> list[dict]:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and cls.process.poll() is None:
            try:
                world = cls.directory.world()
            except (OSError, Refused):
                world = {"zones": [], "players": 0}
            zones = [zone for zone in world["zones"] if zone["bounds"] and zone["state"] == "serving"]
            if len(zones) == 2 and world["players"] >= BOTS:
                return zones
            time.sleep(0.05)
        raise AssertionError("the world did not open in time")

    @classmethod
    def stop(cls):
        """Ctrl-C. The world looks at itself once more and says by its exit code whether all promises held."""
        cls.process.send_signal(signal.SIGINT)
        try:
            report, _ = cls.process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            cls.process.kill()
            cls.process.communicate()
            raise
        if cls.process.returncode != 0:
            raise AssertionError(f"the world ended with {cls.process.returncode}: {report}")

    def cross(self, player: Player, border: Border, heading: int, sign: int):
        """Sprints over the border until another zone acts for the player."""
        epoch = player.epoch
        player.controls = InputValue(heading, moving=True, sprinting=True)
        crossed = player.run(
            CROSSING_TIMEOUT_S,
            until=lambda: player.epoch > epoch and player.own() and sign * border.past(player.own()) > 20,
        )
        self.assertTrue(crossed, f"nobody took over: {player.own()}, {player.record}")

    def test_a_player_walks_across_a_border_and_back(self):
        border = Border(self.zones)
        player = Player(self.directory)
        self.addCleanup(player.close)
        player.join(self.directory.dev_ticket(spawn=border.place(-10)))
        entity = player.welcome.entity
        self.assertTrue(player.run(10, until=lambda: player.own() and len(player.entities()) > 5), "it sees nobody")
        self.assertLess(abs(border.past(player.own()) + 10), 2, "it is not where its ticket says")
        self.assertTrue(player.run(5, until=lambda: player.self_state is not None), "it was not told what it has")

        seen_before = set(player.entities())
        self.cross(player, border, border.forth, 1)
        still_seen = seen_before & set(player.entities())
        self.assertGreater(len(still_seen), len(seen_before) // 2, "those around it have other names now")
        self.cross(player, border, border.back, -1)

        player.controls = InputValue(border.back)
        player.run(0.5)
        self.assertTrue(player.drain(5), f"inputs were not applied: {len(player.ring)} of {player.ring.newest}")
        record = player.record
        self.assertEqual(player.ring.acked, player.ring.newest)
        self.assertEqual(record.own_ids, {entity}, "the player's entity has changed")
        self.assertEqual(record.epochs, sorted(set(record.epochs)))
        self.assertGreaterEqual(len(record.epochs), 3, "it was not handed over twice")
        self.assertEqual((record.undecodable, record.ticks_back), (0, 0))
        self.assertGreater(len(record.seen), 5)

        self.speak(player)
        player.leave()

    def speak(self, player: Player):
        """Commands are answered, the good and the senseless."""
        nobody = player.command(offer=Offer(to=1))
        alive = player.command(respawn=Respawn())
        results = player.record.results
        self.assertTrue(player.run(5, until=lambda: nobody in results and alive in results), "commands were not answered")
        self.assertNotIn(RESULT_CODE_DONE, (results[nobody], results[alive]))

    def test_a_ticket_admits_once(self):
        ticket = self.directory.dev_ticket()
        self.directory.join(ticket)
        with self.assertRaises(Refused) as refused:
            self.directory.join(ticket)
        self.assertEqual((refused.exception.status, refused.exception.code), (409, "replayed_ticket"))
        with self.assertRaises(Refused) as refused:
            self.directory.join(ticket[:-4] + "AAAA")
        self.assertEqual(refused.exception.status, 401)


if __name__ == "__main__":
    unittest.main()
