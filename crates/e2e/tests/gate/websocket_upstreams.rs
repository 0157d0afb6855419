//! WebSockets with servers that speak HTTP/2 for everything else.

use callgate_testkit::{Authority, Nginx, ScriptedUpstream, TestGate, WebsocketFrame};

use crate::setup::{api, check, check_problem, gate_yaml};

const PROXY: &str =
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

#[test]
fn a_server_that_would_agree_on_http_2_is_asked_in_http_1() {
    let (upstream, authority) = (ScriptedUpstream::echoing_websockets(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.certificate(&["localhost"]).write(folder.path(), "leaf");
    let nginx = Nginx::start_in(
        folder,
        &format!(
            "listen 127.0.0.1:PORT ssl http2; ssl_certificate FOLDER/leaf.pem; ssl_certificate_key FOLDER/leaf.key;\n\
             location /live {{ proxy_pass {}; {PROXY} }}\nlocation / {{ return 200 $server_protocol; }}",
            upstream.url()
        ),
    );
    let folder = tempfile::tempdir().unwrap();
    drop(authority.write(folder.path()));
    let server = format!(
        "{{ server: \"https://localhost:{}\", protocol: auto, tls: {{ ca: ca.pem }} }}",
        nginx.address().port()
    );
    let gate = TestGate::start_in(folder, &gate_yaml("", &api("shop", &server, "access: public\nwebsocket: allow")));
    // Before, between and after them: what was agreed on for one kind of call is not taken for the other.
    for _ in 0..3 {
        assert_eq!(check(&gate.call("GET /shop/plain"), "200").text(), "HTTP/2.0");
        let mut client = gate.call("GET /shop/live").open_websocket();
        assert_eq!(client.send_frame(WebsocketFrame::text("hello")).frame(), WebsocketFrame::text("hello"));
        assert_eq!(client.send_frame(WebsocketFrame::close(1000)).frame(), WebsocketFrame::close(1000));
    }
    assert_eq!(upstream.last().field("upgrade"), Some("websocket"));
}

#[test]
fn a_server_of_http_2_alone_opens_none_and_is_not_blamed_for_it() {
    let nginx = Nginx::start("listen 127.0.0.1:PORT http2; location / { return 200 $server_protocol; }");
    let server = |more: &str| {
        let upstream = format!("{{ server: \"http://{}\", protocol: http2 }}", nginx.address());
        gate_yaml("", &api("shop", &upstream, &format!("access: public{more}")))
    };
    let refused = TestGate::refuses_to_start(tempfile::tempdir().unwrap().path(), &server("\nwebsocket: allow"));
    assert!(refused.stderr.contains("`websocket` has no effect with `protocol: http2`"), "{refused}");
    // Where rules only watch, the offer would go on.
    let gate = TestGate::start(&server("\nmode: observe"));
    for _ in 0..10 {
        let answer = check(&gate.call("GET /shop/live").websocket(), "403 upgrade_refused");
        let problem = check_problem(&answer);
        assert!(problem["detail"].as_str().unwrap().contains("HTTP/2 alone"), "{problem}");
    }
    assert_eq!(check(&gate.call("GET /shop/plain"), "200").text(), "HTTP/2.0");
}
