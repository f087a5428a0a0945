pytest_plugins = ["speechpipe_common.testing"]
