"""How the operator's metrics are called."""

from typing import Final

from speechpipe_common.metrics import PREFIX

OPERATOR: Final = f"{PREFIX}operator_"
