//! What is kept of a call: the recorder, the access log, metrics, recent calls, usage, explain.
