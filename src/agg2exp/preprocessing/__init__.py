"""From a scan to what the network was trained on, and back."""
