"""What can be wrong with a client's audio."""


class MediaError(ValueError):
    """The client's audio cannot be used; the input that raised it must not be fed again.

    Attributes:
        code: Machine-readable name for the wire: ``unsupported_sample_rate``, ``unsupported_channels``,
            ``odd_byte_count``, ``bad_sample``, ``bad_wav`` or ``bad_frame``.
        message: One sentence for people: what is wrong, which value, what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
