//! What tests share: a scripted byte-level upstream, a raw client, real-server helpers.
