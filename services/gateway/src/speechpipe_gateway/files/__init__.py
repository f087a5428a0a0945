"""Whole files over OpenAI's REST interface: what is asked, a file taken in and decoded, captions written."""
