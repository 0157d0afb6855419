use std::sync::atomic::Ordering;

use callgate_identity::{KeyFault, SignIn, TokenRequest};
use callgate_model::{Secret, SigningAlgorithm};

use super::house::{House, NOW_MS};
use crate::views::{
    AdminTokenRole, AuditQuery, AuditVerdict, ClientCreate, ClientGrant, KeyCreate, KeyImport, KeyKind, KeyRotate,
    ShownOnce, SigningKeyRole, SigningKeys, Standing, TokenStanding, TokensRevoke, UserCreate,
};
use crate::{AdminCode, Door, socket};

fn for_acme() -> KeyCreate {
    KeyCreate { consumer: "acme".to_owned(), scopes: vec!["orders:read".to_owned()], ..KeyCreate::default() }
}

#[tokio::test]
async fn a_consumer_and_its_keys_from_first_to_last() {
    let house = House::new().await;
    let door = house.door().await;
    assert!(matches!(door, Door::Gate(_)) && door.notice().is_none());
    let acme = door.consumers_create("acme", Some("free")).await.unwrap();
    assert_eq!((acme.name.as_str(), acme.plan.as_deref(), acme.created_ms), ("acme", Some("free"), NOW_MS));
    assert_eq!(door.consumers_set_plan("acme", Some("gold")).await.unwrap().plan.as_deref(), Some("gold"));
    assert_eq!(door.consumers_set_plan("acme", None).await.unwrap(), door.consumers_show("acme").await.unwrap());

    let asked = KeyCreate { expires: Some("30d".to_owned()), apis: vec!["bookshop".to_owned()], ..for_acme() };
    let made = door.keys_create(&asked).await.unwrap();
    let verify = |text: &ShownOnce| house.registry.table().verify(&text.0, NOW_MS);
    assert_eq!(verify(&made.key).unwrap().id, made.record.id);
    assert_eq!(made.record.expires_ms, Some(NOW_MS + 30 * 86_400_000));

    let rotate = KeyRotate { overlap: Some("1h".to_owned()), kind: KeyKind::Test, ..KeyRotate::default() };
    let next = door.keys_rotate(made.record.id, &rotate).await.unwrap();
    assert!(next.key.0.starts_with("cg_test_") && next.record.scopes == ["orders:read"]);
    let old = door.keys_show(made.record.id).await.unwrap();
    assert_eq!((old.successor, old.expires_ms), (Some(next.record.id), Some(NOW_MS + 3_600_000)));

    let revoked = door.keys_revoke(next.record.id).await.unwrap();
    assert_eq!((revoked.standing, revoked.revoked_ms), (Standing::Revoked, Some(NOW_MS)));
    assert!(matches!(verify(&next.key), Err(KeyFault::Revoked(_))), "the very next call is refused");

    let listed = door.keys_list(Some("acme")).await.unwrap().keys;
    assert_eq!(listed.len(), 2);
    assert_eq!(door.keys_list(None).await.unwrap().keys, listed);
    let removed = door.consumers_remove("acme").await.unwrap();
    assert_eq!(removed.keys.len(), 2);
    assert!(door.consumers_list().await.unwrap().consumers.is_empty());
    assert!(matches!(verify(&made.key), Err(KeyFault::Unknown)));
}

#[tokio::test]
async fn an_imported_key_works_and_is_not_shown() {
    let house = House::new().await;
    let door = house.door().await;
    door.consumers_create("acme", None).await.unwrap();
    let text = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
    let asked = KeyImport {
        consumer: "acme".to_owned(),
        key: ShownOnce(text.to_owned()),
        label: Some("from the old gateway".to_owned()),
        scopes: vec![],
        apis: vec![],
        ips: vec![],
        not_before: None,
        expires: None,
    };
    assert!(!format!("{asked:?}").contains(text));
    let key = door.keys_import(&asked).await.unwrap();
    assert!(key.imported && house.registry.table().verify(text, NOW_MS).is_ok());
    assert_eq!(door.keys_import(&asked).await.unwrap_err().code, AdminCode::Conflict);
}

