"""Noise_NKpsk2_25519_AESGCM_SHA256, both sides: the dialer knows the acceptor's static key, both know the psk."""

import copy
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NAME = b"Noise_NKpsk2_25519_AESGCM_SHA256"
KEY_BYTES = 32
TAG_BYTES = 16


class HandshakeError(Exception):
    """The other side's message does not open."""


def public_key(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def _dh(private: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    secret = hmac.digest(chaining_key, material, "sha256")
    found, last = [], b""
    for number in range(1, outputs + 1):
        last = hmac.digest(secret, last + bytes([number]), "sha256")
        found.append(last)
    return found


class _Symmetric:
    """The SymmetricState of the Noise specification."""

    def __init__(self, prologue: bytes):
        # The name has exactly the length of a hash, so it is taken as it is.
        self.hash = self.chaining_key = NAME
        self.key, self.nonce = None, 0
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes):
        self.chaining_key, self.key = _hkdf(self.chaining_key, material, 2)
        self.nonce = 0

    def mix_key_and_hash(self, material: bytes):
        self.chaining_key, mixed, self.key = _hkdf(self.chaining_key, material, 3)
        self.mix_hash(mixed)
        self.nonce = 0

    def _next_nonce(self) -> bytes:
        nonce = bytes(4) + self.nonce.to_bytes(8, "big")
        self.nonce += 1
        return nonce

    def encrypt(self, plaintext: bytes) -> bytes:
        sealed = AESGCM(self.key).encrypt(self._next_nonce(), plaintext, self.hash)
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed: bytes) -> bytes:
        try:
            plaintext = AESGCM(self.key).decrypt(self._next_nonce(), sealed, self.hash)
        except InvalidTag:
            raise HandshakeError("the message does not open") from None
        self.mix_hash(sealed)
        return plaintext

    def split(self) -> tuple[bytes, bytes]:
        """Secrets from dialer to acceptor, and back."""
        there, back = _hkdf(self.chaining_key, b"", 2)
        return there, back


class Dialer:
    """The side that starts."""

    def __init__(self, server_key: bytes, psk: bytes, prologue: bytes, payload: bytes, private: bytes | None = None):
        self._psk = psk
        self._private = private or os.urandom(KEY_BYTES)
        self.ephemeral = public_key(self._private)
        self._state = _Symmetric(prologue)
        self._state.mix_hash(server_key)
        # With a psk, an ephemeral key is mixed into the key as well.
        self._state.mix_hash(self.ephemeral)
        self._state.mix_key(self.ephemeral)
        self._state.mix_key(_dh(self._private, server_key))
        self.first = self.ephemeral + self._state.encrypt(payload)

    def finish(self, reply: bytes) -> tuple[bytes, bytes, bytes]:
        """The reply's payload, the secret for sending and the one for receiving. A bad reply changes nothing."""
        if len(reply) < KEY_BYTES + TAG_BYTES:
            raise HandshakeError("the reply is too short")
        state = copy.copy(self._state)
        theirs = reply[:KEY_BYTES]
        state.mix_hash(theirs)
        state.mix_key(theirs)
        state.mix_key(_dh(self._private, theirs))
        state.mix_key_and_hash(self._psk)
        payload = state.decrypt(reply[KEY_BYTES:])
        there, back = state.split()
        return payload, there, back


class Acceptor:
    """The side that answers; here for tests."""

    def __init__(self, private: bytes, prologue: bytes, first: bytes):
        self._state = _Symmetric(prologue)
        self._state.mix_hash(public_key(private))
        self._theirs = first[:KEY_BYTES]
        self._state.mix_hash(self._theirs)
        self._state.mix_key(self._theirs)
        self._state.mix_key(_dh(private, self._theirs))
        self.payload = self._state.decrypt(first[KEY_BYTES:])

    def reply(self, psk: bytes, payload: bytes) -> tuple[bytes, bytes, bytes]:
        """The reply, the secret for sending and the one for receiving."""
        private = os.urandom(KEY_BYTES)
        ephemeral = public_key(private)
        self._state.mix_hash(ephemeral)
        self._state.mix_key(ephemeral)
        self._state.mix_key(_dh(private, self._theirs))
        self._state.mix_key_and_hash(psk)
        sealed = self._state.encrypt(payload)
        there, back = self._state.split()
        return ephemeral + sealed, back, there
