"""Where CTranslate2 computes, and in which numbers."""

import pytest

from speechpipe_translate.engines.ctranslate2 import Decoding, placing


@pytest.mark.parametrize(
    ("device", "compute_type", "has_cuda", "expected"),
    [
        ("auto", "auto", False, ("cpu", "int8")),
        ("auto", "auto", True, ("cuda", "float16")),
        ("cpu", "auto", True, ("cpu", "int8")),
        ("cuda", "auto", False, ("cuda", "float16")),
        ("auto", "float32", True, ("cuda", "float32")),
        ("cpu", "default", False, ("cpu", "default")),
    ],
)
def test_what_is_left_open_is_chosen(device: str, compute_type: str, has_cuda: bool, expected: tuple[str, str]) -> None:
    """Without a wish it is float16 on a GPU where there is one, else int8; what is said is kept."""
    decoding = Decoding(device=device, compute_type=compute_type, beam_size=5, max_length=256, max_batch=16, threads=1)
    assert placing(decoding, has_cuda) == expected
