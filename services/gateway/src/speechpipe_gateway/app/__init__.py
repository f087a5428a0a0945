"""The gateway's edge: FastAPI, uvicorn and WebSockets."""
