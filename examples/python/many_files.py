"""Many files at once, a few at a time; a text file beside each. What fails is named, and the rest goes on.

Run it::

python many_files.py recordings/*.wav --at-once 8
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from speechpipe_client import SpeechpipeError, transcribe_file


async def one(path: Path, url: str, places: asyncio.Semaphore) -> bool:
    """Transcribe one file; whether all of it worked."""
    async with places:
        try:
            transcript = await transcribe_file(path, url, api_key=os.environ.get("SPEECHPIPE_API_KEY"))
        except SpeechpipeError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return False
    path.with_suffix(".txt").write_text(transcript.text + "\n", encoding="utf-8")
    print(f"{path.name}: {transcript.text}")
    for problem in transcript.problems:
        print(f"{path.name}: {problem.message}", file=sys.stderr)
    return not transcript.problems


async def main() -> int:
    """Transcribe all files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--url", default=os.environ.get("SPEECHPIPE_URL", "ws://127.0.0.1:5026/ws"))
    parser.add_argument("--at-once", type=int, default=4, help="files at a time (%(default)s)")
    given = parser.parse_args()
    places = asyncio.Semaphore(given.at_once)
    async with asyncio.TaskGroup() as group:
        works = [group.create_task(one(path, given.url, places)) for path in given.files]
    return 0 if all(work.result() for work in works) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
