"""The clinician's viewer without its page: what is opened, fused, measured and kept, and the server.

The page is `apps/viewer/app.py`. `service` is what lives as long as the server, `session` as long as a browser's tab,
`case` as long as a pair is looked at.
"""
