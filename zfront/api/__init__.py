"""What backends ask of a frontend by HTTP: docs/http-api.md.

Handlers of Tornado (zfront/handlers) have all of it; `desk` is a short way for single sends. Both stand on
the same rules: who may (`gate`), what is asked (`asked`, `batch`, `follows`), what is answered (`answers`,
`problem`).
"""
