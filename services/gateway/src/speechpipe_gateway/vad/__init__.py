"""Voice activity: WebRTC and Silero must agree that somebody speaks."""

from speechpipe_gateway.vad.batcher import VadBatcher
from speechpipe_gateway.vad.silero import Silero, VadError, model_path
from speechpipe_gateway.vad.state import VadState
from speechpipe_gateway.vad.votes import CHUNK_SAMPLES, ChunkVote, VadRule

__all__ = ["CHUNK_SAMPLES", "ChunkVote", "Silero", "VadBatcher", "VadError", "VadRule", "VadState", "model_path"]
