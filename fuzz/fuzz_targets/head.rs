//! Heads of HTTP/1.x requests.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callgate_wire::fuzz_bodies::head(bytes));
