"""Audio that comes in a container while it is made, as a browser's recorder sends it: unpacked beside the gateway."""
