"""A real Kubernetes cluster on this machine, made by kind: see e2e/kind/README.md."""
