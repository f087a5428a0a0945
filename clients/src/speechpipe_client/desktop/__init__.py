"""The desktop app: voice typing into any window, and subtitles over all of them.

What decides (spacing, order, captions, chords, sentences) is pure and knows no Qt; ``app`` puts the parts together.
Only here may Qt, pynput and soundcard be imported: a server or a script that uses the library needs none of them.
"""