/// The peer of the socket is who did it, and the chain holds.
#[tokio::test]
async fn the_audited_actor_is_the_user_at_the_other_end() {
    let house = House::new().await;
    let door = house.door().await;
    door.consumers_create("acme", None).await.unwrap();
    door.admin_tokens_create("ci", AdminTokenRole::Read).await.unwrap();
    let entries = door.audit_list(&AuditQuery::default()).await.unwrap().entries;
    let own_uid = socket::own_uid().unwrap();
    let lines: Vec<_> =
        entries.iter().map(|entry| format!("{} {} {}", entry.actor, entry.act, entry.subject)).collect();
    assert_eq!(lines, [format!("uid:{own_uid} admin_token.create ci"), format!("uid:{own_uid} consumer.create acme")]);
    let older = AuditQuery { before: Some(2), since: Some("1h".to_owned()), ..AuditQuery::default() };
    assert_eq!(door.audit_list(&older).await.unwrap().entries.len(), 1);
    let verdict = door.audit_verify().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Intact { entries: 2, head: entries[0].hash.clone() });
}

#[tokio::test]
async fn names_that_the_configuration_does_not_have_are_refused() {
    let house = House::new().await;
    let door = house.door().await;
    let error = door.consumers_create("acme", Some("platinum")).await.unwrap_err();
    insta::assert_snapshot!(error, @"plan `platinum` is not in the configuration: it has `free`, `gold`");
    door.consumers_create("acme", None).await.unwrap();
    let error = door.keys_create(&KeyCreate { apis: vec!["bookshpo".to_owned()], ..for_acme() }).await.unwrap_err();
    insta::assert_snapshot!(error, @"api `bookshpo` is not in the configuration: it has `bookshop`");
    let error = door.consumers_create("acme", None).await.unwrap_err();
    insta::assert_snapshot!(error, @"the consumer `acme` exists already: choose another name");
    for name in ["", "..", "a/b", "nobody"] {
        assert_eq!(door.consumers_show(name).await.unwrap_err().code, AdminCode::NotFound, "{name:?}");
    }
}

#[tokio::test]
async fn the_gate_is_asked_for_what_only_it_can_do() {
    let house = House::new().await;
    let door = house.door().await;
    assert_eq!(door.reload().await.unwrap().summary, "+2 −1 routes");
    assert_eq!(house.gate.reloads.load(Ordering::Relaxed), 1);
    let status = door.status().await.unwrap();
    assert!(status.running && status.gate.unwrap().mode == "enforce");
    let plans: Vec<_> = door.plans_list().await.unwrap().plans.into_iter().map(|plan| plan.name).collect();
    assert_eq!(plans, ["free", "gold"]);
}

#[tokio::test]
async fn a_backup_goes_into_a_folder_of_its_own() {
    let house = House::new().await;
    let door = house.door().await;
    let to = house.folder.path().join("backup");
    let backup = door.backup(&to).await.unwrap();
    let names: Vec<_> = backup.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["callgate.db", "calls.db", "secrets/pepper-1"]);
    assert!(to.join("manifest.json").exists());
    assert_eq!(door.backup(&to).await.unwrap_err().code, AdminCode::RequestUnfit, "nothing is overwritten");
}

#[tokio::test]
async fn tokens_are_shown_once_and_removed_for_good() {
    let house = House::new().await;
    let door = house.door().await;
    let made = door.admin_tokens_create("ci", AdminTokenRole::Write).await.unwrap();
    assert!(made.token.0.starts_with("cga_"));
    assert_eq!(door.admin_tokens_list().await.unwrap().tokens, std::slice::from_ref(&made.record));
    assert_eq!(door.admin_tokens_remove("ci").await.unwrap(), made.record);
    assert_eq!(door.admin_tokens_remove("ci").await.unwrap_err().code, AdminCode::NotFound);
}

