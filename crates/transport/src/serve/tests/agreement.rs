//! The inspection must be the stricter parser: whatever it lets through, hyper must understand, and in the same way.

use super::*;

/// A request, and bytes that mean something to one parser or another.
const REQUEST: &[u8] = b"POST /p/q?r=s HTTP/1.1\r\nHost: h.example:80\r\nContent-Length: 3\r\nX-Y: a, b\r\n\r\nabc";
const ODD: &[u8] = b"\0\t\n\r !\"#%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xff";

/// One call, or one fault; never hyper's own bare answer, and never a second call out of the same bytes.
async fn check(input: &[u8]) {
    let mut scene = Scene::with(Timing::default(), |request, inspected| async move {
        let said = match &inspected {
            Inspected::Head(head) => {
                use callgate_wire::head::Framing;
                let length = http_body::Body::size_hint(request.body()).exact();
                let agreed = match head.framing {
                    Framing::None => length == Some(0),
                    Framing::Length(bytes) => length == Some(bytes),
                    Framing::Chunked => length.is_none(),
                };
                assert!(agreed, "{head:?}, but hyper expects {length:?}");
                "head".to_owned()
            }
            other => format!("{other:?}"),
        };
        (said.clone(), text(200, said))
    });
    scene.client.write_all(input).await.unwrap();
    scene.client.shutdown().await.unwrap();
    let heard = scene.hear_all().await;
    let calls = scene.calls.borrow();
    let first = calls.first().map(String::as_str).unwrap_or_default();
    let shown = String::from_utf8_lossy(input);
    assert!(!heard.starts_with("HTTP/1.1 400"), "hyper refused what the inspection let through: {shown:?}");
    // A shorter Content-Length leaves bytes behind the body, which are a second, faulty head.
    assert!((1..=2).contains(&calls.len()), "{calls:?} for {shown:?}");
    assert!(calls.iter().skip(1).all(|call| call.starts_with("Fault")), "{calls:?} for {shown:?}");
    assert!(first == "head" || first.starts_with("Fault"), "{first} for {shown:?}");
}

#[test]
fn every_request_with_one_odd_byte_is_either_refused_by_us_or_understood_by_hyper() {
    run(async {
        for at in 0..REQUEST.len() - 3 {
            for odd in ODD {
                let mut replaced = REQUEST.to_vec();
                replaced[at] = *odd;
                check(&replaced).await;
                let mut inserted = REQUEST.to_vec();
                inserted.insert(at, *odd);
                check(&inserted).await;
            }
            let mut without = REQUEST.to_vec();
            without.remove(at);
            check(&without).await;
        }
    });
}

#[test]
fn as_many_fields_as_we_allow_hyper_allows() {
    run(async {
        for count in [98, 99, 100, 101] {
            let fields: String = (1..count).map(|at| format!("X-{at}: {at}\r\n")).collect();
            check(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes()).await;
        }
    });
}
