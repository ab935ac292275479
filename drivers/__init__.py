"""From bytes to EMG frames: armbands, serial boards, session files, replay and the synthetic armband."""
