"""What makes a token good: values in, a subject or a refusal in words out.

Only the algorithms of the configuration count, never what a token would like; of its header, ``kid`` alone chooses
among the keys that are there (``jku``, ``x5u`` and ``jwk`` are not read). These are the practices of RFC 8725.
"""

from dataclasses import dataclass
from typing import Any, Final

import jwt

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Asymmetric ones: what only the issuer can sign. A shared secret (HS256) could be confused with a public key."""

LONGEST_TOKEN: Final = 8_192
"""Characters; tokens with many claims have some 2,000."""

LONGEST_SUBJECT: Final = 256
LEEWAY_SECONDS: Final = 30
"""By how much clocks may differ."""


REFUSALS: Final = (
    "bad_token",
    "token_algorithm",
    "token_audience",
    "token_claims",
    "token_expired",
    "token_issuer",
    "token_keys_unavailable",
    "token_not_yet_valid",
    "token_signature",
    "token_subject",
    "token_too_long",
    "token_unknown_key",
)
"""Codes of ``TokenError``; said to clients and shown by a metric, so never renamed."""


class TokenError(Exception):
    """A token lets nobody in. Never says what the token holds.

    Attributes:
        code: stable name for programs.
        message: what is wrong, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What a token must say."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    """Of ``ALGORITHMS``."""
    subject_claim: str = "sub"
    """Claim that names who it is; limits and sessions belong to its value."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a token says of its own signature, before anything is believed."""

    algorithm: str
    key_id: str | None


def looks_like_token(shown: str) -> bool:
    """Whether this may be a JWT rather than an API key, which has no dot."""
    return shown.count(".") == 2


def signature(token: str, rule: TokenRule) -> Signature:
    """By which key a token says that it is signed.

    Raises:
        TokenError: it is no token, or signed in another way than the rule allows.
    """
    if len(token) > LONGEST_TOKEN:
        raise TokenError("token_too_long", f"the token has more than {LONGEST_TOKEN} characters; ask for one with less")
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, UnicodeError) as error:
        raise _malformed() from error
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in rule.algorithms:
        allowed = " or ".join(rule.algorithms)
        raise TokenError("token_algorithm", f"the token is not signed with {allowed}; get one that is")
    return Signature(str(algorithm), key_id)


def subject(token: str, key: jwt.PyJWK, rule: TokenRule) -> str:
    """Who the bearer is.

    Raises:
        TokenError: the token is not signed by this key, or not what the rule asks for at this moment.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=list(rule.algorithms),
            audience=rule.audience,
            issuer=rule.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", rule.subject_claim], "enforce_minimum_key_length": True},
        )
    except (jwt.PyJWTError, UnicodeError) as error:
        raise _refusal(error, rule) from error
    found = claims[rule.subject_claim]
    if not isinstance(found, str) or not 0 < len(found) <= LONGEST_SUBJECT or not found.isprintable():
        raise TokenError(
            "token_subject", f"the claim {rule.subject_claim} is no text of 1 to {LONGEST_SUBJECT} printable characters"
        )
    return found


def _refusal(error: Exception, rule: TokenRule) -> TokenError:
    match error:
        case jwt.ExpiredSignatureError():
            return TokenError("token_expired", "the token has expired; get a new one")
        case jwt.ImmatureSignatureError():
            return TokenError("token_not_yet_valid", "the token is not valid yet; wait, or set the clock right")
        case jwt.InvalidAudienceError():
            return TokenError("token_audience", f"the token is for another audience; get one for {rule.audience}")
        case jwt.InvalidIssuerError():
            return TokenError("token_issuer", f"the token is from another issuer; get one from {rule.issuer}")
        case jwt.MissingRequiredClaimError():
            return TokenError("token_claims", f"the token has no claim {error.claim}; get one that has")
        case jwt.InvalidAlgorithmError() | jwt.InvalidKeyError():
            return TokenError("token_algorithm", "the token is not signed as its key is meant to sign; get a new one")
        case jwt.InvalidSignatureError():
            return TokenError("token_signature", "the token's signature is not its issuer's; get a new one")
        case _:
            return _malformed()


def _malformed() -> TokenError:
    return TokenError("bad_token", "this is neither an API key that is known here nor a token that can be read")
