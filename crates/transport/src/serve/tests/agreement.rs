//! The inspection must be stricter than the types that a request is made of: whatever passes it becomes a request.

use super::*;

/// A request, and bytes that mean something to one parser or another.
const REQUEST: &[u8] = b"POST /p/q?r=s HTTP/1.1\r\nHost: h.example:80\r\nContent-Length: 3\r\nX-Y: a, b\r\n\r\nabc";
const ODD: &[u8] = b"\0\t\n\r !\"#%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xff";

/// One call, or one fault of our own words; and never a second call out of the same bytes.
async fn check(input: &[u8]) {
    let mut scene = Scene::with(Timing::default(), |_request, inspected| async move {
        let said = format!("{inspected:?}");
        (said.clone(), text(200, said))
    });
    scene.client.write_all(input).await.unwrap();
    scene.client.shutdown().await.unwrap();
    scene.hear_all().await;
    let calls = scene.calls.borrow();
    let shown = String::from_utf8_lossy(input);
    // A shorter Content-Length leaves bytes behind the body, which are a second, faulty head.
    assert!((1..=2).contains(&calls.len()), "{calls:?} for {shown:?}");
    assert!(calls.iter().skip(1).all(|call| call.starts_with("Fault")), "{calls:?} for {shown:?}");
    let first = calls.first().map(String::as_str).unwrap_or_default();
    assert!(first == "Whole" || first.starts_with("Fault"), "{first} for {shown:?}");
    assert!(!first.contains("that HTTP knows") && !first.contains("not a URI"), "{first} for {shown:?}");
}

#[test]
fn every_request_with_one_odd_byte_is_refused_by_the_inspection_or_is_a_request() {
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
fn as_many_fields_as_the_inspection_allows_fit_into_a_request() {
    run(async {
        for count in [98, 99, 100, 101] {
            let fields: String = (1..count).map(|at| format!("X-{at}: {at}\r\n")).collect();
            check(format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n").as_bytes()).await;
        }
    });
}
