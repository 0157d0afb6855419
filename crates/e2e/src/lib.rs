//! End-to-end tests: the real binary, configured as users would. There is nothing in the library: start reading in
//! `tests/gate/main.rs`.
