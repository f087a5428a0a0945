"""Speechpipe gateway: WebSocket audio in, captions out."""
