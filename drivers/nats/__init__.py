"""EMG and poses of another machine's armbands, over NATS (https://docs.nats.io)."""
