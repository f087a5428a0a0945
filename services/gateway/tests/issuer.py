"""An identity provider: real keys, signed tokens, and a real HTTP server on loopback that shows the public keys."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "speechpipe"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Key:
    """A pair of keys for one algorithm, under a key id."""

    def __init__(self, key_id: str, algorithm: str = "RS256") -> None:
        self.id = key_id
        self.algorithm = algorithm
        makers: Mapping[str, Callable[[], PrivateKey]] = {
            "RS256": lambda: rsa.generate_private_key(65_537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.private = makers[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as an issuer shows it."""
        forms: Mapping[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}
        shown = cast(dict[str, Any], forms[self.algorithm].to_jwk(self.private.public_key(), as_dict=True))
        return shown | {"kid": self.id, "use": "sig", "alg": self.algorithm}

    @property
    def pem(self) -> bytes:
        """The public key as text."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token with these claims; a header of None is left out."""
        headers = {name: value for name, value in ({"kid": self.id} | header).items() if value is not None}
        return jwt.encode(dict(claims), self.private, self.algorithm, headers=headers)


def claims(issuer: str, subject: str = "alice", **others: Any) -> dict[str, Any]:
    """What a token says that is good for an hour; times given are seconds from now, None takes a claim away."""
    said: dict[str, Any] = {"iss": issuer, "aud": AUDIENCE, "sub": subject, "iat": 0, "exp": 3600} | others
    now = int(time.time())
    said |= {name: now + said[name] for name in ("iat", "nbf", "exp") if isinstance(said.get(name), int)}
    return {name: value for name, value in said.items() if value is not None}


def forged(header: Mapping[str, Any], payload: Mapping[str, Any], secret: bytes | None) -> str:
    """A token put together by hand: HMAC with ``secret``, or without a signature."""
    parts = [_encoded(json.dumps(part).encode()) for part in (header, payload)]
    signed = ".".join(parts).encode()
    signature = b"" if secret is None else hmac.digest(secret, signed, hashlib.sha256)
    return f"{signed.decode()}.{_encoded(signature)}"


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Issuer:
    """Shows ``keys`` at ``url`` until told otherwise; a context manager.

    Attributes:
        keys: what it shows from the next request on.
        requests: how often it was asked.
        answer: makes another answer than the keys: it is given the handler of one request.
        may_answer: requests wait for it.
    """

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys)
        self.requests = 0
        self.answer: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        """Where the keys are."""
        return f"http://127.0.0.1:{self._port}/keys"

    @property
    def name(self) -> str:
        """What ``iss`` says."""
        return f"http://127.0.0.1:{self._port}"

    def token(self, key: Key | None = None, **claimed: Any) -> str:
        """A token signed with a key of this issuer."""
        return (key or self.keys[0]).sign(claims(self.name, **claimed))

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                issuer.may_answer.wait(60)
                if issuer.answer is not None:
                    issuer.answer(self)
                    return
                body = json.dumps({"keys": [key.jwk for key in issuer.keys]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.may_answer.set()
        self.down()
