"""``docs/resource.md``: every field with its type, default, bounds and meaning, out of the schema itself."""


def page() -> str:
    """The page."""
    return ""
