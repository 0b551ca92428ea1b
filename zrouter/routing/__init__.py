"""The router's rules: who is where, and each message's way there.

Owns: peers and their leases, the routing table, bursts of messages, mailboxes, presence, publishes, follow
requests, and every bound of these. Must not know: sockets, threads or the time, which is an argument.
"""
