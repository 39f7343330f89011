"""Statistics over stored RoI importances: tables in, tidy tables out."""
