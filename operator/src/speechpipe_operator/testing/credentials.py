"""Keys, tokens and kubeconfig files of a control plane that lives for one test run."""

import base64
import json
import secrets
from pathlib import Path

P256_OID = bytes.fromhex("06082a8648ce3d030107")
"""DER of the object identifier of the curve P-256, RFC 5480 §2.1.1.1."""


def write_signing_key(path: Path) -> None:
    """A fresh P-256 key in PEM, with which the API server signs ServiceAccount tokens.

    The structure is ECPrivateKey of RFC 5915 §3 with the public key left out, which its readers derive. A random number
    of 32 bytes is a valid key but for 2⁻³² of cases; a failed start tells of those.
    """
    scalar = bytes([4, 32]) + secrets.token_bytes(32)
    curve = bytes([0xA0, len(P256_OID)]) + P256_OID
    body = bytes([2, 1, 1]) + scalar + curve
    encoded = base64.encodebytes(bytes([0x30, len(body)]) + body).decode()
    _write(path, f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n")


def write_admin_token(path: Path) -> str:
    """A token file of the API server with one user, ``admin`` of the group that may do everything; its token."""
    token = secrets.token_urlsafe(24)
    _write(path, f'{token},admin,admin,"system:masters"\n')
    return token


def write_kubeconfig(path: Path, *, url: str, ca_file: Path, user: str, token: str, namespace: str = "default") -> None:
    """A kubeconfig with one context; as JSON, which is YAML too."""
    name = "speechpipe-test"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": namespace}}],
        "current-context": name,
    }
    _write(path, json.dumps(document, indent=2))


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
