//! The inspection of a request's head, as a connection does it when a head comes in one piece.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use callgate_wire::head::{self, Framing};

/// What a browser's script sends, shortened to 360 bytes: eight fields, a target with a query.
const HEAD: &[u8] = b"GET /shop/books?page=2&sort=title HTTP/1.1\r\n\
    Host: api.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: application/json, text/plain, */*\r\n\
    Accept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\n\
    Referer: https://www.example.com/shop\r\n\
    X-Request-Id: 6f1c2b9a\r\n\
    \r\n";

/// Inspects `times` heads.
pub(crate) fn run(times: u64) -> Result<()> {
    for _ in 0..times {
        let bytes = black_box(HEAD);
        let end = head::find_end(bytes, 0).context("the head has no end")?;
        let mut fields = 0;
        let head = head::inspect_each(bytes.get(..end).unwrap_or_default(), |name, value| {
            black_box((name, value));
            fields += 1;
            Ok(())
        });
        let head = head.context("the head was refused")?;
        ensure!(fields == 8 && head.framing == Framing::None, "the head was read as {head:?}");
    }
    Ok(())
}
