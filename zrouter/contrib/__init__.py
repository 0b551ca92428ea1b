"""zcomet in web frameworks: what a backend has to say to it, in the framework's own words.

Owns: that, and nothing else: each is a thin layer over the clients and the tokens, and needs the extra of its
name. Must not know: frontends, the router's rules.
"""
