"""The conformance cases that other log shippers can express too, run on each of them as it is installed."""
