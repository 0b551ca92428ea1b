"""Who follows whom: the stored pairs, found both ways."""
