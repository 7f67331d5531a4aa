"""Where trials train. Each backend owns the time of its runs."""
