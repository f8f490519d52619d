"""The directory, over HTTP."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass

TIMEOUT_S = 5


class Refused(Exception):
    """The directory says no, with its reason code."""

    def __init__(self, status: int, code: str, message: str):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code = status, code


@dataclass(frozen=True)
class Door:
    """Where a zone waits for a player, and what opens its door once."""

    address: tuple[str, int]
    server_key: bytes
    psk: bytes
    token: bytes


def parse_endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Directory:
    def __init__(self, url: str):
        self._url = url.rstrip("/")

    def dev_ticket(self, player: int | None = None, spawn: tuple[int, int] | None = None) -> str:
        """A ticket of the development issuer, which a `local` world has."""
        body: dict = {}
        if player is not None:
            body["player"] = player
        if spawn is not None:
            body["spawn"] = {"x": spawn[0], "y": spawn[1]}
        return self._call("/v1/dev/ticket", body)["ticket"]

    def join(self, ticket: str) -> Door:
        answer = self._call("/v1/join", {"ticket": ticket})
        key = {field: base64.b64decode(answer[field]) for field in ("server_key", "psk", "token")}
        return Door(parse_endpoint(answer["endpoint"]), key["server_key"], key["psk"], key["token"])

    def world(self) -> dict:
        return self._call("/v1/world", None)

    def _call(self, path: str, body: dict | None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                told = json.loads(error.read() or b"{}")
            raise Refused(error.code, told.get("error", "no_reason"), told.get("message", "")) from None
