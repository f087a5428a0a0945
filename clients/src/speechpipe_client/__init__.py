"""Speechpipe client: an async Python library and the speechpipe command."""
