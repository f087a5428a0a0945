"""The ``status`` of a pipeline, made of what is seen: conditions with stable reasons, and sentences with what to do.

Pure: nothing here reads a clock or the cluster.
"""

from speechpipe_operator.status.make import Subject, invalid_status, make_status
from speechpipe_operator.status.pace import transitions, worth_writing

__all__ = ["Subject", "invalid_status", "make_status", "transitions", "worth_writing"]
