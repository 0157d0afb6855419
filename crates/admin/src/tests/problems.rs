//! Requests that are wrong, byte by byte, and what they are told.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::house::House;
use crate::{AdminClient, AdminCode, AdminError, AdminSocket};

async fn check(house: &House, path: &str, body: &str, expect: &str) {
    let told = house.post(path, body).await;
    assert!(told.contains(expect), "{path} {body}:\n{told}");
}

#[tokio::test]
async fn a_wrong_body_is_told_what_is_wrong() {
    let house = House::new().await;
    check(&house, "/v1/consumers", "", "400 {").await;
    check(&house, "/v1/consumers", "{", "the body is not JSON: EOF").await;
    check(&house, "/v1/consumers", "{}", "the body does not fit: missing field `name`").await;
    check(&house, "/v1/consumers", r#"{"name":"a","plann":1}"#, "unknown field `plann`, expected `name` or `plan`")
        .await;
    check(&house, "/v1/consumers", r#"{"name":"a b"}"#, "422 {").await;
    check(&house, "/v1/keys", r#"{"consumer":"a","scopes":"x"}"#, "expected a sequence").await;
    check(&house, "/v1/keys/short/revoke", "", "a key's id is 8 letters or digits").await;
    check(&house, "/v1/keys/AAAAAAAA/revoke", "", "404 {").await;
    check(&house, "/v1/backup", r#"{"to":"relative"}"#, "is not an absolute path").await;
    let pasted = house.get("/v1/keys/cg_live_secretsecretsecret").await;
    assert!(!pasted.contains("secretsecret"), "a key that was pasted for its id is not repeated: {pasted}");
}

#[tokio::test]
async fn every_problem_of_a_key_is_told_at_once() {
    let house = House::new().await;
    house.post("/v1/consumers", r#"{"name":"acme"}"#).await;
    let told = house.post("/v1/keys", r#"{"consumer":"acme","scopes":["a b"],"ips":["here"],"expires":"soon"}"#).await;
    let (status, body) = told.split_once(' ').unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((status, &problem["code"]), ("422", &"request_unfit".into()));
    insta::assert_json_snapshot!(problem["problems"], @r#"
    [
      "scope \"a b\": write 1 to 128 printable characters without space, quote and backslash",
      "ip \"here\": write an address or a network, for example `192.0.2.7` or `2001:db8::/32`",
      "expires: `soon` is no moment: write `30d` or `12h` (from now), `2027-01-31`, or `2027-01-31T12:00:00Z`"
    ]
    "#);
}

/// Leaving the plan out by mistake must not take a consumer's limits away.
#[tokio::test]
async fn a_patch_without_a_plan_changes_nothing() {
    let house = House::new().await;
    house.post("/v1/consumers", r#"{"name":"acme","plan":"free"}"#).await;
    let patch = "PATCH /v1/consumers/acme HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let told = house.raw(patch).await;
    assert!(told.contains("missing field `plan`"), "{told}");
    assert_eq!(house.registry.consumer("acme").await.unwrap().plan.as_deref(), Some("free"));
}

#[tokio::test]
async fn other_wrong_requests() {
    let house = House::new().await;
    for (path, expect) in [
        ("/v1/nothing", "404 {"),
        ("/", "404 {"),
        ("/v1/reload", "405 {"),
        ("/v1/calls?colour=red", "unknown field `colour`"),
        ("/v1/calls?limit=0", "limit: write a number from 1 to 10000"),
        ("/v1/calls?limit=many", "400 {"),
        ("/v1/calls?status=teapot", "write `429`, `4xx` or `400-499`, not `teapot`"),
        ("/v1/calls?code=rate", "`rate` is no code of the gate"),
        ("/v1/calls?since=yesterday", "since: `yesterday` is no moment"),
        ("/v1/calls/17", "`17` is no call's id"),
        ("/v1/calls/019cbf1c-6a5a-7000-8000-000000000001", "404 {"),
        ("/v1/consumers/nobody", "there is no consumer `nobody`"),
        ("/v1/keys?consumer=nobody", "there is no consumer `nobody`"),
    ] {
        let told = house.get(path).await;
        assert!(told.contains(expect) && told.contains("urn:callgate:admin:"), "{path}:\n{told}");
    }
    let form = "POST /v1/consumers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\nname=a";
    assert!(house.raw(form).await.starts_with("415 {"));
    let told = house.post("/v1/consumers", &format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000))).await;
    assert!(told.starts_with("413 {"), "{told}");
}

/// In an upgrade a command may come to the process that has just given its place up. It did nothing, and the next one does it.
#[tokio::test]
async fn an_act_that_came_to_the_process_before_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let socket = AdminSocket::bind(folder.path()).unwrap();
    let handed_over = AdminError::new(AdminCode::HandedOver, "try again").problem_json().to_string();
    let none = r#"{"consumers":[],"truncated":false}"#.to_owned();
    let server = tokio::spawn(async move {
        let mut told = 0;
        for (status, body) in [("503 Gone", &handed_over), ("503 Gone", &handed_over), ("200 OK", &none)] {
            loop {
                let (mut stream, _) = socket.listener().accept().await.unwrap();
                // Whoever only looks whether a gate is there asks nothing.
                if stream.read(&mut [0; 4096]).await.unwrap() > 0 {
                    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all((head + body).as_bytes()).await.unwrap();
                    told += 1;
                    break;
                }
            }
        }
        told
    });
    let client = AdminClient::over_socket(folder.path()).await.unwrap().unwrap();
    assert_eq!(client.consumers_list().await.unwrap().consumers, []);
    assert_eq!(server.await.unwrap(), 3);
}
