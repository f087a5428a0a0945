"""Commands of ``speechpipe``; each module offers ``register(app)``."""
