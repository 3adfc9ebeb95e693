//! GET /plugin/{name}/return: a browser comes back that a plug-in has sent away. `state` says which sign-in it is for, and the cookie of that
//! sign-in says that it is this browser's. What stands beside it is the browser's word, and the plug-in's to judge.

use super::browser::SignInCookie;
use super::login;
use super::reply::Reply;
use crate::app::App;
use crate::config::plugin::PluginWorld;
use crate::error::{Refused, Result};
use crate::login::context::Answer;
use crate::login::machine::over;
use crate::login::methods::upstream::RETURNED;
use crate::login::proof::MethodName;
use crate::upstream;
use crate::web::request::Incoming;
use std::collections::BTreeMap;

/// What a plug-in is handed of the address.
const PARAMETERS: usize = 16;
const LONGEST: usize = 4096;

pub async fn come_back(app: &App, incoming: &Incoming) -> Result<Reply> {
    let name = incoming.path("name").unwrap_or_default();
    if !app.config.plugin.get(name).is_some_and(|plugin| plugin.world == PluginWorld::Method) {
        return Err(Refused::new(404, "not_found", "There is no such plug-in here.").into());
    }
    let parameters = incoming.parameters();
    let method = MethodName::plugin(name);
    let read = |state| upstream::read_way_back(&app.keyring, &app.config.issuer, method.as_str(), state);
    let way_back = parameters.get("state").and_then(read).ok_or_else(|| over().because("state of a plug-in's return"))?;
    let cookie = SignInCookie::of(app, incoming, &way_back.id).ok_or_else(|| over().because("no cookie of the sign-in that left"))?;
    let mut fields = BTreeMap::new();
    for (name, value) in parameters.iter().filter(|(name, _)| *name != "state") {
        if name.len() + value.len() > LONGEST || fields.len() == PARAMETERS {
            return Err(Refused::bad_request("invalid_request", "The parameters of the answer are too long or too many.").into());
        }
        fields.insert(name.to_owned(), value.to_owned());
    }
    let answer = Answer { action: RETURNED, fields: &fields };
    let received = app.machine.receive_answer(cookie.at(i64::from(way_back.version)), &answer, incoming.now_ms).await?;
    login::go_on(app, incoming, &answer, received).await
}
