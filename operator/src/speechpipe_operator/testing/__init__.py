"""A real Kubernetes for tests: etcd and API server, controllers and scheduler where asked for, and a kubelet that
only pretends. ``fixtures.py`` offers them to pytest; nothing that runs in production imports this package.
"""