#[tokio::test]
async fn a_client_its_tokens_and_the_keys_that_sign_them() {
    let house = House::new().await;
    let door = house.door().await;
    let asked = ClientCreate {
        name: "reports".to_owned(),
        consumer: Some("acme".to_owned()),
        grants: vec![ClientGrant::ClientCredentials],
        scopes: vec!["orders:read".to_owned()],
        redirects: vec![],
        public: false,
    };
    assert_eq!(door.clients_create(&asked).await.unwrap_err().code, AdminCode::NotFound, "acme is not there yet");
    door.consumers_create("acme", None).await.unwrap();
    let made = door.clients_create(&asked).await.unwrap();
    assert_eq!((made.record.consumer.as_str(), &made.token_endpoint), ("acme", &None), "no gate issues tokens yet");
    assert_eq!(door.clients_create(&asked).await.unwrap_err().code, AdminCode::Conflict);
    assert_eq!(door.clients_list().await.unwrap().clients, [door.clients_show("reports").await.unwrap()]);
    let without = ClientCreate { grants: vec![], name: "other".to_owned(), ..asked };
    assert_eq!(door.clients_create(&without).await.unwrap_err().code, AdminCode::RequestUnfit);

    house.registry.set_issuer(Some(("https://id.example.com", SigningAlgorithm::default()))).await.unwrap();
    let rotated = door.clients_rotate_secret("reports").await.unwrap();
    assert_ne!(rotated.client_secret, made.client_secret);
    assert_eq!(rotated.token_endpoint.as_deref(), Some("https://id.example.com/oauth/token"));
    let client = house.registry.tokens().client("reports").unwrap();
    let issue = || {
        house.registry.issue_token(TokenRequest { client: client.clone(), scopes: vec![], audience: None, key: None })
    };
    let (one, two) = (issue().await.unwrap().text, issue().await.unwrap().text);
    let shown = |text: &Secret| ShownOnce(text.expose().to_owned());
    let inspected = door.tokens_inspect(shown(&one)).await.unwrap();
    assert_eq!((inspected.standing, inspected.says.unwrap().consumer.as_str()), (TokenStanding::Active, "acme"));
    assert_eq!(door.tokens_inspect(ShownOnce("a.b.c".to_owned())).await.unwrap().standing, TokenStanding::NotOurs);
    assert_eq!(door.tokens_list(Some("reports")).await.unwrap().tokens.len(), 2);

    let revoke = TokensRevoke { token: Some(shown(&one)), ..TokensRevoke::default() };
    let revoked = door.tokens_revoke(&revoke).await.unwrap();
    assert_eq!((revoked.client_id.as_deref(), revoked.number), (Some("reports"), Some(1)));
    assert_eq!(door.tokens_revoke(&revoke).await.unwrap(), revoked, "it was dead before");
    let junk = TokensRevoke { token: Some(ShownOnce("a.b.c".to_owned())), ..TokensRevoke::default() };
    assert_eq!(door.tokens_revoke(&junk).await.unwrap_err().code, AdminCode::NotFound);
    assert_eq!(door.tokens_inspect(shown(&one)).await.unwrap().standing, TokenStanding::Revoked);
    assert_eq!(door.tokens_inspect(shown(&two)).await.unwrap().standing, TokenStanding::Active);
    let both = TokensRevoke { client: Some("reports".to_owned()), ..revoke };
    assert_eq!(door.tokens_revoke(&both).await.unwrap_err().code, AdminCode::RequestUnfit);
    let by_number = TokensRevoke { number: Some(2), ..TokensRevoke::default() };
    assert_eq!(door.tokens_revoke(&by_number).await.unwrap().client_id.as_deref(), Some("reports"));
    assert_eq!(door.tokens_inspect(shown(&two)).await.unwrap().standing, TokenStanding::Revoked);

    let roles = |keys: SigningKeys| keys.keys.into_iter().map(|key| key.role).collect::<Vec<_>>();
    let [current, next, previous] = [SigningKeyRole::Current, SigningKeyRole::Next, SigningKeyRole::Previous];
    assert_eq!(roles(door.signing_keys_list().await.unwrap()), [current, next]);
    assert_eq!(roles(door.signing_keys_rotate(false).await.unwrap()), [current, next, previous]);
    assert_eq!(roles(door.signing_keys_rotate(true).await.unwrap()), [current, next]);
    assert_eq!(door.clients_remove("reports").await.unwrap().client_id, "reports");
    assert_eq!(door.clients_show("reports").await.unwrap_err().code, AdminCode::NotFound);
}

