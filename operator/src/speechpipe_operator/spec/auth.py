"""``spec.gateway.auth``: who may connect."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from speechpipe_common.addresses import JWKS_URL, JWKS_URL_WANTED
from speechpipe_operator.spec.base import Different, SecretKey, Strict
from speechpipe_operator.spec.rules import Cel, quoted, rule


def _is_taken(value: str) -> str:
    if not re.fullmatch(JWKS_URL, value):
        raise ValueError(f"{value!r} is {JWKS_URL_WANTED}")
    return value


KeysUrl = Annotated[
    str,
    Field(max_length=1024),
    AfterValidator(_is_taken),
    Cel(f"self.matches({quoted(JWKS_URL)})", f"this is {JWKS_URL_WANTED}"),
]
Algorithm = Literal["RS256", "ES256", "EdDSA"]


class Jwks(Strict):
    """Tokens (JWT) that an identity provider signs. What a token says of where its keys are is not believed."""

    url: KeysUrl = Field(
        description="Address of the provider's keys, a JWK set: https://, or http:// for localhost and for Services "
        "(name.namespace.svc)."
    )
    issuer: str = Field(min_length=1, max_length=1024, description="What a token's iss must be, to the letter.")
    audience: str = Field(min_length=1, max_length=1024, description="What a token's aud must be or contain.")
    algorithms: Annotated[tuple[Algorithm, ...], Field(strict=False, min_length=1, max_length=3), Different] = Field(
        default=("RS256",),
        description="How tokens may be signed; keys that only the provider has, never a shared secret.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    subject_claim: str = Field(
        default="sub",
        pattern=r"^[A-Za-z0-9_.:/-]{1,128}$",
        max_length=128,
        description="Claim that names who a token's bearer is: limits.sessionsPerKey and sessions belong to its value.",
    )


class Auth(Strict):
    """Who may connect."""

    mode: Literal["required", "none"] = Field(
        default="required",
        description="required: clients show an API key or a token, of which at least one is configured; none: anyone "
        "may connect.",
    )
    secret_ref: SecretKey | None = Field(
        default=None, description="Secret that holds the hashed API keys. On one machine: API_KEYS_FILE is set."
    )
    jwks: Jwks | None = Field(default=None, description="Tokens of an identity provider that are taken.")

    @rule(
        "self.mode != 'required' || has(self.secretRef) || has(self.jwks)",
        "mode required needs secretRef or jwks (or say mode: none to let anyone connect)",
    )
    def _something_is_to_be_shown(self) -> bool:
        return self.mode != "required" or self.secret_ref is not None or self.jwks is not None

    @rule(
        "self.mode != 'none' || !(has(self.secretRef) || has(self.jwks))",
        "secretRef and jwks mean nothing with mode none; remove them, or the mode",
    )
    def _nothing_is_to_be_shown_in_vain(self) -> bool:
        return self.mode != "none" or (self.secret_ref is None and self.jwks is None)
