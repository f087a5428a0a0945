"""Empty stand-ins for the CUDA libraries that torch is linked with, so that it can be imported without 4 GB of them.

Used for the tests' environment only, and only for the CPU: each stand-in exports the symbols that torch's own libraries
ask for, as zeros; nothing may call them. Where torch comes without CUDA there is nothing to do. Needs gcc and readelf.
"""

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Final

_BY_VERSION: Final = {
    "NVSHMEM": "libnvshmem_host.so.3",
    **{
        name: name
        for name in (
            "libcublas.so.13",
            "libcublasLt.so.13",
            "libcudnn.so.9",
            "libcufft.so.12",
            "libcusolver.so.12",
            "libcusparse.so.12",
            "libnvrtc.so.13",
        )
    },
}
"""Symbol version to the library that defines it."""

_BY_PREFIX: Final = {"nccl": "libnccl.so.2", "cuFile": "libcufile.so.0", "cusparseLt": "libcusparseLt.so.0"}
"""Beginning of a name without a version to its library."""

_UNDEFINED: Final = re.compile(r" UND (\w+)(?:@(\S+))?")


def wanted(libraries: Path) -> dict[tuple[str, str], set[str]]:
    """``(library, symbol version)`` to the symbols that the shared objects in ``libraries`` want of it."""
    found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path in libraries.glob("lib*torch*.so"):
        command = ["readelf", "--wide", "--dyn-syms", str(path)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        for name, version in _UNDEFINED.findall(listing):
            by_prefix = (library for prefix, library in _BY_PREFIX.items() if not version and name.startswith(prefix))
            library = _BY_VERSION.get(version) or next(by_prefix, None)
            if library:
                found[library, version].add(name)
    return found


def build(library: Path, version: str, symbols: set[str]) -> None:
    """Make a shared object that exports ``symbols`` under ``version`` (none where it is empty)."""
    with tempfile.TemporaryDirectory() as scratch:
        source, exports = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        source.write_text("".join(f"long {symbol};\n" for symbol in sorted(symbols)))
        exports.write_text(f"{version} {{ global: *; }};")
        options = ["-shared", "-nostdlib", f"-Wl,-soname,{library.name}", f"-Wl,--version-script={exports}"]
        subprocess.run(["gcc", *options, "-o", str(library), str(source)], check=True)  # noqa: S603, S607


def main() -> None:
    """Put the stand-ins beside the libraries of the torch that the running interpreter would import."""
    libraries = Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages", "torch", "lib")
    for (library, version), symbols in wanted(libraries).items():
        build(libraries / library, version, symbols)


if __name__ == "__main__":
    main()
