"""The demo: real speech through a whole pipeline on this machine, with a verdict."""
