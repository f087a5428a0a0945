"""What the gateway is told of captions for who only reads."""

from pydantic import Field

from speechpipe_common.settings import ServiceSettings


class CaptionSettings(ServiceSettings):
    """Settings of ``/captions``."""

    max_caption_readers: int = Field(
        default=1_000,
        ge=0,
        description="Connections that read /captions at a time, of each process; 0: nobody may.",
    )
