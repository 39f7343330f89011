"""What happens to explanations: files, tables, pictures, trackers, progress bars."""
