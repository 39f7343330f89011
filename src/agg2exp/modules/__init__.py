"""The two Lightning modules."""
