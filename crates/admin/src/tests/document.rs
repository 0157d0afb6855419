//! The committed OpenAPI document, against the handlers and against the router.

use std::path::Path;

use super::house::House;
use crate::openapi;

/// `CALLGATE_UPDATE=1 cargo nextest run -p callgate-admin document` writes it anew.
#[test]
fn the_committed_document_is_the_one_the_handlers_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/admin-openapi.json");
    let generated = format!("{}\n", serde_json::to_string_pretty(&openapi::document()).unwrap());
    if std::env::var_os("CALLGATE_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "docs/admin-openapi.json has drifted: run this test with CALLGATE_UPDATE=1");
}

/// Each documented operation is there, and answers in JSON with a status that it may have.
#[tokio::test]
async fn every_documented_operation_answers() {
    let house = House::new().await;
    let document = serde_json::to_value(openapi::document()).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete"].into_iter().filter(|method| item.get(method).is_some()) {
            let (method, path) = (method.to_uppercase(), path.replace("{id}", "AAAAAAAA").replace("{name}", "nobody"));
            let told = house
                .raw(&format!(
                    "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                ))
                .await;
            let missing = told.contains("no act of the admin API") || told.starts_with("405") || !told.contains(" {");
            assert!(!missing, "{method} {path}: {told}");
            operations += 1;
        }
    }
    assert_eq!(operations, 46);
    assert!(house.get("/v1/openapi.json").await.contains("keys_create"));
}
