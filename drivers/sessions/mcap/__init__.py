"""Sessions in MCAP: topics, reader, writer, lossless copy."""
