//! Paths; the first byte sets the switches.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callgate_wire::fuzz_bodies::path(bytes));
