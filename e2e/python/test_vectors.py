"""The golden vectors of zone/protocol, read by this client."""

import base64
import hmac
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from darkages_client import block, inputs
from darkages_client.bits import BlockError
from darkages_client.client_pb2 import ClientMessage, Snapshot, ZoneMessage
from darkages_client.inputs import InputValue

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGENERATE = "python -m grpc_tools.protoc -I zone/protocol/proto --python_out=e2e/python/darkages_client client.proto"
PROTO = ROOT / "zone" / "protocol" / "proto"


def vectors(name: str) -> list[dict]:
    return json.loads((ROOT / "zone" / "protocol" / "tests" / "vectors" / f"{name}.json").read_text())


class Vectors(unittest.TestCase):
    def test_inputs_are_encoded_as_told(self):
        for vector in vectors("input"):
            with self.subTest(vector["name"]):
                runs = [(InputValue(**run["value"]), run["count"]) for run in vector["runs"]]
                ack = vector["ack"] and (vector["ack"]["newest"], vector["ack"]["older"])
                self.assertEqual(inputs.encode(vector["newest"], runs, ack).hex(), vector["hex"])

    def test_blocks_are_read_as_told(self):
        for vector in vectors("block"):
            with self.subTest(vector["name"]):
                records = list(block.read(bytes.fromhex(vector["hex"])))
                self.assertEqual(len(records), len(vector["records"]))
                for record, told in zip(records, vector["records"]):
                    self.assertEqual((type(record).__name__.lower(), record.slot), (told["record"], told["slot"]))
                    if told["record"] == "full":
                        self.assertEqual((record.entity, record.state), (told["entity"], block.EntityState(**told["state"])))
                    if told["record"] == "delta":
                        state = record.apply(block.EntityState(**told["baseline"]))
                        self.assertEqual((record.age, state), (told["age"], block.EntityState(**told["state"])))

    def test_snapshots_are_read_as_told(self):
        for vector in vectors("snapshot"):
            snapshot = Snapshot.FromString(bytes.fromhex(vector["hex"]))
            for field in ("number", "tick", "owner_epoch", "applied", "filling"):
                self.assertEqual(getattr(snapshot, field), vector[field])
            self.assertEqual(snapshot.entities.hex(), vector["entities"])

    def test_messages_are_what_their_names_say(self):
        for vector in vectors("client_message"):
            message = ClientMessage.FromString(bytes.fromhex(vector["hex"]))
            kind = message.WhichOneof("message")
            self.assertEqual(message.command.WhichOneof("action") if kind == "command" else kind, vector["name"])
            self.assertEqual(message.SerializeToString().hex(), vector["hex"])
        for vector in vectors("zone_message"):
            message = ZoneMessage.FromString(bytes.fromhex(vector["hex"]))
            self.assertEqual(message.WhichOneof("message"), vector["name"])
            self.assertEqual(message.SerializeToString().hex(), vector["hex"])

    def test_tickets_can_be_issued_from_the_document(self):
        for vector in vectors("ticket"):
            body = struct.pack("<BQQ", 1, vector["player"], vector["expires_unix_s"]) + bytes.fromhex(vector["nonce"])
            spawn = vector["spawn"]
            body += struct.pack("<Bii", 1, *spawn) if spawn else b"\0"
            world = vector["world"].encode()
            body += bytes([len(world)]) + world
            body += hmac.digest(bytes.fromhex(vector["key"]), b"darkages ticket 1" + body, "sha256")
            self.assertEqual(base64.urlsafe_b64encode(body).rstrip(b"=").decode(), vector["text"])

    def test_tokens_are_sealed_as_the_document_says(self):
        for vector in vectors("token"):
            sealed = bytes.fromhex(vector["hex"])
            self.assertEqual((sealed[0], sealed[1:13].hex()), (1, vector["random"]))
            plain = AESGCM(bytes.fromhex(vector["world_key"])).decrypt(sealed[1:13], sealed[13:], b"darkages connect token 1")
            kind, number, more, shard = struct.unpack_from("<BQ20sI", plain)
            self.assertEqual(shard, vector["shard"])
            self.assertEqual(plain[33:65].hex(), vector["psk"])
            self.assertEqual(struct.unpack_from("<Q", plain, 65)[0], vector["expires_unix_s"])
            self.assertEqual(plain[73:].hex(), vector["nonce"])
            subject = vector["subject"]
            if kind == 2:
                self.assertEqual((number, *struct.unpack_from("<Q", more)), (subject["shard"], subject["epoch"]))
            else:
                self.assertEqual(number, subject["player"])
                if kind == 1:
                    self.assertEqual(struct.unpack_from("<ii", more), (subject["x"], subject["y"]))
                if kind == 3:
                    handoff = (subject["from"], subject["from_epoch"], subject["handoff"])
                    self.assertEqual(struct.unpack("<IQQ", more), handoff)

    def test_the_generated_code_is_up_to_date(self):
        committed = pathlib.Path(__file__).with_name("darkages_client") / "client_pb2.py"
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={folder}", "client.proto"], check=True
            )
            made = (pathlib.Path(folder) / "client_pb2.py").read_text()
        self.assertEqual(made, committed.read_text(), REGENERATE)


class Blocks(unittest.TestCase):
    def test_broken_blocks_are_refused(self):
        for broken in (b"\0\0", b"\x04", b"\x02", b"\x01", b"\x09\0", b"\xff\xff\x0f"):
            with self.assertRaises(BlockError):
                list(block.read(broken))


if __name__ == "__main__":
    unittest.main()
