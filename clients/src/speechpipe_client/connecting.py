"""From what a caller wishes to a session: the library's front door."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

from speechpipe_client.options import Credential, Endpoint, Limits, SessionOptions, Wishes
from speechpipe_client.session import Session
from speechpipe_client.sources import Audio, AudioSource, wished


def connect(
    url: str | Sequence[str],
    options: SessionOptions | None = None,
    *,
    api_key: Credential | None = None,
    language: str = "auto",
    translate: str | Sequence[str] = (),
    audio: Audio | None = None,
    limits: Limits | None = None,
    **wishes: Unpack[Wishes],
) -> Session:
    """A session on a gateway; use it with ``async with``.

    Example::

        async with connect("ws://127.0.0.1:5026/ws", language="en", translate="es", audio=Microphone()) as session:
            async for event in session:
                match event:
                    case Partial(text=text):
                        show(text)
                    case Final(text=text) | Translation(text=text, is_final=True):
                        print(text)

    Args:
        url: ``ws://`` or ``wss://`` address of the gateway, or of several: the next one is tried where one is away.
        options: everything about the session in one object, instead of the languages and wishes.
        api_key: key, or token of an identity provider; a function where that expires: a session that is resumed after
            hours needs a fresh one. It is called at each connection, and must answer at once.
        language: what is spoken, by code or English name, or ``auto``.
        translate: language or languages to translate into.
        audio: is sent by the session, which then stops by itself: a ``Microphone``, an ``AudioFile``, or any iterator,
            asynchronous or not, of raw audio. Without it, call ``send`` and ``stop``.
        limits: how much is buffered, and how long is waited.
        wishes: ``sample_rate`` (Hz), ``channels`` and ``format`` of raw audio, and the other fields of
            ``SessionOptions``.

    Raises:
        UnsupportedLanguage: a language that nobody knows.
        ValueError: no address; options and wishes together; a format for audio that has one.
    """
    urls = (url,) if isinstance(url, str) else tuple(url)
    if not urls:
        raise ValueError("give at least one gateway address")
    if options is None:
        options = wished(language, translate, audio, wishes)
    elif wishes or translate or language != "auto":
        raise ValueError("give either options or the languages and wishes that would be in them, not both")
    elif isinstance(audio, AudioSource):
        options = replace(options, sample_rate=audio.sample_rate, channels=audio.channels, format=audio.format)
    return Session(Endpoint(urls, api_key), options, limits or Limits(), audio)
