//! What organisations ask the person, and the way from the app to a web page. docs/backchannel.md, docs/handover.md.

use crate::world::{ISSUER, Luck, World};
use serde_json::json;
use symbolon_client::{Answered, DeviceCode, DeviceSays, Says, Trouble};

const PENDING: &str = "/pending?ui_locales=de";

fn world() -> World {
    let world = World::signed_in();
    let mut metadata = world.server.metadata.lock().unwrap();
    metadata["pending_requests_endpoint"] = format!("{ISSUER}/pending").into();
    metadata["pending_devices_endpoint"] = format!("{ISSUER}/pending/device").into();
    metadata["handover_endpoint"] = format!("{ISSUER}/handover").into();
    drop(metadata);
    let step = json!({ "kind": "approval", "fields": [{ "name": "matching_number" }] });
    let request = json!({ "request": "r1", "version": 3, "shown": "s1", "client_id": "bank", "binding_message": "K7-41", "expires_in": 60,
        "step": step });
    world.server.next(PENDING, Luck::Answer(200, &[], json!({ "requests": [request] })));
    world
}

#[tokio::test]
async fn an_answer_names_what_was_shown() {
    for (says, action, number) in
        [(Says::Allow { number: Some("42") }, "allow", Some("42")), (Says::Deny, "deny", None), (Says::NotMine, "not_mine", None)]
    {
        let world = world();
        let asked = world.client.pending_requests("de").await.unwrap().remove(0);
        assert_eq!((asked.client_id.as_str(), asked.binding_message.as_deref()), ("bank", Some("K7-41")));
        assert!(asked.asks_for_number());
        let state = if action == "allow" { "approved" } else { "denied" };
        world.server.next("/pending", Luck::Answer(200, &[], json!({ "state": state })));
        let answered = world.client.answer_request(&asked, says).await.unwrap();
        assert_eq!(answered, if action == "allow" { Answered::Approved } else { Answered::Denied });
        let form = world.server.last("/pending").form;
        assert_eq!([&form["action"], &form["request"], &form["version"], &form["shown"]], [action, "r1", "3", "s1"]);
        assert_eq!(form.get("matching_number").map(String::as_str), number);
    }
}

#[tokio::test]
async fn a_person_who_must_prove_more_is_sent_to_the_browser() {
    let world = world();
    let asked = world.client.pending_requests("de").await.unwrap().remove(0);
    let page = format!("{ISSUER}/approvals?ref=r1");
    world.server.next("/pending", Luck::Answer(403, &[], json!({ "error": "interaction_required", "approval_uri": page })));
    assert_eq!(world.client.answer_request(&asked, Says::Allow { number: None }).await.unwrap(), Answered::Browser(page));
    world.server.next("/pending", Luck::Answer(400, &[], json!({ "error": "expired_token" })));
    let late = world.client.answer_request(&asked, Says::Deny).await;
    assert!(matches!(&late, Err(Trouble::Refused { error, .. }) if error == "expired_token"), "{late:?}");
    world.server.next("/pending", Luck::Answer(200, &[], json!({ "state": "what" })));
    assert!(matches!(world.client.answer_request(&asked, Says::Deny).await, Err(Trouble::Wrong(_))));
}

/// Only what is this server's own picture is asked about, and the answer names what was shown.
#[tokio::test]
async fn a_device_is_found_by_what_the_person_typed_or_scanned() {
    let picture = format!("{ISSUER}/device?ref=AZrD-x_1");
    for (code, name, value) in
        [(DeviceCode::Typed("WDJB-MJHT".to_owned()), "user_code", "WDJB-MJHT"), (DeviceCode::Scanned(picture.clone()), "ref", "AZrD-x_1")]
    {
        let world = world();
        let step = json!({ "kind": "device", "fields": [{ "name": "last_group" }] });
        let question = json!({ "request": "r1", "shown": "s1", "client_id": "tv", "expires_in": 60, "step": step });
        world.server.next("/pending/device", Luck::Answer(200, &[], question));
        let device = world.client.find_device(&code, "de").await.unwrap();
        assert_eq!((device.client_id.as_str(), device.asks_for_last_letters()), ("tv", true));
        assert_eq!(world.server.last("/pending/device").form[name], value);
        world.server.next("/pending/device", Luck::Answer(200, &[], json!({ "state": "approved" })));
        let says = DeviceSays::Allow { last_letters: Some("MJHT") };
        assert_eq!(world.client.answer_device(&device, says).await.unwrap(), Answered::Approved);
        let form = world.server.last("/pending/device").form;
        assert_eq!([&form["action"], &form[name], &form["shown"], &form["last_group"]], ["allow", value, "s1", "MJHT"]);
        world.server.next("/pending/device", Luck::Answer(200, &[], json!({ "state": "denied" })));
        assert_eq!(world.client.answer_device(&device, DeviceSays::NotMine).await.unwrap(), Answered::Denied);
    }
    let world = world();
    for foreign in ["https://evil.test/device?ref=AZrD", "AZrD", &format!("{ISSUER}/device?user_code=WDJBMJHT"), &format!("{picture}&x=1")]
    {
        let found = world.client.find_device(&DeviceCode::Scanned(foreign.to_owned()), "de").await;
        assert!(matches!(found, Err(Trouble::Wrong(_))), "{foreign}");
    }
}

#[tokio::test]
async fn an_app_gets_the_address_of_the_web_page() {
    let world = world();
    let page = format!("{ISSUER}/handover/sw_x");
    world.server.next("/handover", Luck::Answer(200, &[], json!({ "handover_uri": page })));
    assert_eq!(world.client.web_page().await.unwrap(), page);
    world.server.next("/handover", Luck::Answer(400, &[], json!({ "error": "unauthorized_client" })));
    let refused = world.client.web_page().await;
    assert!(matches!(&refused, Err(Trouble::Refused { error, .. }) if error == "unauthorized_client"), "{refused:?}");
}
