"""Why something can't be rendered."""


class RenderError(ValueError):
    """A component that this cluster can't have, or that the spec makes impossible.

    ``component`` is the component concerned; ``place`` the field that is at fault, from ``spec`` on; the text is a
    sentence with what to do.
    """

    def __init__(self, component: str, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.component = component
        self.place = place
        self.message = message


class TemplateError(RenderError):
    """A podTemplate that says what it may not, or has not the shape of a pod template."""
