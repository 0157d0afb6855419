//! Pure bytes of HTTP: head inspection, paths, forwarding fields, media types, structured fields.
