"""JWTs: who a token says its bearer is, and whether an identity provider that we trust has said so."""

from speechpipe_gateway.tokens.metrics import TokenMetrics
from speechpipe_gateway.tokens.rules import ALGORITHMS, TokenError, TokenRule, looks_like_token
from speechpipe_gateway.tokens.signing_keys import KeysUnavailable, SigningKeys
from speechpipe_gateway.tokens.verifier import TokenVerifier

__all__ = [
    "ALGORITHMS",
    "KeysUnavailable",
    "SigningKeys",
    "TokenError",
    "TokenMetrics",
    "TokenRule",
    "TokenVerifier",
    "looks_like_token",
]
