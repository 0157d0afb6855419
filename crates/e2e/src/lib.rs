//! End-to-end tests: the real binary, configured as users would.