#[tokio::test]
async fn an_account_from_first_to_last() {
    let house = House::new().await;
    let door = house.door().await;
    let password = |text: &str| ShownOnce(text.to_owned());
    let asked = UserCreate { name: "alice".to_owned(), password: password("correct horse battery") };
    let alice = door.users_create(&asked).await.unwrap();
    assert_eq!((alice.name.as_str(), alice.disabled, alice.created_ms), ("alice", false, NOW_MS));
    assert!(!format!("{asked:?}").contains("horse"));
    assert_eq!(door.users_create(&asked).await.unwrap_err().code, AdminCode::Conflict);
    let short = UserCreate { password: password("short"), ..asked };
    assert_eq!(door.users_create(&short).await.unwrap_err().code, AdminCode::RequestUnfit);
    assert_eq!(door.users_list().await.unwrap().users, [alice]);

    let sign_in = async |word: &str| {
        let asked = SignIn {
            name: "alice".to_owned(),
            password: Secret::new(word),
            address: "192.0.2.1".parse().unwrap(),
            agent: "Browser".to_owned(),
            before: None,
        };
        house.registry.sign_in(asked).await.is_ok()
    };
    assert!(sign_in("correct horse battery").await);
    let sessions = door.users_sessions("alice").await.unwrap().sessions;
    assert_eq!((sessions.len(), sessions[0].address.as_str()), (1, "192.0.2.1"));
    assert_eq!(door.users_sign_out("alice").await.unwrap().sessions, 1);
    door.users_password("alice", password("another long word")).await.unwrap();
    assert!(!sign_in("correct horse battery").await && sign_in("another long word").await);
    assert!(door.users_disable("alice").await.unwrap().disabled);
    assert!(!sign_in("another long word").await);
    assert!(!door.users_enable("alice").await.unwrap().disabled);
    let revoke = TokensRevoke { user: Some("alice".to_owned()), ..TokensRevoke::default() };
    assert_eq!(door.tokens_revoke(&revoke).await.unwrap().user.as_deref(), Some("alice"));
    assert_eq!(door.users_remove("alice").await.unwrap().name, "alice");
    assert_eq!(door.users_sessions("alice").await.unwrap_err().code, AdminCode::NotFound);

    let asked = ClientCreate {
        name: "app".to_owned(),
        consumer: None,
        grants: vec![ClientGrant::AuthorizationCode],
        scopes: vec![],
        redirects: vec!["https://app.example.com/back".to_owned()],
        public: true,
    };
    let made = door.clients_create(&asked).await.unwrap();
    assert_eq!((made.client_secret, made.record.public), (None, true));
    assert_eq!(door.clients_rotate_secret("app").await.unwrap_err().code, AdminCode::Conflict);
    for redirect in ["http://app.example.com/back", "https://*.example.com/", ""] {
        let asked = ClientCreate { name: "bad".to_owned(), redirects: vec![redirect.to_owned()], ..asked.clone() };
        assert_eq!(door.clients_create(&asked).await.unwrap_err().code, AdminCode::RequestUnfit, "{redirect}");
    }
}
