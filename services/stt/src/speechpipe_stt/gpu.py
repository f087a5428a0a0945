"""The GPU's memory pool, which CTranslate2 allocates from."""

import ctypes
from typing import Final

_RELEASE_THRESHOLD: Final = 4
"""``CU_MEMPOOL_ATTR_RELEASE_THRESHOLD`` of the CUDA driver API."""

_EVERYTHING: Final = 2**64 - 1


def keep_memory(device: int = 0) -> bool:
    """Have the pool keep what is freed, instead of giving it back to the driver whenever somebody waits for the GPU.

    CTranslate2 allocates with ``cudaMallocAsync``, and waits for the GPU at least once for each token; by default each
    of these waits empties the pool. What is kept is what this process had at its busiest.

    Args:
        device: The GPU's number.

    Returns:
        Whether it does now; False where there is no CUDA driver, or one older than 11.2.
    """
    number, pool, threshold = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64(_EVERYTHING)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        calls = (
            (driver.cuInit, 0),
            (driver.cuDeviceGet, ctypes.byref(number), device),
            (driver.cuDeviceGetDefaultMemPool, ctypes.byref(pool), number),
            (driver.cuMemPoolSetAttribute, pool, _RELEASE_THRESHOLD, ctypes.byref(threshold)),
        )
    except (OSError, AttributeError):
        return False
    return all(call(*arguments) == 0 for call, *arguments in calls)
