//! WebSocket frames, whole and in pieces.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| callgate_wire::fuzz_bodies::websocket(bytes));
