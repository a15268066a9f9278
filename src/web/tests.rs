//! What the server lets through, and what it refuses. Runs the router without a network; the pages in a real browser are
//! looked at by `tests/python/test_pages.py`.
