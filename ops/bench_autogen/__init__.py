"""`make bench-autogen`: the agent runtime on NATS beside autogen-ext's on gRPC, in one run on one machine."""
