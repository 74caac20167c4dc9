"""The fixtures that tests of all parts share."""

pytest_plugins = ["tests.cloud.fixtures"]
