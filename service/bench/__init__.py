"""What `myocast bench` measures: the real server and real clients in processes of their own."""
