"""Every parked client: its descriptor, its rows, its ids, and what it is written.

Owns: the hub and all that it needs: subscriptions, fan-out, outboxes, ticks, WebSocket input, work budgets.
Must not know: HTTP requests, or how the router is reached.
"""
