"""Explain one case, in plain PyTorch."""
