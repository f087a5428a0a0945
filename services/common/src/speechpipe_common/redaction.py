"""Taking secrets out of what is shown to people."""

import re
from typing import Final

_USERINFO: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<userinfo>[^/@\s]*(?:@[^/@\s]*)*)@", re.IGNORECASE)


def redact_url(text: str) -> str:
    """``text`` with user and password of every URL in it replaced by ``***``."""
    return _USERINFO.sub(r"\g<scheme>***@", text)
