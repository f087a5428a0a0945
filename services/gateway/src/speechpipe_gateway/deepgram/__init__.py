"""Deepgram's live protocol, ``/v1/listen``, as an adapter around the one session: see ``docs/deepgram.md``."""

from speechpipe_gateway.deepgram.entrance import DeepgramEntrance

__all__ = ["DeepgramEntrance"]
