"""What can go wrong between a text and its translation."""


class TranslationError(Exception):
    """A text could not be translated; ``retry`` tells whether another attempt may help."""

    code = "translation_failed"
    retry = True


class UnsupportedPair(TranslationError):
    """No installed model leads from the one language to the other, not even by way of a pivot."""

    code = "unsupported_pair"
    retry = False

    def __init__(
        self, source: str, target: str, available: list[str], pivots: tuple[str, ...], advice: str = ""
    ) -> None:
        known = ", ".join(available) or "none"
        super().__init__(
            f"cannot translate {source} to {target}, neither directly nor through {' or '.join(pivots) or 'a pivot'}; "
            f"installed pairs: {known}" + (f"; {advice}" if advice else "")
        )


class UnknownLanguageCode(TranslationError):
    """The job names a language that the table does not have."""

    code = "unknown_language"
    retry = False


class EngineUnavailable(TranslationError):
    """The engine's program, library or models are not on this machine; the process cannot start."""

    code = "engine_unavailable"
    retry = False


class EngineFailed(TranslationError):
    """The engine broke down or took too long over this text, twice."""

    code = "engine_failed"


class HubUnreachable(TranslationError):
    """A model that is not on this machine could not be asked for, or fetched, since the hub does not answer well."""

    code = "hub_unreachable"
