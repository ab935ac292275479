"""Labels without a camera: targets that the wearer follows."""
