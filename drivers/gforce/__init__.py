"""OYMotion's gForce armbands over Bluetooth LE."""
