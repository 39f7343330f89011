"""From the files that a record lists to a case, whatever the layout."""
