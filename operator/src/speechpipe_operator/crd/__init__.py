"""The CustomResourceDefinition and the reference page, generated from the types in ``spec``."""

from speechpipe_operator.crd.definition import definition, manifest
from speechpipe_operator.crd.page import page

__all__ = ["definition", "manifest", "page"]
