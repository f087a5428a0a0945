"""Runs stub services as ``speechpipe up`` does: ``run_up.py DIRECTORY [DEAF]``; the ready file is DIRECTORY/ready."""

import sys
from pathlib import Path

from local_support import options, plan, redis, stub

from speechpipe_operator.local.lines import PrefixLog
from speechpipe_operator.local.up import run

directory = Path(sys.argv[1])
bad_habits = {"DEAF": "1"} if "DEAF" in sys.argv else {}
services = plan(
    redis(),
    stub("gateway", depends_on=["redis"], GRANDCHILD="1", **bad_habits),
    stub("stt", replicas=2, depends_on=["redis"], GRANDCHILD="1"),
)
run(services, options(directory), PrefixLog(sys.stdout), directory / "ready")
