//! Sockets: listeners, TLS, the checked byte stream, upstream connections.
