//! What Callgate is to reach. A figure is judged by the upper end of its interval.

/// A figure that must not be greater than something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bar {
    pub(crate) scenario: &'static str,
    /// The figure's name in that scenario.
    pub(crate) figure: &'static str,
    pub(crate) most: f64,
    /// Aimed at beyond what must be: shown, and never red.
    pub(crate) beyond: bool,
    /// Why it is not reached yet, if it isn't: said beside the red figure.
    pub(crate) reason: Option<&'static str>,
}

/// Why Callgate is dearer than nginx where both do the same.
const USER_HALF: &str = "a proxied call takes four system calls from everybody; beside them ours has some 75,000 \
                         instructions, spread thin: docs/performance.md says where";

/// All of them. A bar that can't be reached stays here, red, with its reason.
pub(crate) const BARS: &[Bar] = &[
    must("bare", "cpu ÷ nginx", 1.10).because(USER_HALF),
    beyond("bare", "cpu ÷ nginx", 1.0),
    beyond("bare", "cpu ÷ relay", 1.3),
    must("guarded", "cpu ÷ nginx", 1.0).because(USER_HALF),
    must("guarded", "cpu ÷ envoy", 0.4).because(USER_HALF),
    beyond("guarded", "cpu ÷ relay", 1.25),
    must("latency", "(p99 − 100 µs) ÷ nginx", 1.2).because(USER_HALF),
    beyond("latency", "p99 ÷ nginx", 1.0),
    must("refused", "garbage ÷ own bare", 0.6)
        .because("two of four system calls are saved, but a refusal has a problem document, a record and a log line"),
    beyond("refused", "garbage ÷ own bare", 0.4),
    must("tokens", "cpu, tokens ÷ keys", 1.1),
    must("tls", "cpu ÷ nginx", 1.1).because(USER_HALF),
    beyond("tls", "cpu ÷ nginx", 1.0),
    must("handshakes", "cpu ÷ nginx", 1.2),
    beyond("handshakes", "cpu ÷ nginx", 1.0),
    must("h2", "cpu ÷ nginx", 1.3).because(USER_HALF),
    beyond("h2", "cpu ÷ nginx", 1.0),
    must("body", "down ÷ nginx", 1.1)
        .because("the median is within; short pairs have a wide interval, and its upper end counts"),
    beyond("body", "down ÷ nginx", 1.0),
    must("body", "up ÷ nginx", 1.1)
        .because("every 64 KiB of an upload come into memory of their own, where nginx has one buffer a connection"),
    beyond("body", "up ÷ nginx", 1.0),
    must("workers", "cpu, two ÷ one", 1.1),
    beyond("workers", "cpu, two ÷ one", 1.02),
    must("reload", "failed calls", 0.0),
    must("reload", "p99 ÷ still", 2.0),
    must("scale", "1,000,000 keys", 200.0),
    beyond("scale", "1,000,000 keys", 120.0),
    must("scale", "idle gate", 25.0).because(
        "about half of it is the program's own pages, which the kernel can drop; the rest is queues made in advance",
    ),
    must("scale", "idle connection, plain", 12.0),
    must("scale", "idle connection, TLS", 40.0),
];

const fn must(scenario: &'static str, figure: &'static str, most: f64) -> Bar {
    Bar { scenario, figure, most, beyond: false, reason: None }
}

const fn beyond(scenario: &'static str, figure: &'static str, most: f64) -> Bar {
    Bar { beyond: true, ..must(scenario, figure, most) }
}

// === impl Bar ===

impl Bar {
    const fn because(self, reason: &'static str) -> Bar {
        Bar { reason: Some(reason), ..self }
    }
}

/// The bars of a figure.
pub(crate) fn of(scenario: &str, figure: &str) -> impl Iterator<Item = &'static Bar> {
    BARS.iter().filter(move |bar| bar.scenario == scenario && bar.figure == figure)
}
