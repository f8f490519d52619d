"""What one session shows, and what the zone is told of it."""

import json
import pathlib
import unittest

from darkages_client.bits import BlockError
from darkages_client.block import EntityState
from darkages_client.client_pb2 import Snapshot
from darkages_client.inputs import InputRing, InputValue
from darkages_client.view import View

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCKS = {
    vector["name"]: vector
    for vector in json.loads((ROOT / "zone" / "protocol" / "tests" / "vectors" / "block.json").read_text())
}


def snapshot(number: int, block: str) -> Snapshot:
    return Snapshot(number=number, tick=number, owner_epoch=1, entities=bytes.fromhex(BLOCKS[block]["hex"]))


class Views(unittest.TestCase):
    def test_a_walker_is_followed_from_its_baseline(self):
        view = View()
        self.assertTrue(view.decode(snapshot(5, "a walker appears")))
        self.assertTrue(view.decode(snapshot(7, "a walker walks on")))
        told = BLOCKS["a walker walks on"]["records"][0]["state"]
        self.assertEqual(view.entities(), {BLOCKS["a walker appears"]["records"][0]["entity"]: EntityState(**told)})
        self.assertFalse(view.decode(snapshot(6, "a walker appears")), "an overtaken snapshot")

    def test_a_missing_baseline_changes_nothing_and_is_not_acknowledged(self):
        view = View()
        view.decode(snapshot(5, "a walker appears"))
        before, _ = view.entities(), (view.ack(), view.ack())
        with self.assertRaises(BlockError):
            view.decode(snapshot(8, "a walker walks on"))
        self.assertEqual((view.entities(), view.ack(), view.newest), (before, None, 5))

    def test_every_snapshot_is_told_twice(self):
        view = View()
        view.decode(snapshot(5, "a walker appears"))
        self.assertEqual(view.ack(), (5, 0))
        view.decode(snapshot(7, "a walker appears"))
        self.assertEqual([view.ack(), view.ack(), view.ack()], [(7, 0b10), (7, 0), None])


class Rings(unittest.TestCase):
    def test_inputs_are_held_until_they_are_applied(self):
        ring, walk = InputRing(), InputValue(64, moving=True)
        ring.resume(500)
        for value in (InputValue(), walk, walk):
            ring.push(value)
        self.assertEqual((ring.newest, ring.runs()), (503, [(walk, 2), (InputValue(), 1)]))
        ring.ack(502)
        ring.ack(600)
        self.assertEqual((ring.runs(), ring.acked), ([(walk, 1)], 502))
        while ring.push(walk):
            pass
        self.assertEqual(len(ring), 120)


if __name__ == "__main__":
    unittest.main()
