"""Speechpipe translation worker: Apertium, CTranslate2 or EasyNMT."""
