"""How a session's configuration is shown, in both shapes."""

from typing import Any

from speechpipe_gateway.openai_realtime.config import LOGPROBS, Config


def shown(config: Config, id_: str, *, beta: bool) -> dict[str, Any]:
    """The configuration as clients see it. What they may ask for but does not count here is null."""
    turns = None
    if config.silence_ms is not None:
        turns = {
            "type": "server_vad",
            "threshold": None,
            "prefix_padding_ms": None,
            "silence_duration_ms": config.silence_ms,
        }
    transcription: dict[str, Any] = {"model": config.model, "language": config.language, "prompt": config.prompt}
    if config.keywords:
        transcription["keywords"] = config.keywords
    include = [LOGPROBS] if config.logprobs else None
    head = {"id": id_, "object": "realtime.transcription_session"}
    if beta:
        return {
            **head,
            "input_audio_format": config.encoding.beta,
            "input_audio_transcription": transcription,
            "turn_detection": turns,
            "input_audio_noise_reduction": None,
            "include": include,
        }
    format_: dict[str, Any] = {"type": config.encoding.name}
    if config.encoding.name == "audio/pcm":
        format_["rate"] = config.encoding.rate
    heard = {"format": format_, "transcription": transcription, "noise_reduction": None, "turn_detection": turns}
    return {**head, "type": "transcription", "audio": {"input": heard}, "include": include}
