"""zflood: floods both, and measures."""
