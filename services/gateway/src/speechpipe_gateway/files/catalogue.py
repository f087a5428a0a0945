"""The names by which OpenAI's clients ask for the model of this pipeline."""

from typing import Any

from speechpipe_gateway.files.errors import ApiError


class Catalogue:
    """All names mean the one model that the pipeline's workers have loaded.

    Args:
        names: in the order in which they are listed.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def check(self, name: str) -> str:
        """The name, if it is known.

        Raises:
            ApiError: it is not; says what there is.
        """
        if name in self._names:
            return name
        there = ", ".join(self._names)
        raise ApiError(
            404,
            f"the model {name[:100]!r} does not exist here; ask for one of: {there}",
            code="model_not_found",
            param="model",
        )

    def one(self, name: str) -> dict[str, Any]:
        """Answer to ``GET /v1/models/{name}``.

        Raises:
            ApiError: there is no such model.
        """
        return {"id": self.check(name), "object": "model", "created": 0, "owned_by": "speechpipe"}

    def all(self) -> dict[str, Any]:
        """Answer to ``GET /v1/models``."""
        return {"object": "list", "data": [self.one(name) for name in self._names]}
