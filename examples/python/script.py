"""A plain script without async: raw audio from standard input, captions to standard output.

Run it::

ffmpeg -i talk.mp4 -f s16le -ar 16000 -ac 1 - | python script.py
arecord -f S16_LE -r 16000 -c 1 | python script.py
"""

import os
import sys
from collections.abc import Iterator

from speechpipe_client import Final, SpeechpipeError
from speechpipe_client.sync import connect

URL = os.environ.get("SPEECHPIPE_URL", "ws://127.0.0.1:5026/ws")


def standard_input() -> Iterator[bytes]:
    """Blocks of whole samples, as they come."""
    while block := sys.stdin.buffer.read(3200):
        yield block[: len(block) // 2 * 2]


def main() -> int:
    """Print each final as it comes, until the input ends."""
    try:
        with connect(
            URL,
            api_key=os.environ.get("SPEECHPIPE_API_KEY"),
            audio=standard_input(),
            sample_rate=16_000,
            partials=False,
        ) as session:
            for event in session:
                if isinstance(event, Final) and event.text:
                    print(f"[{event.start:7.2f}] {event.text}", flush=True)
    except SpeechpipeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
