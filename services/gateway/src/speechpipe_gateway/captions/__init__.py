"""Captions of a session as a subtitle file that grows while somebody speaks."""

from speechpipe_gateway.captions.asking import Ask, CaptionError, read
from speechpipe_gateway.captions.growing import Feed, GrowingFile
from speechpipe_gateway.captions.writing import CaptionWriter, Form

__all__ = ["Ask", "CaptionError", "CaptionWriter", "Feed", "Form", "GrowingFile", "read"]
