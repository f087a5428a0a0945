"""``/v1/realtime``: transcription sessions of the OpenAI Realtime protocol, sans-I/O."""

from speechpipe_gateway.openai_realtime.entrance import RealtimeEntrance

__all__ = ["RealtimeEntrance"]
