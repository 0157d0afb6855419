//! `callgate explain --last`.

use callgate_testkit::ScriptedUpstream;

use crate::setup::{Folder, failing, fine};

/// What `explain --last` says, without what differs from one run, or one version, to the next.
#[track_caller]
fn told(folder: &Folder, origin: &str) -> String {
    let json = folder.run(&["explain", "--last", "--json"]).expect_success().json();
    let shown = folder.run(&["explain", "--last"]).expect_success();
    assert_eq!(shown.stderr, "", "{shown}");
    let call_id = json["last"]["call_id"].as_str().unwrap_or("no call id");
    let authority = origin.trim_start_matches("http://");
    let text = shown.stdout.replace(origin, "ORIGIN").replace(authority, "AUTHORITY").replace(call_id, "CALL");
    let varies = ["  at ", "  took ", "  bodies ", "  agent "];
    text.lines()
        .filter(|line| !varies.iter().any(|start| line.starts_with(start)))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn a_call_that_nobody_answered() {
    let folder = Folder::new();
    let origin = format!("http://{}", ScriptedUpstream::nobody());
    assert_eq!(folder.run(&["get", &format!("{origin}/books?secret=1")]).code, Some(6));
    insta::assert_snapshot!(told(&folder, &origin), @"
    GET ORIGIN/books got no answer, or not the whole of it

    The call

    Why
      happened  AUTHORITY refused the connection: Connection refused (os error 111)
      to do     is the server running on AUTHORITY?
    ");
}

#[test]
fn an_error_of_a_server_without_a_gate() {
    let (upstream, folder) = (failing("410 Gone", ""), Folder::new());
    assert_eq!(folder.run(&["get", &format!("{}/books/7", upstream.url())]).code, Some(4));
    insta::assert_snapshot!(told(&folder, &upstream.url()), @"
    GET ORIGIN/books/7 was answered with 410

    The call

    What the server said
      title   The shelf is empty.
      detail  Book 7 was sold.

    Meaning
      It was here and will not come back.
      4xx, client errors: the call itself is at fault; the same call gets the same answer (RFC 9110
      section 15.5).
    ");
}

#[test]
fn a_refusal_by_a_gate_that_is_not_administered_here() {
    let (upstream, folder, elsewhere) = (fine(), Folder::new(), Folder::new());
    let guard = elsewhere.guard(&upstream);
    assert_eq!(folder.run(&["get", &format!("{}/books/7", guard.url)]).code, Some(4));
    insta::assert_snapshot!(told(&folder, &guard.url), @"
    GET ORIGIN/books/7 was refused by the gate with 401 credential_missing: This needs a credential, and the call brought none

    The call
      call  CALL

    What the gate said
      title   This needs a credential, and the call brought none.
      detail  API `upstream` needs a key; send it in the header `x-api-key` or `Authorization: Bearer`.
      hint    Send the credential in the place that the API names.

    When
      The route needs a key or an access token, and the call has none in any of the places that the API
      reads.
      It arises in the phase `identify`: the credential leads to a caller.

    What a caller does
      Send it where the answer says; a client of the issuer asks for a token first.

    The gate's side
      Where the gate runs, `callgate explain CALL -c FILE` shows which
      rule it was.
      not here  there is neither ./callgate.yaml nor ./callgate-data here: say which gate with -c FILE,
                --data-dir FOLDER or --admin URL
    ");
    // Asked, and not its call.
    let other = fine();
    let _other = folder.guard(&other);
    let told = told(&folder, &guard.url);
    assert!(told.contains("refused by the gate with 401") && told.contains("is not kept"), "{told}");
}

#[test]
fn a_refusal_by_the_gate_that_is_administered_here() {
    let (upstream, folder) = (fine(), Folder::new());
    let guard = folder.guard(&upstream);
    assert_eq!(folder.run(&["get", &format!("{}/books/7", guard.url)]).code, Some(4));
    insta::assert_snapshot!(told(&folder, &guard.url), @"
    GET /books/7 was refused with 401 credential_missing: This needs a credential, and the call brought none

    The call
      call    CALL
      from    127.0.0.1
      asked   GET /books/7 on 127.0.0.1

    Its way
      ✓ accept     clear text on AUTHORITY
      ✓ read       HTTP/1.1
      ✓ route      upstream
      ✓ admit
      ✗ identify   401 credential_missing
      · authorize  not reached
      · meter      not reached
      · check      not reached
      · forward    not reached
      · inspect    not reached
      ✓ record

    What the caller was told
      title   This needs a credential, and the call brought none.
      detail  API `upstream` needs a key; send it in the header `x-api-key` or `Authorization: Bearer`.
      hint    Send the credential in the place that the API names.

    What only you see
      rule  apis.upstream.access

    What would let it pass
      the caller  Send it where the answer says; a client of the issuer asks for a token first.
      you         Make a key with `callgate keys create CONSUMER`, or a client with `callgate clients
                  create NAME`. `access: public` opens the route to everybody; `keys:` says where a key
                  may stand.
    ");
    let key = format!("X-API-Key:{}", guard.key);
    assert_eq!(folder.run(&["get", &guard.url, &key]).code, Some(0));
    let still = folder.run(&["explain", "--last"]).stdout;
    assert!(still.contains("GET /books/7 was refused"), "a call that went well is no failure: {still}");
}

#[test]
fn an_error_that_came_through_the_gate() {
    let (upstream, folder) = (failing("503 Service Unavailable", ""), Folder::new());
    let guard = folder.guard(&upstream);
    let key = format!("X-API-Key:{}", guard.key);
    assert_eq!(folder.run(&["post", &format!("{}/orders", guard.url), &key, "book:=7"]).code, Some(5));
    let told = told(&folder, &guard.url);
    assert!(told.starts_with("POST /orders passed the gate; the 503 is the upstream's own answer\n"), "{told}");
}

#[test]
fn a_server_cannot_pass_its_failure_off_as_a_refusal_of_the_gate() {
    let (upstream, folder) = (fine(), Folder::new());
    let guard = folder.guard(&upstream);
    assert_eq!(folder.run(&["get", &guard.url]).code, Some(4));
    let last = folder.run(&["explain", "--last", "--json"]).json();
    assert!(last["call"].is_object(), "{last}");
    let id = last["last"]["call_id"].as_str().unwrap();
    let fields = format!("Callgate-Call-Id: {id}\r\nCallgate-Refused: credential_missing\r\n");
    let forger = failing("401 Unauthorized", &fields);
    assert_eq!(folder.run(&["get", &forger.url()]).code, Some(4));
    let told = told(&folder, &forger.url());
    assert!(told.contains("The gate that was asked knows this id from a call to another place"), "{told}");
    assert!(!told.contains("Its way"), "{told}");
}
